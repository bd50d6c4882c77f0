import { EtcdError, hasReason, isEtcdError, keepSecret, type Reason } from '../errors/index.js';
import {
  catchError,
  defer,
  finalize,
  from,
  isObservable,
  map,
  of,
  race,
  switchMap,
  take,
  tap,
  throwError,
  throwIfEmpty,
  type Observable,
} from 'rxjs';
import { Backoff, retryAfter, monotonicNow } from '../util/time.js';
import type { Diagnostics } from '../model/diagnostics.js';
import { isHeaderText } from '../model/validate.js';
import { Credential } from './call.js';
import { shareUntilDone } from '../util/rx.js';

/**
 * A token, or a function that returns a token. The function is called before the first request that needs a token, and
 * again when the server rejects the current token.
 */
export type TokenSource = string | (() => string | PromiseLike<string> | Observable<string>);

/** A user and the password of that user. */
export interface UserCredentials {
  readonly username: string;
  readonly password: string;
}

/**
 * Returns the credentials of a user. The client calls this function before its first request that needs a token, and
 * again when the server rejects the credentials (`AuthFailed`).
 */
export type CredentialsSource = () => UserCredentials | PromiseLike<UserCredentials> | Observable<UserCredentials>;

/** The ways in which a client can authenticate. */
export type Auth = UserCredentials | { readonly token: TokenSource } | CredentialsSource;

/** The functions and settings with which a token is requested from the server. */
export interface AuthDeps {
  /** Requests a token for a user. The request is a separate call with its own attempts and its own deadline. */
  readonly authenticate: (username: string, password: string) => Observable<string>;
  /** Returns whether the token may be requested again after this failure. */
  readonly isWorthRetrying: (failure: EtcdError) => boolean;
  /**
   * Errors when the client is closed, or if it is closed already. Because of this error, no call waits for another
   * request, or for a function that never returns a token.
   */
  readonly closed: Observable<never>;
  readonly diagnostics?: Diagnostics;
}

/** The pause between two calls that request a token, in milliseconds. The attempts of a call have other pauses. */
const PAUSE_MS = 100;

/** The number of tokens and passwords that are kept out of errors: the current ones and the previous ones. */
const MAX_KEPT = 4;

/**
 * The maximum number of calls of the credentials function, if its earlier credentials worked. Several calls may be
 * needed, as a server and a vault do not change a password at the same moment.
 */
const MAX_ATTEMPTS = 6;
const LONGEST_ASK_PAUSE_MS = 2_000;

const NOTHING = new Credential();

/**
 * Holds the token of a client. The token is requested before the first call, and again when the server rejects it. All
 * waiting calls share one request. `CallExecutor.recover` discards a rejected token of a call, and `Channel.failed`
 * discards that of a stream.
 *
 * If a request for a user's token runs out of time or attempts, it is repeated as long as any call waits. It is not
 * repeated if retries are off. Each call has its own deadline. When one call ends, the request continues for the other
 * calls.
 */
export class TokenProvider {
  /** The current credential; undefined until it has been requested. After the first call it is usually known. */
  known: Credential | undefined;
  private failure: EtcdError | undefined;
  /**
   * Functions that stop keeping secrets out of errors, for the last tokens and passwords. A replaced token is still
   * kept out, as a request in progress may contain it.
   */
  private readonly kept: (() => void)[] = [];
  private readonly fetching: Observable<Credential>;
  /** Whether another token can be requested. A token that was given as a string never changes. */
  private readonly renewable: boolean;

  constructor(auth: Auth | undefined, { authenticate, isWorthRetrying, closed, diagnostics }: AuthDeps) {
    let begunAt = 0;
    this.renewable = auth !== undefined && !('token' in auth && typeof auth.token === 'string');
    if (auth === undefined) this.known = NOTHING;
    const retrying: AuthDeps['authenticate'] = (username, password) =>
      authenticate(username, password).pipe(
        retryAfter((failure) => {
          if (!isEtcdError(failure) || !isWorthRetrying(failure)) return undefined;
          this.failure = failure;
          return PAUSE_MS;
        }),
        finalize(() => (this.failure = undefined)),
      );
    const user = typeof auth === 'function' ? new User(auth, (password) => this.keep(password)) : undefined;
    this.fetching = shareUntilDone(
      () => {
        begunAt = monotonicNow();
        return race(closed, fetchCredential(typeof auth === 'function' ? user : auth, retrying));
      },
      (credential) => {
        this.take(credential);
        if (diagnostics?.active === true) diagnostics.emit({ type: 'tokenRenewed', elapsedMs: monotonicNow() - begunAt });
      },
    );
  }

  /** Returns the last failure to get a token, while the token is being requested. */
  get trouble(): EtcdError | undefined {
    return this.failure;
  }

  /** Emits the credential to send. All waiting calls share one request for it. */
  get(): Observable<Credential> {
    return defer(() => (this.known === undefined ? this.fetching : of(this.known)));
  }

  /** Stops keeping tokens and passwords out of errors. */
  stopRedacting(): void {
    for (const end of this.kept.splice(0)) end();
  }

  private take(credential: Credential): void {
    this.known = credential;
    this.keep(credential.token ?? '');
  }

  private keep(secret: string): void {
    this.kept.push(keepSecret(secret));
    if (this.kept.length > MAX_KEPT) this.kept.shift()?.();
  }

  /**
   * Discards a token that the server rejected, if another token can be requested.
   *
   * @returns true if a retry can succeed with another token, which may be one that another call has requested
   */
  discardRejected(credential: Credential): boolean {
    if (this.known === credential && this.renewable) this.known = undefined;
    return this.renewable;
  }
}

