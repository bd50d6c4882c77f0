import { catchError, forkJoin, map, of, race, switchAll, switchMap, tap, throwError, timer, type Observable } from 'rxjs';
import { AmbiguousWriteError, isEtcdError, type EtcdError, type Reason } from '../errors/index.js';
import type { Diagnostics } from '../model/diagnostics.js';
import { Credential, type Call, type Route, type Send } from './call.js';
import type { Endpoint } from './endpoints/endpoint.js';
import type { EndpointPool } from './endpoints/endpointPool.js';
import { failedBefore, type ServerInfo } from './endpoints/version.js';
import { withAuthHint, isMissingToken, type TokenProvider } from './tokenProvider.js';
import { unlessUnsubscribed } from '../util/rx.js';
import { asAmbiguous, toCallerError } from './deadline.js';
import { decideRetry, NO_RETRIES, type RetryLimits, type RetryPolicy, retryAction, type RetryAction } from './retryPolicy.js';
import { backoffMs, monotonicNow } from '../util/time.js';
import { isPageLeft } from './wire.js';
import type { AttemptRunner, HedgedAttempts } from './hedging.js';

const ANONYMOUS = new Credential();
/**
 * The decisions that `maxAttempts` limits. The attempts with a new token and after a new version request are not
 * limited, as a call makes at most one of each.
 */
const REPEATS: ReadonlySet<unknown> = new Set(['retry', 'retryOtherEndpoint', 'retryNewerMember', 'retryByPolicy']);
/**
 * The default pauses before attempts. The pause after the first attempt is between 50 and 150 ms. The pause doubles
 * with each further attempt.
 */
const PAUSES = { initialMs: 150, maxMs: Infinity, jitter: 2 / 3 };
const MAX_DOUBLINGS = 5;
/**
 * The number of doublings of the pause after a change of leader. It limits the pause to between 200 and 600 ms, as an
 * election takes only a short time.
 */
const FEW_DOUBLINGS = 2;
/** The reasons of errors that healthy members send while the leadership moves to another member. */
const LEADER_MOVES: ReadonlySet<Reason> = new Set<Reason>(['LeaderChanged', 'ProposalDropped']);
const MIN_ATTEMPTS = 4;
/**
 * The time for which a cluster without a leader may reject calls at once, in milliseconds. An election takes this long
 * if it needs a second vote, or if the cluster is busy.
 */
const ELECTION_MS = 5_000;

/**
 * Makes the attempts of a call, from the first to the last. It picks the endpoint, requests its version and the token
 * if they are not known, and applies the retry table and the user's policy.
 */
export class CallExecutor implements AttemptRunner {
  /** Whether a call may be sent more than once. */
  readonly repeatable: boolean;
  /** The errors of calls that could have succeeded with another attempt. */
  private readonly ranOut = new WeakSet<EtcdError>();

  constructor(
    private readonly endpoints: EndpointPool,
    private readonly tokens: TokenProvider,
    private readonly hedging: HedgedAttempts,
    private readonly policy: RetryPolicy | undefined,
    /** Errors when the client is closed, so that no call waits for its next attempt. */
    private readonly closed: Observable<never>,
    private readonly diagnostics: Diagnostics,
    /** The limits that the user has set. Other limits have their defaults. */
    private readonly given: RetryLimits = {},
  ) {
    this.repeatable = policy !== NO_RETRIES;
  }

  /**
   * Makes the next attempt of a call. The endpoint is picked at once, so this method must be called on subscription,
   * not before.
   */
  run<T>(call: Call, send: Send<T>): Observable<T> {
    const pinned = call.options.endpoint;
    return this.runAt(pinned === undefined ? this.pickEndpoint(call) : this.endpoints.at(pinned), call, send);
  }

  /**
   * Picks an endpoint at which the call is not waiting for a response, if a responsive one exists. Otherwise any
   * endpoint may be used again.
   */
  private pickEndpoint(call: Call): Endpoint {
    const endpoint = this.endpoints.pick(call.waitingAt);
    if (call.waitingAt?.has(endpoint) === true) call.waitingAt = undefined;
    return endpoint;
  }

