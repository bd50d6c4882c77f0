import { NEVER, Observable, tap, throwError, timeout, type Observer, type Subscriber, type Unsubscribable } from 'rxjs';
import { EtcdError, hasReason, type ErrorDetails } from '../errors/index.js';
import { type Call, type Credential, type Route, type Send, trySend } from './call.js';
import { Deadline, SharedTimeout, scheduleTimeout, monotonicNow } from '../util/time.js';
import type { Diagnostics } from '../model/diagnostics.js';
import type { Endpoint } from './endpoints/endpoint.js';
import type { ServerInfo } from './endpoints/version.js';

/**
 * The factor by which the timeout grows each time that no endpoint has responded. The endpoints may be slow rather than
 * dead.
 */
const TIMEOUT_FACTOR = 4;
/**
 * The factor for the timeout of an attempt at another endpoint, after an endpoint did not respond. This timeout is
 * short, as a request to a further endpoint costs little.
 */
const HEDGE_FACTOR = 0.5;
/**
 * The factor for the timeout of a long response. The timeout is longer, because a second attempt would only double the
 * work of a server that is still preparing the response.
 */
const LONGER = 4;
/** The maximum timeout of a health check, in milliseconds. */
const LONGEST_CHECK_MS = 5_000;

/** Starts attempts, and decides what follows a failed one. */
export interface AttemptRunner {
  /** Whether a call may be sent more than once. */
  readonly repeatable: boolean;
  /** Returns whether the next attempt of a call may go to another endpoint. */
  mayGoElsewhere(call: Call): boolean;
  /** Starts the next attempt of a call. */
  run<T>(call: Call, send: Send<T>): Observable<T>;
  /** Returns what follows a failed attempt. */
  recover<T>(failure: unknown, endpoint: Endpoint, sentCredential: Credential | undefined, call: Call, send: Send<T>): Observable<T>;
}

/** An attempt that is about to be sent. */
interface Sending<T> {
  readonly call: Call;
  readonly route: Route;
  readonly send: Send<T>;
}

/**
 * Starts another attempt while an unresponsive one continues. So an unresponsive endpoint or a dead connection does not
 * use up the time of a call.
 *
 * Each attempt has a time limit: the time for which it may receive no data before the next attempt starts.
 */
export class HedgedAttempts {
  /** The attempts with the usual limit, for each endpoint. */
  private readonly deadlines = new WeakMap<Endpoint, SharedTimeout>();

  constructor(
    private readonly usualMs: number,
    /** Returns the number of other endpoints. */
    private readonly alternatives: () => number,
    readonly diagnostics?: Diagnostics,
  ) {}

  /**
   * Sends a call, and starts the next attempt when this one has received no data within its limit. `runner` decides
   * what follows a failed attempt.
   *
   * - A read continues during its next attempt, and the first response is used. So a slow endpoint does not have to
   *   start again.
   * - A stream or a write that was not sent yet is cancelled before its next attempt.
   * - A write that was sent is not repeated. It waits, and other calls go to other endpoints.
   * - A stream, or another call that may wait at the server for any time, has no limit once it was sent.
   * - If retries are off, no next attempt starts.
   *
   * If there is no other endpoint, the next attempt uses the same endpoint, on a new connection. A network may have
   * dropped the old connection without closing it. The endpoint may only be slow, so the missing response does not
   * count as a failure of the endpoint.
   *
   * While a call waits for a connection, the time counts only if the endpoint sends no data to other calls either. If
   * the endpoint sends data to them, the client itself may be busy. If an endpoint sends no data, the limits of all its
   * attempts with the usual limit end together.
   */
  withHedging<T>(runner: AttemptRunner, sending: Sending<T>): Observable<T> {
    const { call } = sending;
    const elsewhere = runner.mayGoElsewhere(call);
    const shortMs =
      call.unresponsiveAttempts === 0
        ? this.usualMs
        : this.limitAfter(call.unresponsiveAttempts, elsewhere) * (elsewhere ? HEDGE_FACTOR : 1);
    const limitMs = call.long ? LONGER * shortMs : shortMs;
    if (limitMs !== Infinity) {
      return new Observable((subscriber) => new HedgedAttempt(this, runner, sending, limitMs, elsewhere, subscriber).start());
    }
    const { route, send } = sending;
    call.lastActivity = monotonicNow();
    return trySend(send, route, (failure) => runner.recover(failure, route.endpoint, route.credential, call, send));
  }

