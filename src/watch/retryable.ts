import { type EtcdError, isEtcdError, persistenceOf, type Reason } from '../errors/index.js';
import { Backoff, retryAfter, monotonicNow } from '../util/time.js';
import { defer, type Observable } from 'rxjs';

/** Returns whether a call that restarts automatically, such as a watch, may be retried after this error. */
export const isRetryable = (error: EtcdError): boolean => persistenceOf(error) !== 'permanent';

/**
 * Returns whether another stream may succeed. `ResponseTooLarge` is permanent for one watch only, so other watches may
 * continue.
 */
export function isStreamRetryable(error: EtcdError): boolean {
  return isRetryable(error) || error.reason === 'ResponseTooLarge';
}

/**
 * Returns whether an error is temporary. Temporary errors are retried without a limit, unless the option
 * `streams.maxRetries` sets one.
 */
export function isTransient(error: EtcdError): boolean {
  const persistence = persistenceOf(error);
  return persistence === 'temporary' || persistence === 'interrupted';
}

/**
 * Retries a call as long as its failure may be temporary. Some failures may be temporary or permanent, so they are
 * retried only a few times. Examples:
 * - a rejected token: temporary while auth changes, permanent if the token is invalid
 * - a malformed response: temporary while a proxy responds in place of the server, permanent if there is no etcd
 * - an unknown path: temporary while members of different versions respond, permanent if no member has the path
 *
 * @param onPause called with each failure that is retried, and the milliseconds until the next attempt. An error that
 * this function throws ends the attempts
 */
export function retryTransient<T>(
  call: Observable<T>,
  settings: StreamTimeouts,
  onPause: (error: EtcdError, ms: number) => void = () => undefined,
): Observable<T> {
  return defer(() => {
    // The backoff is created at the first failure, as most calls do not fail.
    let backoff: Backoff | undefined;
    let refusals: ConsecutiveFailures | undefined;
    return call.pipe(
      retryAfter((error) => {
        if (!isEtcdError(error) || !isRetryable(error)) return undefined;
        if (!isTransient(error)) {
          refusals ??= new ConsecutiveFailures();
          refusals.add(error);
          if (refusals.exceeded) return undefined;
        }
        backoff ??= streamBackoff(settings);
        const pauseMs = backoff.next();
        onPause(error, pauseMs);
        return pauseMs;
      }),
    );
  });
}

/** The number of consecutive failures after which they count as permanent. */
const MAX_CONSECUTIVE_FAILURES = 5;

/**
 * How long a token must be rejected until it counts as invalid, in milliseconds. A member that lags behind may reject a
 * new token, although the other members accept it already.
 */
const LAG_MS = 5_000;
const MAY_LAG: ReadonlySet<Reason> = new Set<Reason>(['InvalidAuthToken', 'AuthOldRevision']);

/** Counts consecutive failures that only a change at the server can end, and decides when they count as permanent. */
export class ConsecutiveFailures {
  private count = 0;
  private first = 0;
  private last = 0;
  /** The earliest time at which the failures count as permanent. */
  private exceededAt = 0;

  /**
   * @param longestGapMs the longest time between two consecutive failures; after a longer time, the count begins again
   */
  constructor(private readonly longestGapMs = Infinity) {}

  add({ reason }: EtcdError): void {
    const now = monotonicNow();
    if (now - this.last > this.longestGapMs) this.count = 0;
    this.last = now;
    if (this.count === 0) this.first = now;
    this.count += 1;
    this.exceededAt = this.first + (MAY_LAG.has(reason) ? LAG_MS : 0);
  }

  /** Resets the count, so that the next failure counts as the first. */
  reset(): void {
    this.count = 0;
  }

  get exceeded(): boolean {
    return this.count >= MAX_CONSECUTIVE_FAILURES && monotonicNow() >= this.exceededAt;
  }
}

/** Creates a backoff with the pauses of the option `streams`. */
export const streamBackoff = ({
  initialBackoffMs,
  maxBackoffMs,
  jitter,
}: Omit<StreamTimeouts, 'heartbeatMs' | 'responseTimeoutMs'>): Backoff => new Backoff(initialBackoffMs, maxBackoffMs, jitter);

/** Settings of streams, in milliseconds. */
export interface StreamTimeouts {
  readonly heartbeatMs: number;
  readonly responseTimeoutMs: number;
  readonly initialBackoffMs: number;
  readonly maxBackoffMs: number;
  /** The random part of a pause, from 0 to 1, by which the pause may be shorter. Default: half of the pause. */
  readonly jitter?: number;
  /** How long an unused stream is kept open. By default it is closed at once. */
  readonly lingerMs?: number;
}