  private runAt<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    // An earlier attempt may have been sent and rejected. This attempt is not sent yet.
    call.sent = false;
    if (!endpoint.isPaused) return this.runIfMember(endpoint, call, send);
    return race(
      this.closed,
      endpoint.afterPause(() => this.runIfMember(endpoint, call, send)),
    );
  }

  /**
   * Makes the attempt at this endpoint. If the endpoint was removed from the client while the call waited, makes it at
   * another one.
   */
  private runIfMember<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    return this.endpoints.has(endpoint) ? this.attempt(endpoint, call, send) : this.run(call, send);
  }

  private attempt<T>(endpoint: Endpoint, call: Call, send: Send<T>): Observable<T> {
    call.attempts += 1;
    // Usually only the first call has to wait for the version and the token.
    const info = endpoint.known;
    const credential = call.authenticated ? this.tokens.known : ANONYMOUS;
    if (info !== undefined && credential !== undefined) return this.begin({ endpoint, info, credential }, call, send);
    const { isSetAside } = endpoint;
    return this.prepare(endpoint, credential, call).pipe(
      map((route) => {
        const becameUnresponsive = !isSetAside && endpoint.isSetAside && call.options.endpoint === undefined;
        // If the endpoint was set aside while this call was prepared, the preparation does not count as an attempt.
        if (becameUnresponsive) call.attempts -= 1;
        return this.endpoints.has(endpoint) && !becameUnresponsive ? this.begin(route, call, send) : this.run(call, send);
      }),
      // This operator handles only a failed preparation. `begin` handles the failure of a request that was sent.
      catchError((failure: unknown) => of(this.recover(failedBefore(call.name, failure), endpoint, undefined, call, send))),
      switchAll(),
    );
  }

  private begin<T>(route: Route, call: Call, send: Send<T>): Observable<T> {
    if (this.diagnostics.active) {
      this.diagnostics.emit({ type: 'attemptBegun', rpc: call.name, endpoint: route.endpoint.address, attempt: call.attempts });
    }
    return this.hedging.withHedging(this, { call, route, send });
  }

  /**
   * Returns whether a call failed only because its time or its attempts ran out. Such a call may be made again if calls
   * are retried.
   */
  isWorthRetrying(failure: EtcdError): boolean {
    return this.ranOut.has(failure) || (failure.reason === 'DeadlineExceeded' && this.repeatable);
  }

  /** Prepares a route to the next endpoint in turn, for a caller that retries by itself. */
  route(rpc: string, attempt = 1): Observable<Route> {
    const endpoint = this.endpoints.pick();
    const prepared = endpoint.afterPause(() => this.prepare(endpoint, this.tokens.known));
    return race(this.closed, prepared).pipe(
      catchError((error: unknown) => {
        const elsewhere = isEtcdError(error) && retryAction(error, 'read', false) === 'retryOtherEndpoint';
        if (elsewhere || (isEtcdError(error) && error.code === 'Unavailable')) endpoint.markFailed();
        return elsewhere && attempt < this.endpoints.size ? this.route(rpc, attempt + 1) : throwError(() => failedBefore(rpc, error));
      }),
    );
  }

  private prepare(endpoint: Endpoint, credential: Credential | undefined, call?: Call): Observable<Route> {
    return forkJoin({
      endpoint: of(endpoint),
      info: endpoint.known === undefined ? this.discover(endpoint, call) : of(endpoint.known),
      // Authentication is a separate call, which has its own attempts at any endpoint. Its failure is final, and does
      // not count as a failure of this endpoint.
      credential: credential === undefined ? this.tokens.get().pipe(tap({ error: () => call && (call.final = true) })) : of(credential),
    });
  }

  private discover(endpoint: Endpoint, call: Call | undefined): Observable<ServerInfo> {
    const elsewhere = call === undefined ? this.endpoints.size > 1 : this.mayGoElsewhere(call);
    return elsewhere ? this.hedging.probe(endpoint, call) : endpoint.discover();
  }

  /** Returns what follows a failed attempt: another attempt, or an error. */
  recover<T>(error: unknown, endpoint: Endpoint, sentCredential: Credential | undefined, call: Call, send: Send<T>): Observable<T> {
    // Errors of rxetcd's code, or of a function that the user passed, are passed on unchanged. So are failures after a
    // response, and failures for which no other attempt can help.
    if (!isEtcdError(error) || call.responded || call.final) return throwError(() => error);
    const fail = (failure = error): Observable<T> => throwError(() => toCallerError(call, failure));
    const { safety, sent, attempts } = call;
    const found = call.authenticated && isMissingToken(error, sentCredential) ? 'reauthenticate' : retryAction(error, safety, sent);
    const renewable = this.recordFailure(found, error, endpoint, sentCredential);
    if (found === 'fail' && error.reason !== 'DeadlineExceeded' && !call.unbounded) endpoint.servedAt = monotonicNow();
    // A batch may be rejected because of one of its calls. Each call is then sent separately. So the policy decides
    // about each call, and not about the batch. A retry of one call does not delay the others.
    const policy = call.batched && found === 'fail' ? undefined : this.policy;
    let decision: ReturnType<typeof decideRetry>;
    try {
      decision = decideRetry(policy, { rpc: call.name, safety, sent, error, attempts, action: found });
    } catch (fault) {
      // If the policy throws after a write of unknown outcome, the outcome is still unknown.
      if (isEtcdError(fault)) return found === 'ambiguous' ? throwError(() => new AmbiguousWriteError(fault)) : fail(fault);
      throw fault;
    }
    if (this.diagnostics.active) {
      const elapsedMs = monotonicNow() - call.startedAt;
      const where = { rpc: call.name, endpoint: endpoint.address, attempt: attempts, elapsedMs };
      this.diagnostics.emit({ type: 'attemptFailed', ...where, action: decision, error });
    }
    const next = (): Observable<T> => unlessUnsubscribed(() => this.run(call, send));
    const again = (): Observable<T> => unlessUnsubscribed(() => this.runAt(endpoint, call, send));
    if (REPEATS.has(decision) && !this.hasAttemptsLeft(call, Infinity)) {
      this.ranOut.add(error);
      return fail();
    }
    switch (decision) {
      case 'fail':
      case 'ambiguous':
        return fail();
      case 'retry':
        if (this.hasAttemptsLeft(call, this.usualAttempts) || this.mayBeElecting(call, error)) {
          // The attempt goes to the same member. Another member may still follow the former leader. Such a member would
          // forward the request to that leader, and get no response.
          if (error.reason === 'ProposalDropped') return this.afterPause(call, again, FEW_DOUBLINGS);
          return this.retryOnce(error, call, next);
        }
        this.ranOut.add(error);
        return fail();
      case 'retryOtherEndpoint':
        return call.options.endpoint === undefined && attempts < this.endpoints.size ? next() : fail();
      case 'retryNewerMember':
        return this.hasAttemptsLeft(call, this.usualAttempts) ? this.retryWithBackoff(call, next) : fail();
      case 'retryByPolicy':
        if (!sent || safety === 'read') return this.retryWithBackoff(call, next);
        call.resentWrite = true;
        // The error is ambiguous even if no other attempt is made: the client may be closed, or the token function may
        // fail.
        return this.retryWithBackoff(call, next).pipe(catchError((last: unknown) => throwError(() => asAmbiguous(last))));
      case 'reauthenticate':
        if (call.reauthenticated || !renewable) return fail(withAuthHint(error, sentCredential));
        call.reauthenticated = true;
        return next();
      case 'reprobeVersion':
        if (call.rediscovered) return fail();
        call.rediscovered = true;
        // The attempt goes to the same endpoint, because the server of the next one may have been upgraded as well. The
        // stored version of that server would then be wrong, too.
        return again();
    }
  }

  /**
   * Records a failure for the endpoint and the token of the attempt, whatever the outcome of the call is.
   *
   * @returns whether another token can be requested
   */
  private recordFailure(found: RetryAction, error: EtcdError, endpoint: Endpoint, sentCredential: Credential | undefined): boolean {
    const { reason } = error;
    const failed = found === 'retry' || found === 'retryOtherEndpoint' || found === 'ambiguous';
    // A member that reports a change of leader knows the new leader, or will know it soon. So no other endpoint is a
    // better choice.
    if (failed && !LEADER_MOVES.has(reason) && !isPageLeft(error)) endpoint.markFailed(reason === 'ConnectionLost');
    if (found === 'reprobeVersion') endpoint.invalidate();
    return found === 'reauthenticate' && sentCredential !== undefined && this.tokens.discardRejected(sentCredential);
  }

  /**
   * Returns whether another attempt is allowed. The limit is the option `maxAttempts`, or the given limit if the option
   * is not set. Attempts without a response within their timeout do not count, as they have not failed.
   */
  private hasAttemptsLeft({ attempts, unresponsiveAttempts }: Call, defaultLimit: number): boolean {
    return attempts - unresponsiveAttempts < (this.given.maxAttempts ?? defaultLimit);
  }

  /** The default limit of attempts: the number of endpoints plus one, and at least four. */
  private get usualAttempts(): number {
    return Math.max(MIN_ATTEMPTS, this.endpoints.size + 1);
  }

  private mayBeElecting(call: Call, { reason }: EtcdError): boolean {
    const hasOthers = this.endpoints.size > 1 && call.options.endpoint === undefined;
    return (hasOthers || reason === 'ProposalDropped') && monotonicNow() - call.startedAt < ELECTION_MS;
  }

  /** Returns whether the next attempt of a call may go to another endpoint. */
  mayGoElsewhere(call: Call): boolean {
    return this.repeatable && this.endpoints.size > 1 && call.options.endpoint === undefined;
  }

  /**
   * Makes the next attempt. There is usually no pause here, as an endpoint that failed has its own pause. An endpoint
   * that reported a change of leader has no such pause, so this method makes one.
   */
  private retryOnce<T>({ reason }: EtcdError, call: Call, next: () => Observable<T>): Observable<T> {
    return reason === 'LeaderChanged' ? this.retryWithBackoff(call, next, FEW_DOUBLINGS) : next();
  }

  /** Makes the next attempt. There is no pause until each endpoint has had one attempt. */
  private retryWithBackoff<T>(call: Call, next: () => Observable<T>, doublings?: number): Observable<T> {
    const round = call.options.endpoint === undefined ? this.endpoints.size : 1;
    return call.attempts < round ? next() : this.afterPause(call, next, doublings);
  }

  private afterPause<T>(call: Call, next: () => Observable<T>, doublings = MAX_DOUBLINGS): Observable<T> {
    const { initialBackoffMs: initialMs = PAUSES.initialMs, maxBackoffMs: maxMs = PAUSES.maxMs, jitter = PAUSES.jitter } = this.given;
    return race(timer(backoffMs(Math.min(call.attempts - 1, doublings), { initialMs, maxMs, jitter })), this.closed).pipe(switchMap(next));
  }
}