  /**
   * Schedules the end of the limit of an attempt, in `ms` milliseconds.
   * @returns the timer; undefined if the attempt was added to the shared timeout of {@link at}
   */
  schedule<T>(trial: HedgedAttempt<T>, ms: number, endpoint: Endpoint, now: number): Unsubscribable | undefined {
    if (ms !== this.usualMs) return scheduleTimeout(ms, () => trial.expire(false));
    this.at(endpoint).add(trial, now);
    return undefined;
  }

  /** Returns the timeout that the attempts with the usual limit share at an endpoint. */
  at(endpoint: Endpoint): SharedTimeout {
    const known = this.deadlines.get(endpoint);
    if (known !== undefined) return known;
    const deadlines = new SharedTimeout(this.usualMs);
    this.deadlines.set(endpoint, deadlines);
    return deadlines;
  }

  /**
   * Requests the version of a server before any other request to it. Calls share this request, which continues for the
   * other calls if one call stops waiting.
   */
  probe(endpoint: Endpoint, call: Call | undefined): Observable<ServerInfo> {
    const limitMs = this.limitAfter(call?.probeTimeouts ?? 0, true);
    if (limitMs === Infinity) return endpoint.discover();
    const giveUp = (): Observable<never> => {
      if (call !== undefined) {
        call.probeTimeouts += 1;
        // Only the version was requested, so the timeout does not count as an attempt of the call.
        call.attempts -= 1;
      }
      return throwError(() => timeoutError(false, limitMs, { rpc: 'GET /version', endpoint: endpoint.address }));
    };
    return endpoint.discover().pipe(timeout({ first: limitMs, with: giveUp }));
  }

  /** Limits the time of a health check that runs in the background. */
  check<T>(response: Observable<T>, origin: string): Observable<T> {
    const limitMs = Math.min(this.usualMs, LONGEST_CHECK_MS);
    const giveUp = (): Observable<never> => throwError(() => timeoutError(true, limitMs, { rpc: 'GET /health', endpoint: origin }));
    return response.pipe(timeout({ first: limitMs, with: giveUp }));
  }

  private limitAfter(unresponsiveAttempts: number, elsewhere: boolean): number {
    return this.usualMs * TIMEOUT_FACTOR ** Math.floor(unresponsiveAttempts / (1 + (elsewhere ? this.alternatives() : 0)));
  }
}

/**
 * An attempt with a timeout. After the timeout the next attempt may begin, while a read that was sent still waits for
 * its response. Every attempt with a limit has such an object, so it is a single object without closures. If the
 * response may have to be unsubscribed from, this object observes the response itself.
 */
class HedgedAttempt<T> extends Deadline implements Observer<T>, Unsubscribable {
  private readonly begunAt = monotonicNow();
  private hedged = false;
  private timer: Unsubscribable | undefined;
  /** The subscription to the response, if the attempt is cancelled before the next one. */
  private response: Unsubscribable | undefined;

  constructor(
    private readonly hedging: HedgedAttempts,
    private readonly runner: AttemptRunner,
    private readonly sending: Sending<T>,
    private readonly limitMs: number,
    /** Whether the next attempt may go to another endpoint. */
    private readonly elsewhere: boolean,
    private readonly subscriber: Subscriber<T>,
  ) {
    super();
  }

  start(): void {
    const { subscriber, begunAt } = this;
    const { call, route, send } = this.sending;
    call.lastActivity = begunAt;
    // An early start of the next attempt does not count as a failure of the endpoint, as the endpoint had no time to
    // respond.
    if (this.elsewhere) call.hedge = () => void (subscriber.closed || call.responded || this.hedgeWith(() => this.runNext()));
    this.wait(this.limitMs, begunAt);
    subscriber.add(this);
    const sent = trySend(send, route, (failure) => this.recovered(failure));
    if (call.safety === 'read' && !call.unbounded) return void sent.subscribe(subscriber);
    this.response = sent.subscribe(this);
    subscriber.add(this.response);
  }

  next(value: T): void {
    this.subscriber.next(value);
  }

  error(failure: unknown): void {
    this.subscriber.error(failure);
  }

