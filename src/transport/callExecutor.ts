import { catchError, forkJoin, map, of, race, switchAll, switchMap, tap, throwError, timer, type Observable } from 'rxjs';
import { AmbiguousWriteError, isEtcdError, type EtcdError } from '../errors/index.js';
import type { Diagnostics } from '../model/diagnostics.js';
import type { Call, Route, Send } from './call.js';
import type { Endpoint, EndpointPool, ServerInfo } from './endpoints/endpointPool.js';
import { failedBefore } from './endpoints/versionProbe.js';
import { Credential, explained, isMissingToken, type TokenProvider } from './tokenProvider.js';
import { unlessUnsubscribed } from '../util/rx.js';
import { inDoubt, settled } from './deadline.js';
import { decideRetry, NO_RETRIES, type RetryLimits, type RetryPolicy, retryAction, type RetryAction } from './retryPolicy.js';
import { backoffMs, monotonicNow } from '../util/time.js';
import { isPageLeft } from './wire.js';
import type { AttemptRunner, HedgedAttempts } from './hedging.js';

const ANONYMOUS = new Credential();
/** The decisions that `maxAttempts` limits. A new token, and the version of the server, are requested once each. */
const REPEATS: ReadonlySet<unknown> = new Set(['retry', 'retryOtherEndpoint', 'retryNewerMember', 'retryByPolicy']);
/** From 25 to 75 ms, doubled with each attempt. */
const PAUSES = { initialMs: 75, maxMs: Infinity, jitter: 2 / 3 };
const MOST_DOUBLINGS = 6;
/** Limits the pause to 400 ms, before jitter, after a change of leader: an election is over soon. */
const FEW_DOUBLINGS = 3;
const LEAST_TRIES = 4;
/**
 * How long a cluster that has lost its leader may refuse calls at once. An election takes longer if it needs a second
 * vote, or if the cluster is busy.
 */
const ELECTION_MS = 5_000;

/**
 * Makes the attempts of a call, from the first to the last. Picks the endpoint, makes sure that its version and the
 * token are known, and applies the retry table.
 */
export class CallExecutor implements AttemptRunner {
  /** Whether a call may be sent more than once. */
  readonly repeatable: boolean;
  /** Errors of calls for which a further attempt might have helped. */
  private readonly ranOut = new WeakSet<EtcdError>();

  constructor(
    private readonly endpoints: EndpointPool,
    private readonly tokens: TokenProvider,
    private readonly limits: HedgedAttempts,
    private readonly policy: RetryPolicy | undefined,
    /** Errors when the client is closed, so that no call waits for its next attempt. */
    private readonly closed: Observable<never>,
    private readonly diagnostics: Diagnostics,
    /** The limits that differ from the defaults. */
    private readonly given: RetryLimits = {},
  ) {
    this.repeatable = policy !== NO_RETRIES;
  }

  /** Makes the next attempt of a call. It picks the endpoint at once: call it on subscription, not before. */
  run<T>(call: Call, send: Send<T>): Observable<T> {
    const pinned = call.options.endpoint;
    return this.runAt(pinned === undefined ? this.pickEndpoint(call) : this.endpoints.at(pinned), call, send);
  }

  /**
   * Picks an endpoint at which the call does not wait for a response yet, if there is one. Otherwise all may be asked
   * again.
   */
  private pickEndpoint(call: Call): Endpoint {
    const endpoint = this.endpoints.pick(call.silentAt);
    if (call.silentAt?.has(endpoint) === true) call.silentAt = undefined;
    return endpoint;
  }

