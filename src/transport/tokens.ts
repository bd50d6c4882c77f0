import { catchError, defer, from, isObservable, map, of, take, throwError, throwIfEmpty, type Observable } from 'rxjs';
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

/** Asks the server for the token of a user. */
export type Authenticate = (username: string, password: string) => Observable<string>;

const NOTHING: Credential = { token: undefined };

/** The token of a client: fetched before the first call, and anew, once for all who wait, when the server refuses it. */
export class Tokens {
  private current: Credential | undefined;
  private readonly fetching: Observable<Credential>;
  /** Whether asking again can help: a token given as a string will not become another. */
  private readonly renewable: boolean;

  constructor(auth: Auth | undefined, authenticate: Authenticate) {
    this.renewable = auth !== undefined && !('token' in auth && typeof auth.token === 'string');
    if (auth === undefined) this.current = NOTHING;
    this.fetching = shareUntilDone(
      () => fetchCredential(auth, authenticate),
      (credential) => (this.current = credential),
    );
  }

  /** What is at hand, for the way that every call takes but the first. */
  get known(): Credential | undefined {
    return this.current;
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

function fetchCredential(auth: Auth | undefined, authenticate: Authenticate): Observable<Credential> {
  if (auth === undefined) return of(NOTHING);
  if ('token' in auth) return fetchToken(auth.token).pipe(map((token) => ({ token })));
  return authenticate(auth.username, auth.password).pipe(
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
