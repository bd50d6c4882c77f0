import { AmbiguousWriteError, EtcdError, isEtcdError } from '../errors/index.js';
import type { Call } from './call.js';
import { Observable, type Subscriber, type Unsubscribable } from 'rxjs';
import { onAbort } from '../util/rx.js';
import { Deadline, SharedTimeout, scheduleTimeout, monotonicNow } from '../util/time.js';
import { retryAction } from './retryPolicy.js';

/** A call that is about to begin, and its timeout. */
interface Beginning<T> {
  readonly call: Call;
  /** The timeout of the call in milliseconds, or `Infinity`. */
  readonly timeoutMs: number;
  readonly run: () => Observable<T>;
}

/** Ends calls at their deadlines or by their signals, and limits how many calls wait. */
export class CallDeadlines {
  private readonly usual: SharedTimeout;

  constructor(
    private readonly usualMs: number,
    /** Returns the error that explains why calls are still waiting for a token. */
    private readonly trouble: () => EtcdError | undefined,
    readonly pending: PendingCalls,
  ) {
    this.usual = new SharedTimeout(usualMs);
  }

  /**
   * Runs a call, and ends it at its deadline or by its signal. Each subscription is a separate call.
   *
   * @param begin returns the call and the function that runs it. If it throws, the call fails with that error
   */
  withDeadline<T>(begin: () => Beginning<T>): Observable<T> {
    return new Observable((subscriber) => {
      // Operators such as `expand` subscribe to a call even if their subscriber has unsubscribed.
      if (subscriber.closed) return;
      const { call, timeoutMs, run } = begin();
      const { signal } = call.options;
      if (signal !== undefined) {
        const giveUp = (): void => subscriber.error(this.ended(call, 'Aborted', 'the signal was aborted'));
        // A signal that is aborted already fires no event, so this case is checked first.
        if (signal.aborted) return giveUp();
        subscriber.add(onAbort(signal, giveUp));
      }
      this.pending.add(call);
      const limited = new LimitedCall(this, call, timeoutMs, subscriber);
      subscriber.add(limited);
      limited.begin();
      run().subscribe(subscriber);
    });
  }

  /**
   * Schedules the deadline of a call, `ms` milliseconds from now.
   * @returns a handle that cancels the deadline; undefined if the call is in the list of usual deadlines
   */
  schedule(call: LimitedCall, ms: number, now: number): Unsubscribable | undefined {
    if (ms !== this.usualMs) return scheduleTimeout(ms, () => call.expire());
    this.usual.add(call, now);
    return undefined;
  }

  /** Removes a call from the list of usual deadlines. */
  cancel(call: LimitedCall): void {
    this.usual.delete(call);
  }

  /** Returns the error of a call that ends before its response. */
  ended(call: Call, reason: 'DeadlineExceeded' | 'Aborted', problem: string): EtcdError {
    // If the call was not sent, it may be waiting for a token. The last failed request for the token is then the cause.
    const cause = call.authenticated && !call.sent ? this.trouble() : undefined;
    return toCallerError(call, new EtcdError(reason, problem, { ...whereOf(call), cause }));
  }
}

/**
 * Ends a call at its deadline. A call that is sent has its whole timeout, because the time for which it waited for a
 * connection does not count. A call may wait for a connection as long as the endpoint serves other calls. The wait ends
 * less than two timeouts after the last served call.
 */
class LimitedCall extends Deadline implements Unsubscribable {
  private setAt: number;
  private timer: Unsubscribable | undefined;

  constructor(
    private readonly deadlines: CallDeadlines,
    private readonly call: Call,
    private readonly timeoutMs: number,
    private readonly subscriber: Pick<Subscriber<unknown>, 'error'>,
  ) {
    super();
    this.setAt = call.startedAt;
  }

  begin(): void {
    if (this.timeoutMs !== Infinity) this.timer = this.deadlines.schedule(this, this.timeoutMs, this.call.startedAt);
  }

  unsubscribe(): void {
    this.deadlines.pending.remove(this.call);
    if (this.timer === undefined) this.deadlines.cancel(this);
    else this.timer.unsubscribe();
  }

  expire(): void {
    const { call, timeoutMs } = this;
    // The deadline of a stream concerns only its first message.
    if (call.responded) return;
    const now = monotonicNow();
    const restMs = this.restMs(now);
    if (restMs > 0) {
      this.timer = this.deadlines.schedule(this, restMs, now);
      return;
    }
    const waited = call.firstSentAt === undefined && call.waitsFor !== undefined ? ', and no connection was free to send the call' : '';
    this.subscriber.error(this.deadlines.ended(call, 'DeadlineExceeded', `no response within ${timeoutMs} ms${waited}`));
  }

  private restMs(now: number): number {
    const { call, timeoutMs } = this;
    const { firstSentAt, waitsFor } = call;
    if (firstSentAt !== undefined) return firstSentAt + timeoutMs - now;
    if (waitsFor === undefined || waitsFor.servedAt <= this.setAt) return 0;
    this.setAt = now;
    return timeoutMs;
  }
}

/** Returns a failure as the caller receives it: a write with an unknown outcome fails with `AmbiguousWrite`. */
export function toCallerError(call: Call, error: EtcdError): EtcdError {
  return call.resentWrite || retryAction(error, call.safety, call.sent) === 'ambiguous' ? new AmbiguousWriteError(error) : error;
}

/** Converts an error to `AmbiguousWrite`, for a write of which an earlier attempt was sent. */
export const asAmbiguous = (failure: unknown): unknown =>
  isEtcdError(failure) && failure.reason !== 'AmbiguousWrite' ? new AmbiguousWriteError(failure) : failure;

const whereOf = ({ name, options }: Call) => (options.endpoint === undefined ? { rpc: name } : { rpc: name, endpoint: options.endpoint });

/** Counts the calls of a client that have not been sent yet. Rejects further calls if there are too many. */
export class PendingCalls {
  private count = 0;

  constructor(private readonly limit: number) {}

  /**
   * Adds a call. A call that needs no token does not count: it may be the call that requests a token, for which other
   * calls wait.
   * @throws EtcdError `TooManyPending`
   */
  add(call: Call): void {
    if (!call.authenticated) return;
    const { count, limit } = this;
    if (count >= limit) {
      const remedy = 'start fewer calls at a time, or raise maxPendingCalls';
      throw new EtcdError('TooManyPending', `${count} calls wait to be sent, and maxPendingCalls is ${limit}; ${remedy}`, {
        rpc: call.name,
      });
    }
    this.count += 1;
    call.pending = true;
  }

  /** Removes a call that is sent, or has ended. */
  remove(call: Call): void {
    if (!call.pending) return;
    call.pending = false;
    this.count -= 1;
  }
}
