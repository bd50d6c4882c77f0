import type { KeySpan } from './keys.js';

/** The rights of the client of a call. Each function throws the refusal of the server if the client lacks the right. */
export interface Access {
  /** The name of the user; undefined while auth is disabled. */
  readonly user: string | undefined;
  /** Checks that a token, if the client has one, is valid. */
  known(): void;
  /** Checks that the client has a valid token. */
  identified(): void;
  read(span: KeySpan): void;
  write(span: KeySpan): void;
  /** Checks that the user has the role `root`. */
  admin(): void;
}
