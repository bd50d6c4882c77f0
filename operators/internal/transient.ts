import { hasReason, isEtcdError, persistenceOf } from '../../src/errors/index.js';

/**
 * Returns whether an error of etcd, or of the connection to it, is temporary. Such an error has the code `Unavailable`,
 * or the reason `TooManyRequests` or `TooManyPending`. Returns false for `AmbiguousWrite`, as a retry could carry out
 * the write twice, and for every error that is not etcd's. It is the default `retryIf` of {@link retryBackoff}.
 *
 * ## Example
 *
 * ```ts
 * const retryIf = (error: unknown) => isTransientError(error) || hasReason(error, 'LockLost');
 * ```
 */
export function isTransientError(error: unknown): boolean {
  return isEtcdError(error) && persistenceOf(error) === 'temporary';
}

/**
 * Returns whether work that is run again after each loss is also run again after this error. This includes errors of a
 * lease or lock that is lost already, although the source has not reported it yet. It also includes a write of unknown
 * outcome, which is possible at each loss, too.
 */
export const mayRunAgain = (error: unknown): boolean =>
  isTransientError(error) || hasReason(error, 'AmbiguousWrite', 'DeadlineExceeded', 'LeaseLost', 'LeaseNotFound', 'LockLost', 'NoSpace');
