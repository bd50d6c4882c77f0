import { defer, retry, tap, throwError, timer, type MonoTypeOperatorFunction } from 'rxjs';
import { checkOptions, FUNCTION, type OptionKinds } from '../src/model/validate.js';
import { backoff, backoffKinds, type BackoffConfig } from './internal/backoff.js';
import { within } from './internal/validators.js';
import { isTransient } from './internal/transient.js';

export interface RetryBackoffConfig<T> extends BackoffConfig {
  /** How many retries in a row, without a value that resets the count. Default: no limit. */
  readonly maxRetries?: number;
  /**
   * Which errors are worth another try; all others are passed on at once. Default: errors of etcd and of the connection to it that pass by
   * themselves (code `Unavailable`, and `TooManyRequests`), and never `AmbiguousWrite`, which a repeat could carry out twice.
   */
  readonly retryIf?: (error: unknown) => boolean;
  /** Whether a value proves that it works again: the next failure waits `initialMs`, and has all its retries. Default: any value does. */
  readonly resetOn?: (value: T) => boolean;
}

/** What each of them may be. */
export const retryKinds = (): OptionKinds<RetryBackoffConfig<never>> => ({
  ...backoffKinds(),
  maxRetries: within(0, Infinity),
  retryIf: FUNCTION,
  resetOn: FUNCTION,
});

/**
 * Subscribes again after an error that may pass, and waits longer from try to try: `initialMs`, twice that, and so on up to `maxMs`, each
 * shortened by chance. RxJS' `retry` with a delay that grows, and that starts anew when a *value* comes, not when a subscription begins.
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
 * Values that came before an error come again if the source sends them again: for a watch use {@link resumeFromRevision}.
 * Where the retries are used up, the last error is passed on.
 *
 * ## Example
 *
 * ```ts
 * etcd.kv.get('app/color').pipe(retryBackoff({ initialMs: 50, maxRetries: 5 })).subscribe((kv) => console.log(kv?.value));
 *
 * // no leader for a moment; then
 * // Logs:
 * // red
 * ```
 *
 * @see {@link resumeFromRevision}
 *
 * @param config The waits, how many, and after which errors.
 * @return A function that returns an Observable that mirrors the source and outlives its passing errors.
 */
export function retryBackoff<T>(config: RetryBackoffConfig<T> = {}): MonoTypeOperatorFunction<T> {
  const { maxRetries = Infinity, retryIf = isTransient, resetOn = () => true } = checkOptions('retryBackoff', config, retryKinds());
  const waitMs = backoff(config);
  return (source) =>
    defer(() => {
      // Failures in a row. Our own count: that of `retry` would be reset by any value, or by none.
      let failures = 0;
      return source.pipe(
        tap((value) => {
          if (resetOn(value)) failures = 0;
        }),
        retry({
          delay: (error: unknown) => (failures < maxRetries && retryIf(error) ? timer(waitMs(failures++)) : throwError(() => error)),
        }),
      );
    });
}
