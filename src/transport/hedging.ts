import { NEVER, Observable, tap, throwError, timeout, type Observer, type Subscriber, type Unsubscribable } from 'rxjs';
import { EtcdError, hasReason, type ErrorDetails } from '../errors/index.js';
import { type Call, type Credential, type Route, type Send, trySend } from './call.js';
import { Deadline, SharedTimeout, scheduleTimeout, monotonicNow } from '../util/time.js';
import type { Diagnostics } from '../model/diagnostics.js';
import type { Endpoint } from './endpoints/endpoint.js';
import type { ServerInfo } from './endpoints/version.js';

/** Multiplies the timeout each time that no endpoint has responded: they may be slow rather than dead. */
const TIMEOUT_FACTOR = 4;
/**
 * Shortens the timeout of an attempt at another endpoint after an unresponsive one. A request to a second endpoint
 * costs little.
 */
const HEDGE_FACTOR = 0.5;
/**
 * Extends the limit for a long response. A second attempt would only double the work of a server that is still
 * preparing the response.
 */
const LONGER = 4;
/** Limits a health check, even if the limit of an attempt is longer. */
const LONGEST_CHECK_MS = 5_000;

/** Starts attempts, and decides about the next one after a failure. */
export interface AttemptRunner {
  /** Whether a call may be sent more than once. */
  readonly repeatable: boolean;
  /** Returns whether the next attempt of a call may go to another endpoint. */
  mayGoElsewhere(call: Call): boolean;
  /** Starts the next attempt of a call. */
  run<T>(call: Call, send: Send<T>): Observable<T>;
  /** Returns what follows a failed attempt. */
  recover<T>(failure: unknown, endpoint: Endpoint, shown: Credential | undefined, call: Call, send: Send<T>): Observable<T>;
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
 */
export class HedgedAttempts {
  /** The attempts at each endpoint that have the usual limit. */
  private readonly deadlines = new WeakMap<Endpoint, SharedTimeout>();

  constructor(
    private readonly usualMs: number,
    /** Counts the other endpoints. */
    private readonly alternatives: () => number,
    readonly diagnostics?: Diagnostics,
  ) {}

  /**
   * Sends a call, and starts the next attempt when this one has received nothing for too long. `runner` recovers from
   * the failure of an attempt.
   *
   * - A read continues during its next attempt, and the first response wins. A slow endpoint does not have to start
   *   again.
   * - A stream, or a write that was not sent yet, is cancelled before its next attempt.
   * - A write that was sent is not repeated. It waits, and other calls go to other endpoints.
   *
   * Without another endpoint the next attempt uses the same one, on a new connection, as a network may drop a
   * connection without closing it. The endpoint may only be slow, so this does not count as its failure.
   *
   * For a call that waits for a connection, the time counts only while its endpoint sends nothing to other calls
   * either. Otherwise the client itself may be busy. All attempts at an endpoint that sends nothing expire together.
   */
  withHedging<T>(runner: AttemptRunner, sending: Sending<T>): Observable<T> {
    const { call } = sending;
    const elsewhere = runner.mayGoElsewhere(call);
    const shortMs =
      call.silentAttempts === 0 ? this.usualMs : this.limitAfter(call.silentAttempts, elsewhere) * (elsewhere ? HEDGE_FACTOR : 1);
    const limitMs = call.long ? LONGER * shortMs : shortMs;
    if (limitMs !== Infinity) {
      return new Observable((subscriber) => new HedgedAttempt(this, runner, sending, limitMs, elsewhere, subscriber).start());
    }
    const { route, send } = sending;
    call.lastActivity = monotonicNow();
    return trySend(send, route, (failure) => runner.recover(failure, route.endpoint, route.credential, call, send));
  }

  /**
   * Schedules the expiry of an attempt in a number of milliseconds.
   * @returns its timer, unless it joined the deadlines of {@link at}
   */
  schedule<T>(trial: HedgedAttempt<T>, ms: number, endpoint: Endpoint, now: number): Unsubscribable | undefined {
    if (ms !== this.usualMs) return scheduleTimeout(ms, () => trial.expire(false));
    this.at(endpoint).add(trial, now);
    return undefined;
  }

  /** Returns the shared timeout of the attempts at an endpoint. It is for attempts with the usual limit only. */
  at(endpoint: Endpoint): SharedTimeout {
    const known = this.deadlines.get(endpoint);
    if (known !== undefined) return known;
    const deadlines = new SharedTimeout(this.usualMs);
    this.deadlines.set(endpoint, deadlines);
    return deadlines;
  }

  /**
   * Requests the version of a server, before anything else is sent to it. Calls share the request, which continues when
   * one of them stops waiting.
   */
  probe(endpoint: Endpoint, call: Call | undefined): Observable<ServerInfo> {
    const limitMs = this.limitAfter(call?.probeTimeouts ?? 0, true);
    if (limitMs === Infinity) return endpoint.discover();
    const giveUp = (): Observable<never> => {
      if (call !== undefined) {
        call.probeTimeouts += 1;
        // Only the version was requested, so this does not count as an attempt.
        call.attempts -= 1;
      }
      return throwError(() => timeoutError(false, limitMs, { rpc: 'GET /version', endpoint: endpoint.address }));
    };
    return endpoint.discover().pipe(timeout({ first: limitMs, with: giveUp }));
  }

