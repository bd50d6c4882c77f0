import {
  catchError,
  defer,
  finalize,
  from,
  isObservable,
  map,
  of,
  race,
  retry,
  take,
  throwError,
  throwIfEmpty,
  timer,
  type Observable,
} from 'rxjs';
import { EtcdError, hasReason, isEtcdError } from '../errors/index.js';
import { isHeaderText } from './headerText.js';
import { shareUntilDone } from './shareUntilDone.js';

/** A token, or where to get one whenever the server refuses the last. */
export type TokenSource = string | (() => string | PromiseLike<string> | Observable<string>);

/** How a client says who it is. */
export type Auth = { readonly username: string; readonly password: string } | { readonly token: TokenSource };

/** What a call has to show; without a token where the cluster wants none. Compared by identity, to tell one fetch from the next. */
export interface Credential {
  readonly token: string | undefined;
}

/** How the server is asked for a token. */
export interface Authentication {
  /** Asks for that of a user: a call, with tries and a deadline of its own. */
  readonly ask: (username: string, password: string) => Observable<string>;
  /** Whether asking again may help after this. */
  readonly goesOn: (failure: EtcdError) => boolean;
  /** Errors when, or as, the client is closed, so that nobody waits for the next time, or for a function that never gives a token. */
  readonly closed: Observable<never>;
}

/** Between two calls that ask for a token: the tries of each have pauses of their own. */
const PAUSE_MS = 100;

const NOTHING: Credential = { token: undefined };

/**
 * The token of a client: fetched before the first call, and anew, once for all who wait, when the server refuses it. It is asked for as long as anybody waits: each
 * has a deadline of its own, and what one can wait for no longer is no end for who came a moment ago.
 */
export class Tokens {
  private current: Credential | undefined;
  private failure: EtcdError | undefined;
  private readonly fetching: Observable<Credential>;
  /** Whether asking again can help: a token given as a string will not become another. */
  private readonly renewable: boolean;

  constructor(auth: Auth | undefined, { ask, goesOn, closed }: Authentication) {
    this.renewable = auth !== undefined && !('token' in auth && typeof auth.token === 'string');
    if (auth === undefined) this.current = NOTHING;
    const persistently: Authentication['ask'] = (username, password) =>
      ask(username, password).pipe(
        retry({
          delay: (failure: unknown) => {
            if (!isEtcdError(failure) || !goesOn(failure)) return throwError(() => failure);
            this.failure = failure;
            return timer(PAUSE_MS);
          },
        }),
        finalize(() => (this.failure = undefined)),
      );
    this.fetching = shareUntilDone(
      () => race(closed, fetchCredential(auth, persistently)),
      (credential) => (this.current = credential),
    );
  }

  /** What is at hand, for the way that every call takes but the first. */
  get known(): Credential | undefined {
    return this.current;
  }

  /** Why there is none yet, though it is asked for. */
  get trouble(): EtcdError | undefined {
    return this.failure;
  }

  /** What to show; all who wait share one request for it. */
  get(): Observable<Credential> {
    return defer(() => (this.current === undefined ? this.fetching : of(this.current)));
  }

  /** The server refused this one. @returns whether it is worth trying again: with a new one, or with the one that another call has fetched since */
  refused(credential: Credential): boolean {
    if (this.current === credential && this.renewable) this.current = undefined;
    return this.renewable;
  }
}

function fetchCredential(auth: Auth | undefined, ask: Authentication['ask']): Observable<Credential> {
  if (auth === undefined) return of(NOTHING);
  if ('token' in auth) return fetchToken(auth.token).pipe(map((token) => ({ token })));
  return ask(auth.username, auth.password).pipe(
    map((token) => ({ token })),
    // A cluster without auth refuses to authenticate, and wants no token either.
    catchError((error: unknown) => (hasReason(error, 'AuthNotEnabled') ? of({ token: undefined }) : throwError(() => error))),
  );
}

function fetchToken(source: TokenSource): Observable<string> {
  return defer(() => {
    const given = typeof source === 'string' ? source : source();
    if (typeof given === 'string') return of(given);
    return isObservable(given) ? given : from(given);
  }).pipe(
    take(1),
    throwIfEmpty(() => new EtcdError('TokenUnavailable', 'the token function gave no token')),
    map((token: unknown) => {
      if (typeof token !== 'string' || token === '') throw new EtcdError('TokenUnavailable', 'the token function gave no token');
      if (!isHeaderText(token))
        throw new EtcdError(
          'TokenUnavailable',
          'the token has a line break or another character in it that HTTP does not allow in a header',
        );
      return token;
    }),
    catchError((cause: unknown) =>
      throwError(() => (isEtcdError(cause) ? cause : new EtcdError('TokenUnavailable', 'the token function failed', { cause }))),
    ),
  );
}
