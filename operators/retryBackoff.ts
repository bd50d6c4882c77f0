import { defer, tap, type MonoTypeOperatorFunction } from 'rxjs';
import { checkOptions, FUNCTION, type OptionKinds } from '../src/model/validate.js';
import { retryAfter } from '../src/util/time.js';
import { backoff, backoffKinds, type BackoffOptions } from './internal/backoff.js';
import { within } from './internal/validators.js';
import { isTransientError } from './internal/transient.js';

export interface RetryBackoffOptions<T> extends BackoffOptions {
  /** The maximum number of retries in a row without a value that resets the count. Default: no limit. */
  readonly maxRetries?: number;
  /**
   * Returns whether to retry after an error. All other errors are passed on at once. The default is {@link
   * isTransientError}, which selects the temporary errors of etcd and of the connection to it. These have the code
   * `Unavailable`, or the reason `TooManyRequests` or `TooManyPending`. The default never selects `AmbiguousWrite`, as
   * a retry could carry out the write twice.
   */
  readonly retryIf?: (error: unknown) => boolean;
  /**
   * Returns whether a value resets the count of failures. The pause after the next failure is then at most `initialMs`
   * again. By default every value resets the count.
   */
  readonly resetOn?: (value: T) => boolean;
}

/** The valid values of each option. */
export const retryKinds = (): OptionKinds<RetryBackoffOptions<never>> => ({
  ...backoffKinds(),
  maxRetries: within(0, Infinity),
  retryIf: FUNCTION,
  resetOn: FUNCTION,
});

/**
 * Retries after a temporary error, with exponential backoff. The pauses are `initialMs`, twice that, and so on up to
 * `maxMs`, each shortened at random. It is RxJS' `retry` with a growing delay. By default, each *value* resets the
 * delay. The next subscription to the source does not reset it.
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
 * If the source emits the same values again after an error, they are passed on again. So use {@link resumeFromRevision}
 * for a watch. If the last retry fails as well, its error is passed on.
 *
 * ## Example
 *
 * ```ts
 * etcd.kv.get('app/color').pipe(
 *   retryBackoff({ initialMs: 50, maxRetries: 5 }),
 * ).subscribe((kv) => console.log(kv?.value));
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
      // The number of failures in a row. The count of `retry` cannot be used, as it can be reset only by every value or
      // by none.
      let failures = 0;
      return source.pipe(
        tap((value) => {
          if (resetOn(value)) failures = 0;
        }),
        retryAfter((error) => (failures < maxRetries && retryIf(error) ? waitMs(failures++) : undefined)),
      );
    });
}
