import { hasReason, isEtcdError, persistenceOf } from '../../src/errors/index.js';

/**
 * Tells whether an error of etcd, or of the connection to it, is temporary: code `Unavailable`, `TooManyRequests` or
 * `TooManyPending`. False for `AmbiguousWrite`, which a repeat could carry out twice, and for every error that is not
 * etcd's. {@link retryBackoff} retries by it, unless it is given a `retryIf`.
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
 * Tells whether work that is run again after each loss is also run again after this error. Its lease or lock may be
 * lost already, before the source reports it. A write of unknown outcome is possible at each loss, too.
 */
export const mayRunAgain = (error: unknown): boolean =>
  isTransientError(error) || hasReason(error, 'AmbiguousWrite', 'DeadlineExceeded', 'LeaseLost', 'LeaseNotFound', 'LockLost', 'NoSpace');
