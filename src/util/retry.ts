import { retry, throwError, timer, type MonoTypeOperatorFunction } from 'rxjs';

/** The pauses between attempts: they double up to a limit. */
export interface BackoffOptions {
  /** The longest first pause, in milliseconds. */
  readonly initialMs: number;
  /** The longest of all pauses, in milliseconds. */
  readonly maxMs: number;
  /** The part of a pause, 0 to 1, that chance may take off, so that many clients do not come back at once. */
  readonly jitter: number;
  /** Returns a number from 0 to 1; `Math.random` by default. */
  readonly random?: () => number;
}

/** Returns the pause after a failure, in milliseconds. `failuresBefore` is 0 for the first failure in a row. */
export function backoffMs(failuresBefore: number, { initialMs, maxMs, jitter, random = Math.random }: BackoffOptions): number {
  // At 2^31 any pause of a millisecond has reached the limit. The bound keeps 0 * Infinity from being NaN.
  const longest = Math.min(maxMs, initialMs * 2 ** Math.min(failuresBefore, 31));
  // A whole number: in virtual time, a rest of less than the clock can show would be waited for without an end.
  return Math.round(longest * (1 - jitter * random()));
}

/** Counts failures in a row, and computes the pause after each with {@link backoffMs}, shortened by up to half. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly initialMs: number,
    private readonly maxMs: number,
  ) {}

  /** Returns the pause after another failure. */
  next(): number {
    const { initialMs, maxMs } = this;
    return backoffMs(this.failures++, { initialMs, maxMs, jitter: 0.5, random: () => 1 - Math.random() });
  }

  /** Starts over after a success: the next pause is the first again. */
  reset(): void {
    this.failures = 0;
  }
}

/**
 * Subscribes to the source again after an error.
 *
 * @param pauseMs returns the pause before that, in milliseconds; undefined for an error that is passed on. `attempts`
 * is the number of failed attempts, from 1
 */
export function retryAfter<T>(pauseMs: (error: unknown, attempts: number) => number | undefined): MonoTypeOperatorFunction<T> {
  return retry({
    delay: (error: unknown, attempts) => {
      const ms = pauseMs(error, attempts);
      return ms === undefined ? throwError(() => error) : timer(ms);
    },
  });
}
