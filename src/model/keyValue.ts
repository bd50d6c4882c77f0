import { fromBase64, textFromBase64, toBase64 } from './bytes.js';
import type { Either } from 'fp-ts/lib/Either.js';
import { settledNow, type Validator, jsonLater, parsedValue } from './validator.js';
import type { InvalidValueError } from '../errors/index.js';
import type { LeaseId } from './ids.js';

/** The base64 and the numbers of a key-value, as a response contains them. They were checked before. */
export interface KeyValueParts {
  readonly key64: string;
  readonly value64: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: LeaseId | undefined;
}

/**
 * A key with its value, as etcd stores it. It keeps the base64 of the response, and decodes it on first access. So a
 * large number of key-values costs little until they are read. Keys and values may be any bytes. `key` and `value` are
 * their UTF-8 text, and `keyBytes` and `valueBytes` are the bytes.
 */
export class KeyValue {
  private readonly key64: string;
  private readonly value64: string;
  /** The revision at which the key was created, after its last deletion if it was deleted before. */
  readonly createRevision: number;
  /** The revision of the last change of the key. */
  readonly modRevision: number;
  /** The number of changes since the key was created: 1 for a new key, and 0 in the event of a deletion. */
  readonly version: number;
  /** The lease that the key is attached to; undefined if there is none. */
  readonly lease: LeaseId | undefined;

  #key: string | undefined;
  #value: string | undefined;

  constructor(parts: KeyValueParts) {
    this.key64 = parts.key64;
    this.value64 = parts.value64;
    this.createRevision = parts.createRevision;
    this.modRevision = parts.modRevision;
    this.version = parts.version;
    this.lease = parts.lease;
  }

  /** The key as UTF-8 text. */
  get key(): string {
    return (this.#key ??= textFromBase64(this.key64));
  }

  /** The value as UTF-8 text. */
  get value(): string {
    return (this.#value ??= textFromBase64(this.value64));
  }

  /** The bytes of the key, as a new array that the caller may change. */
  get keyBytes(): Uint8Array {
    return fromBase64(this.key64);
  }

  /**
   * The key in base64, as it was received. Reading this property costs nothing. A caller that needs only the key later
   * can keep this text instead of the whole object.
   */
  get keyBase64(): string {
    return this.key64;
  }

  /** The value in base64, as it was received. */
  get valueBase64(): string {
    return this.value64;
  }

  /** The length of key and value in base64. It shows the size of the key-value without decoding it. */
  get base64Length(): number {
    return this.key64.length + this.value64.length;
  }

  /** The bytes of the value, as a new array that the caller may change. */
  get valueBytes(): Uint8Array {
    return fromBase64(this.value64);
  }

  /**
   * Parses the value as JSON, without checking it.
   *
   * @returns `right(value)`, or `left(InvalidValueError)` if the value is not JSON
   */
  json(): Either<InvalidValueError, unknown>;
  /**
   * Parses the value as JSON, and checks it with an io-ts codec or a Standard Schema (zod, valibot and others).
   *
   * @param codec checks and converts the value. A schema that checks asynchronously causes `InvalidArgument`; use
   * `decodeJson`, which waits for the result
   * @returns `right(value)`, or `left(InvalidValueError)` if the value is not JSON or the codec rejects it
   *
   * ```ts
   * const config = kv.json(t.type({ color: t.string }));
   * ```
   */
  json<A>(codec: Validator<A>): Either<InvalidValueError, A>;
  json(codec?: Validator<unknown>): Either<InvalidValueError, unknown> {
    return codec === undefined ? parsedValue(this) : settledNow(jsonLater(this, codec));
  }

  /**
   * Returns whether the key is unchanged. All fields are compared, and not only the revisions, as another store may
   * have the same revisions.
   */
  isUnchangedSince({ value64, createRevision, modRevision, version, lease }: KeyValue): boolean {
    const sameRevisions = this.modRevision === modRevision && this.createRevision === createRevision && this.version === version;
    return sameRevisions && this.lease === lease && this.value64 === value64;
  }

  /** Returns the key-value with the first `length` bytes of its key removed, as a namespace shows it. */
  withoutPrefix(length: number): KeyValue {
    const { key64, value64, createRevision, modRevision, version, lease } = this;
    return new KeyValue({ key64: withoutBytes(key64, length), value64, createRevision, modRevision, version, lease });
  }

  /** Returns the form for `JSON.stringify` and `console.log`, with text instead of base64. */
  toJSON(): { key: string; value: string; createRevision: number; modRevision: number; version: number; lease?: LeaseId } {
    const { key, value, createRevision, modRevision, version, lease } = this;
    return { key, value, createRevision, modRevision, version, ...(lease === undefined ? {} : { lease }) };
  }

  /**
   * Returns the form for Node's `console.log`. The symbol comes from the global registry, so that nothing has to be
   * imported from Node.
   */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    return this.toJSON();
  }
}

/** Removes the first bytes from base64. Three bytes are four characters, so most of the text need not be decoded. */
function withoutBytes(base64: string, count: number): string {
  const rest = base64.slice(Math.floor(count / 3) * 4);
  const over = count % 3;
  // `atob` and `btoa` take a tenth of a microsecond for a key. Any conversion to an array of bytes takes longer.
  return over === 0 ? rest : btoa(atob(rest).slice(over));
}

const NOT_UTF8 = '\uFFFD';

/**
 * Returns a string that identifies a key: its text or, if bytes may be lost in the text, U+FFFD and the base64. Two
 * keys that are not UTF-8 may have the same text, but they never have the same id.
 */
export function keyId(kv: KeyValue): string {
  const { key } = kv;
  return key.includes(NOT_UTF8) ? NOT_UTF8 + toBase64(kv.keyBytes) : key;
}

/**
 * Returns whether a key is the same and unchanged. Comparing its revision would not be enough, as a store that was
 * wiped counts its revisions from the beginning again.
 */
export function isUnchanged(before: KeyValue | undefined, now: KeyValue | undefined): boolean {
  if (before === undefined || now === undefined) return before === now;
  return before.key === now.key && now.isUnchangedSince(before);
}