/** A user with credentials from a function, which may return others later. */
class User {
  // The field is private at run time as well, as no log may show a password.
  #current: UserCredentials | undefined;
  /** Whether the server has ever accepted credentials of the function. */
  private known = false;

  constructor(
    private readonly source: CredentialsSource,
    /** Keeps a password out of errors. */
    private readonly keep: (password: string) => void,
  ) {}

  /** Authenticates with the stored credentials. If the server rejects them, the function is called for new ones. */
  authenticate(withPassword: AuthDeps['authenticate']): Observable<string> {
    return defer(() => {
      const backoff = new Backoff(PAUSE_MS, LONGEST_ASK_PAUSE_MS);
      return defer(() => (this.#current === undefined ? this.fetch() : of(this.#current))).pipe(
        switchMap(({ username, password }) => withPassword(username, password)),
        tap(() => (this.known = true)),
        retryAfter((failure, attempts) => {
          if (!hasReason(failure, 'AuthFailed') || attempts > (this.known ? MAX_ATTEMPTS : 1)) return undefined;
          this.#current = undefined;
          return attempts === 1 ? 0 : backoff.next();
        }),
      );
    });
  }

  private fetch(): Observable<UserCredentials> {
    return firstOf(this.source).pipe(
      throwIfEmpty(() => new EtcdError('TokenUnavailable', 'the auth function returned no credentials')),
      map((given: unknown) => {
        if (!isCredentials(given)) {
          throw new EtcdError(
            'TokenUnavailable',
            'the auth function: expected { username, password }, each a string of one line that is not empty',
          );
        }
        this.keep(given.password);
        return (this.#current = { username: given.username, password: given.password });
      }),
      catchError((cause: unknown) =>
        throwError(() => (isEtcdError(cause) ? cause : new EtcdError('TokenUnavailable', 'the auth function failed', { cause }))),
      ),
    );
  }
}

function isCredentials(given: unknown): given is UserCredentials {
  if (typeof given !== 'object' || given === null) return false;
  const { username, password } = given as Partial<Record<string, unknown>>;
  return isLine(username) && isLine(password);
}

const isLine = (text: unknown): text is string => typeof text === 'string' && text !== '' && !/[\0\r\n]/.test(text);

/** Returns the first value of a function's result, which may be a value, a Promise or an Observable. */
function firstOf<T>(source: () => T | PromiseLike<T> | Observable<T>): Observable<T> {
  return defer(() => {
    const given = source();
    if (isObservable(given)) return given.pipe(take(1));
    return from(Promise.resolve(given));
  });
}

function fetchCredential(
  auth: Exclude<Auth, CredentialsSource> | User | undefined,
  authenticate: AuthDeps['authenticate'],
): Observable<Credential> {
  if (auth === undefined) return of(NOTHING);
  if (!(auth instanceof User) && 'token' in auth) return fetchToken(auth.token).pipe(map((token) => new Credential(token)));
  const token = auth instanceof User ? auth.authenticate(authenticate) : authenticate(auth.username, auth.password);
  return token.pipe(
    map((token) => new Credential(token)),
    // A cluster without auth rejects authentication. Its calls need no token.
    catchError((error: unknown) => (hasReason(error, 'AuthNotEnabled') ? of(new Credential()) : throwError(() => error))),
  );
}

function fetchToken(source: TokenSource): Observable<string> {
  return defer(() => {
    const given = typeof source === 'string' ? source : source();
    if (typeof given === 'string') return of(given);
    return isObservable(given) ? given : from(given);
  }).pipe(
    take(1),
    throwIfEmpty(() => new EtcdError('TokenUnavailable', 'the token function returned no token')),
    map((token: unknown) => {
      if (typeof token !== 'string' || token === '') throw new EtcdError('TokenUnavailable', 'the token function returned no token');
      if (!isHeaderText(token))
        throw new EtcdError(
          'TokenUnavailable',
          'the token contains a line break or another character that HTTP does not allow in a header',
        );
      return token;
    }),
    catchError((cause: unknown) =>
      throwError(() => (isEtcdError(cause) ? cause : new EtcdError('TokenUnavailable', 'the token function failed', { cause }))),
    ),
  );
}

/**
 * Returns whether a call was rejected because it had no token, although the error has another reason. If clients use
 * certificates and auth is enabled, the gateway passes on the call with the name in its own certificate as the user.
 * Such a user may not exist, or may lack the permission. A client that began before auth was enabled receives such an
 * error.
 */
export function isMissingToken({ reason }: EtcdError, sentCredential: Credential | undefined): boolean {
  return sentCredential !== undefined && sentCredential.token === undefined && (reason === 'PermissionDenied' || reason === 'UserNotFound');
}

/** The first part of the messages for errors of calls without a token. */
const WORDS: Partial<Record<Reason, string>> = { PermissionDenied: 'permission denied', UserEmpty: 'user name is empty' };

/** Adds advice to an error, if the client has no token to send. */
export function withAuthHint(error: EtcdError, sentCredential: Credential | undefined): EtcdError {
  const { reason, rpc, endpoint } = error;
  const words = WORDS[reason];
  // An error of the service Auth may concern the user in the request, and not the user of the call.
  if (words === undefined || sentCredential === undefined || sentCredential.token !== undefined || rpc?.startsWith('Auth.') === true)
    return error;
  return new EtcdError(reason, `${words}: auth is enabled, and the request has no token; set the option auth`, {
    rpc,
    endpoint,
    cause: error,
  });
}