  complete(): void {
    this.subscriber.complete();
  }

  /** Cancels the limit of the attempt. */
  unsubscribe(): void {
    const { call, route } = this.sending;
    call.hedge = undefined;
    if (this.timer === undefined) this.hedging.at(route.endpoint).delete(this);
    else this.timer.unsubscribe();
  }

  expire(early: boolean): void {
    const { hedging, runner, begunAt, limitMs, elsewhere } = this;
    const { call, route } = this.sending;
    const { endpoint } = route;
    if (this.subscriber.closed || call.responded || (call.sent && call.unbounded)) return;
    const lastActivity = call.sent ? call.lastActivity : Math.max(call.lastActivity, endpoint.callDataAt);
    // A call may wait for a connection for a long time before it is sent.
    const since = call.sent ? lastActivity : begunAt;
    const now = monotonicNow();
    const restMs = lastActivity + limitMs - now;
    // While the call waits for a connection, its limit is set again in full, as the shared timeout has only full
    // limits. For the remaining time, a separate timer would be needed.
    if (restMs > 0 && !early) return this.wait(call.sent ? restMs : limitMs, now);
    endpoint.renewConnections(begunAt);
    endpoint.activity.suspect();
    if (!runner.repeatable || (call.sent && call.safety === 'write')) {
      if (elsewhere) endpoint.markFailed();
    } else if (elsewhere) {
      const where = { rpc: call.name, endpoint: endpoint.address };
      this.hedgeWith(() => this.recover(timeoutError(call.sent, Math.round(now - lastActivity), where)));
    } else {
      const { sent } = call;
      // If a new connection gets a response before the old one, all old connections are considered dead.
      this.hedgeWith(() => (sent ? this.runNext().pipe(tap(() => endpoint.loseConnections())) : this.runNext()));
    }
    if (!early && endpoint.lastActivity < since) hedging.at(endpoint).expireAll();
  }

  private wait(ms: number, now: number): void {
    this.timer = this.hedging.schedule(this, ms, this.sending.route.endpoint, now);
  }

  private hedgeWith(begin: () => Observable<T>): void {
    const { call, route } = this.sending;
    this.hedged = true;
    this.unsubscribe();
    // A stream is cancelled, as the messages of two streams must not be mixed. A write is cancelled, so that it is not
    // sent twice.
    this.response?.unsubscribe();
    call.unresponsiveAttempts += 1;
    const { diagnostics } = this.hedging;
    if (diagnostics?.active === true) {
      const unresponsiveMs = monotonicNow() - call.lastActivity;
      const where = { rpc: call.name, endpoint: route.endpoint.address, attempt: call.attempts };
      diagnostics.emit({ type: 'attemptHedged', ...where, unresponsiveMs });
    }
    if (this.elsewhere) (call.waitingAt ??= new Set()).add(route.endpoint);
    begin().subscribe(this.subscriber);
  }

  /** Returns what follows a failure of this attempt. Nothing follows if the next attempt has already begun. */
  private recovered(failure: unknown): Observable<T> {
    const { call, route } = this.sending;
    if (this.hedged) return onLateFailure(call, route.endpoint, failure);
    // The next attempt has a separate limit, so this one is cancelled.
    this.unsubscribe();
    return this.recover(failure);
  }

  private recover(failure: unknown): Observable<T> {
    const { call, route, send } = this.sending;
    return this.runner.recover(failure, route.endpoint, route.credential, call, send);
  }

  private runNext(): Observable<T> {
    return this.runner.run(this.sending.call, this.sending.send);
  }
}

/**
 * Ignores the failure of an attempt, as the next attempt has begun. After a change of leader, a further attempt starts
 * at once, because the current one may be waiting at a member without a leader.
 */
function onLateFailure({ waitingAt, hedge }: Call, endpoint: Endpoint, failure: unknown): Observable<never> {
  waitingAt?.delete(endpoint);
  if (hasReason(failure, 'LeaderChanged')) hedge?.();
  return NEVER;
}

/**
 * Creates the error of an attempt without a response. If the attempt was not sent, the error is that of a missing
 * connection.
 */
const timeoutError = (sent: boolean, ms: number, where: ErrorDetails): EtcdError =>
  new EtcdError(sent ? 'ConnectionLost' : 'Unreachable', `no data received for ${ms} ms`, where);