  private runAt<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    // An earlier attempt may have been sent, and refused; this one is not sent yet.
    call.sent = false;
    if (!endpoint.isPaused) return this.runIfMember(endpoint, call, send);
    return race(
      this.closed,
      endpoint.afterPause(() => this.runIfMember(endpoint, call, send)),
    );
  }

  /** Makes the attempt at this endpoint, or at another one if it was removed from the client while the call waited. */
  private runIfMember<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    return this.endpoints.has(endpoint) ? this.attempt(endpoint, call, send) : this.run(call, send);
  }

  private attempt<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    call.tries += 1;
    // Both are known for every call but the first, which alone needs a preparation.
    const info = endpoint.known;
    const credential = call.authenticated ? this.tokens.known : ANONYMOUS;
    if (info !== undefined && credential !== undefined) return this.begin({ endpoint, info, credential }, call, send);
    const { isAside } = endpoint;
    return this.prepare(endpoint, credential, call).pipe(
      map((route) => {
        const fellSilent = !isAside && endpoint.isAside && call.options.endpoint === undefined;
        // The endpoint was set aside while this call was prepared: that does not count as an attempt.
        if (fellSilent) call.tries -= 1;
        return this.endpoints.has(endpoint) && !fellSilent ? this.begin(route, call, send) : this.run(call, send);
      }),
      // Recovers from a failed preparation only; what is sent recovers by itself.
      catchError((failure: unknown) => of(this.recover(failedBefore(call.name, failure), endpoint, undefined, call, send))),
      switchAll(),
    );
  }

  private begin<T>(route: Route, call: Call, send: Send<T>): Observable<T> {
    if (this.diagnostics.active) {
      this.diagnostics.emit({ type: 'attemptBegun', rpc: call.name, endpoint: route.endpoint.address, attempt: call.tries });
    }
    return this.limits.watched(this, { call, route, send });
  }

  /** Returns whether a call that failed with this error, and may be repeated, only ran out of time or attempts. */
  isWorthRetrying(failure: EtcdError): boolean {
    return this.ranOut.has(failure) || (failure.reason === 'DeadlineExceeded' && this.repeatable);
  }

  /** Prepares a route to the next endpoint in turn, for a caller that retries by itself. */
  route(rpc: string, tries = 1): Observable<Route> {
    const endpoint = this.endpoints.pick();
    const prepared = endpoint.afterPause(() => this.prepare(endpoint, this.tokens.known));
    return race(this.closed, prepared).pipe(
      catchError((error: unknown) => {
        const elsewhere = isEtcdError(error) && retryAction(error, 'read', false) === 'retryOtherEndpoint';
        if (elsewhere || (isEtcdError(error) && error.code === 'Unavailable')) endpoint.failed();
        return elsewhere && tries < this.endpoints.size ? this.route(rpc, tries + 1) : throwError(() => failedBefore(rpc, error));
      }),
    );
  }

  private prepare(endpoint: Endpoint, credential: Credential | undefined, call?: Call): Observable<Route> {
    return forkJoin({
      endpoint: of(endpoint),
      info: endpoint.known === undefined ? this.discover(endpoint, call) : of(endpoint.known),
      // Authenticating is a call with its own attempts, at any endpoint. Its failure is final, and not the fault of
      // this endpoint.
      credential: credential === undefined ? this.tokens.get().pipe(tap({ error: () => call && (call.final = true) })) : of(credential),
    });
  }

  private discover(endpoint: Endpoint, call: Call | undefined): Observable<ServerInfo> {
    const elsewhere = call === undefined ? this.endpoints.size > 1 : this.mayGoElsewhere(call);
    return elsewhere ? this.limits.question(endpoint, call) : endpoint.discover();
  }

  /** Returns what follows a failed attempt: another attempt, or its error. */
  recover<T>(error: unknown, endpoint: Endpoint, shown: Credential | undefined, call: Call, send: Send<T>): Observable<T> {
    // Faults of our own code, or of the caller's project function, are not ours to interpret.
    if (!isEtcdError(error) || call.answered || call.final) return throwError(() => error);
    const fail = (failure = error): Observable<T> => throwError(() => settled(call, failure));
    const { safety, sent, tries } = call;
    const found = call.authenticated && isMissingToken(error, shown) ? 'reauthenticate' : retryAction(error, safety, sent);
    const renewable = this.recordFailure(found, error, endpoint, shown);
    // A batch may be refused because of one of its calls. Each is then sent by itself, where the policy decides about
    // it alone and delays no other.
    const policy = call.joint && found === 'fail' ? undefined : this.policy;
    let decision: ReturnType<typeof decideRetry>;
    try {
      decision = decideRetry(policy, { rpc: call.name, safety, sent, error, attempts: tries, action: found });
    } catch (fault) {
      // The outcome of a write stays unknown if the function throws.
      if (isEtcdError(fault)) return found === 'ambiguous' ? throwError(() => new AmbiguousWriteError(fault)) : fail(fault);
      throw fault;
    }
    if (this.diagnostics.active) {
      const elapsedMs = monotonicNow() - call.begunAt;
      const where = { rpc: call.name, endpoint: endpoint.address, attempt: tries, elapsedMs };
      this.diagnostics.emit({ type: 'attemptFailed', ...where, action: decision, error });
    }
    const next = (): Observable<T> => unlessUnsubscribed(() => this.run(call, send));
    if (REPEATS.has(decision) && !this.mayRepeat(call)) {
      this.ranOut.add(error);
      return fail();
    }
    switch (decision) {
      case 'fail':
      case 'ambiguous':
        return fail();
      case 'retry':
        if (this.hasAttemptsLeft(call) || this.mayBeElecting(call)) return this.retryOnce(error, call, next);
        this.ranOut.add(error);
        return fail();
      case 'retryOtherEndpoint':
        return call.options.endpoint === undefined && tries < this.endpoints.size ? next() : fail();
      case 'retryNewerMember':
        return this.hasAttemptsLeft(call) ? this.retryWithBackoff(call, next) : fail();
      case 'retryByPolicy':
        if (!sent || safety === 'read') return this.retryWithBackoff(call, next);
        call.resent = true;
        // Applies also if no further attempt is made: the client may be closed, or the token function may fail.
        return this.retryWithBackoff(call, next).pipe(catchError((last: unknown) => throwError(() => inDoubt(last))));
      case 'reauthenticate':
        if (call.reauthenticated || !renewable) return fail(explained(error, shown));
        call.reauthenticated = true;
        return next();
      case 'reprobeVersion':
        if (call.rediscovered) return fail();
        call.rediscovered = true;
        // Stays at the endpoint that refused: the next one may have been upgraded unnoticed as well.
        return unlessUnsubscribed(() => this.runAt(endpoint, call, send));
    }
  }

  /**
   * Records what a failure shows about its endpoint and its token, whatever becomes of the call.
   * @returns whether another token can be fetched
   */
  private recordFailure(found: RetryAction, error: EtcdError, endpoint: Endpoint, shown: Credential | undefined): boolean {
    const { reason } = error;
    const failed = found === 'retry' || found === 'retryOtherEndpoint' || found === 'ambiguous';
    // A member that reports a change of leader knows the new one: no other endpoint is a better choice.
    if (failed && reason !== 'LeaderChanged' && !isPageLeft(error)) endpoint.failed(reason === 'ConnectionLost');
    if (found === 'fail' && reason !== 'DeadlineExceeded') endpoint.servedAt = monotonicNow();
    if (found === 'reprobeVersion') endpoint.forget();
    return found === 'reauthenticate' && shown !== undefined && this.tokens.refused(shown);
  }

  /** Returns whether the option `retry` allows a further attempt. */
  private mayRepeat({ tries, silences }: Call): boolean {
    return tries - silences < (this.given.maxAttempts ?? Infinity);
  }

  /**
   * Returns whether the limit of attempts allows another. Attempts that got no response in time do not count, as they
   * have not failed.
   */
  private hasAttemptsLeft({ tries, silences }: Call): boolean {
    return tries - silences < (this.given.maxAttempts ?? Math.max(LEAST_TRIES, this.endpoints.size + 1));
  }

  private mayBeElecting(call: Call): boolean {
    return this.endpoints.size > 1 && call.options.endpoint === undefined && monotonicNow() - call.begunAt < ELECTION_MS;
  }

  /** Returns whether the next attempt of a call may go to another endpoint. */
  mayGoElsewhere(call: Call): boolean {
    return this.repeatable && this.endpoints.size > 1 && call.options.endpoint === undefined;
  }

  /**
   * Makes the next attempt. An endpoint that failed has its own pause; one that reported a change of leader has none,
   * so the pause is here.
   */
  private retryOnce<T>({ reason }: EtcdError, call: Call, next: () => Observable<T>): Observable<T> {
    return reason === 'LeaderChanged' ? this.retryWithBackoff(call, next, FEW_DOUBLINGS) : next();
  }

  /** Makes the next attempt without a pause until each endpoint has had one; pauses before further ones. */
  private retryWithBackoff<T>(call: Call, next: () => Observable<T>, doublings?: number): Observable<T> {
    const round = call.options.endpoint === undefined ? this.endpoints.size : 1;
    return call.tries < round ? next() : this.afterPause(call, next, doublings);
  }

  private afterPause<T>(call: Call, next: () => Observable<T>, doublings = MOST_DOUBLINGS): Observable<T> {
    const { initialBackoffMs: initialMs = PAUSES.initialMs, maxBackoffMs: maxMs = PAUSES.maxMs, jitter = PAUSES.jitter } = this.given;
    return race(timer(backoffMs(Math.min(call.tries, doublings), { initialMs, maxMs, jitter })), this.closed).pipe(switchMap(next));
  }
}