  /** Limits a health check that runs in the background. */
  check<T>(answer: Observable<T>, origin: string): Observable<T> {
    const limitMs = Math.min(this.usualMs, LONGEST_CHECK_MS);
    const giveUp = (): Observable<never> => throwError(() => timeoutError(true, limitMs, { rpc: 'GET /health', endpoint: origin }));
    return answer.pipe(timeout({ first: limitMs, with: giveUp }));
  }

  private limitAfter(silentAttempts: number, elsewhere: boolean): number {
    return this.usualMs * TIMEOUT_FACTOR ** Math.floor(silentAttempts / (1 + (elsewhere ? this.alternatives() : 0)));
  }
}

/**
 * Limits an attempt that is being sent. Every call has one, so it is a single object, without a closure for each of its
 * parts. If it may have to unsubscribe from its response, it observes the response itself.
 */
class HedgedAttempt<T> extends Deadline implements Observer<T>, Unsubscribable {
  private readonly begunAt = monotonicNow();
  private hedged = false;
  private timer: Unsubscribable | undefined;
  /** The subscription to an attempt that is cancelled before its next one. */
  private answer: Unsubscribable | undefined;

  constructor(
    private readonly limits: HedgedAttempts,
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
    // An attempt that is started early does not count as a failure of the endpoint, which had no time to respond.
    if (this.elsewhere) call.hedge = () => void (subscriber.closed || call.answered || this.hedgeWith(() => this.runNext()));
    this.wait(this.limitMs, begunAt);
    subscriber.add(this);
    const sent = trySend(send, route, (failure) => this.recovered(failure));
    if (call.safety === 'read' && !call.unbounded) return void sent.subscribe(subscriber);
    this.answer = sent.subscribe(this);
    subscriber.add(this.answer);
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
    if (this.timer === undefined) this.limits.at(route.endpoint).delete(this);
    else this.timer.unsubscribe();
  }

  expire(early: boolean): void {
    const { limits, runner, begunAt, limitMs, elsewhere } = this;
    const { call, route } = this.sending;
    const { endpoint } = route;
    if (this.subscriber.closed || call.answered || (call.sent && call.unbounded)) return;
    const lastActivity = call.sent ? call.lastActivity : Math.max(call.lastActivity, endpoint.lastActivity);
    // A call may have waited for a long time before it was sent.
    const since = call.sent ? lastActivity : begunAt;
    const now = monotonicNow();
    const restMs = lastActivity + limitMs - now;
    // Other calls use the connections that it waits for. A full limit is added to the shared list, while a remaining
    // part would need a separate timer.
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
      // A new connection that gets a response before the old one shows that all old ones are dead.
      this.hedgeWith(() => (sent ? this.runNext().pipe(tap(() => endpoint.loseConnections())) : this.runNext()));
    }
    if (!early && endpoint.lastActivity < since) limits.at(endpoint).expireAll();
  }

  private wait(ms: number, now: number): void {
    this.timer = this.limits.schedule(this, ms, this.sending.route.endpoint, now);
  }

  private hedgeWith(begin: () => Observable<T>): void {
    const { call, route } = this.sending;
    this.hedged = true;
    // The call continues to wait in its next attempt.
    if (!call.begun) {
      const now = monotonicNow();
      call.queuedMs += now - call.queuedAt;
      // This attempt may be sent before the next one is queued.
      call.queuedAt = now;
    }
    this.unsubscribe();
    // The messages of two streams would be mixed.
    this.answer?.unsubscribe();
    call.silentAttempts += 1;
    const { diagnostics } = this.limits;
    if (diagnostics?.active === true) {
      const silentMs = monotonicNow() - call.lastActivity;
      const where = { rpc: call.name, endpoint: route.endpoint.address, attempt: call.attempts };
      diagnostics.emit({ type: 'attemptHedged', ...where, silentMs });
    }
    if (this.elsewhere) (call.waitingAt ??= new Set()).add(route.endpoint);
    begin().subscribe(this.subscriber);
  }

  /** Returns what follows a failure of this attempt: nothing, if the next attempt has begun already. */
  private recovered(failure: unknown): Observable<T> {
    const { call, route } = this.sending;
    if (this.hedged) return onLateFailure(call, route.endpoint, failure);
    // The next attempt has a separate limit.
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
 * Ignores the failure of an attempt if the next attempt has begun. After a change of leader the next attempt starts at
 * once, as the current attempt may wait at a member without a leader.
 */
function onLateFailure({ waitingAt, hedge }: Call, endpoint: Endpoint, failure: unknown): Observable<never> {
  waitingAt?.delete(endpoint);
  if (hasReason(failure, 'LeaderChanged')) hedge?.();
  return NEVER;
}

/** Makes the error of an attempt without a response. A call that was not sent fails as without a connection. */
const timeoutError = (sent: boolean, ms: number, where: ErrorDetails): EtcdError =>
  new EtcdError(sent ? 'ConnectionLost' : 'Unreachable', `no data received for ${ms} ms`, where);
