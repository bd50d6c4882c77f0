import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { checkOptions, FUNCTION, type OptionKinds } from '../src/model/validate.js';
import { retryAfter } from '../src/util/time.js';
import { backoff, backoffKinds, type BackoffOptions } from './internal/backoff.js';
import { within } from './internal/validators.js';
import { isTransientError } from './internal/transient.js';

export interface RetryBackoffOptions<T> extends BackoffOptions {
  /** How many retries in a row, without a value that resets the count. Default: no limit. */
  readonly maxRetries?: number;
  /**
   * Which errors are worth another try; all others are passed on at once. Default: temporary errors of etcd and of
   * the connection to it ({@link isTransientError}: code `Unavailable`, `TooManyRequests` and `TooManyPending`).
   * Never `AmbiguousWrite`, which a repeat could carry out twice.
   */
  readonly retryIf?: (error: unknown) => boolean;
  /**
   * Whether a value proves that it works again: the next failure waits `initialMs`, and has all its retries. Default:
   * any value does.
   */
  readonly resetOn?: (value: T) => boolean;
}

/** The valid values of each. */
export const retryKinds = (): OptionKinds<RetryBackoffOptions<never>> => ({
  ...backoffKinds(),
  maxRetries: within(0, Infinity),
  retryIf: FUNCTION,
  resetOn: FUNCTION,
});

/**
 * Retries after a temporary error, with exponential backoff. The pauses are `initialMs`, twice that, and so on up to
 * `maxMs`, each shortened at random. It is RxJS' `retry` with a growing delay, which a *value* resets, and not a new
 * subscription.
 *
 * ```text
 * source:  --a--#
 *               ...--#                       (waits 100 ms)
 *                    ......--b--#            (waits 200 ms; b resets)
 *                               ...--c--|    (waits 100 ms)
 *          retryBackoff({ jitter: 0 })
 * result:  --a---------------b-------c--|
 * ```
 *
 * Values from before an error are emitted again if the source emits them again: for a watch use
 * {@link resumeFromRevision}. After the last retry the error is passed on.
 *
 * ## Example
 *
 * ```ts
 * etcd.kv.get('app/color').pipe(retryBackoff({ initialMs: 50, maxRetries: 5 })).subscribe((kv) =>
 * console.log(kv?.value));
 *
 * // no leader for a moment; then
 * // Logs:
 * // red
 * ```
 *
 * @see {@link resumeFromRevision}
 * @see {@link isTransientError}
 *
 * @param options The pauses, their number, and the errors to retry after.
 * @return A function that returns an Observable that mirrors the source, and subscribes again after temporary errors.
 */
export function retryBackoff<T>(options: RetryBackoffOptions<T> = {}): MonoTypeOperatorFunction<T> {
  const { maxRetries = Infinity, retryIf = isTransientError, resetOn = () => true } = checkOptions('retryBackoff', options, retryKinds());
  const waitMs = backoff(options);
  return (source) =>
    defer(() => {
      // Failures in a row. Our own count: that of `retry` would be reset by any value, or by none.
      let failures = 0;
      return source.pipe(
        tap((value) => {
          if (resetOn(value)) failures = 0;
        }),
        retryAfter((error) => (failures < maxRetries && retryIf(error) ? waitMs(failures++) : undefined)),
      );
    });
}
