import {
  catchError,
  concat,
  defer,
  EMPTY,
  identity,
  map,
  type MonoTypeOperatorFunction,
  type Observable,
  of,
  tap,
  throwError,
  timeout,
} from 'rxjs';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { EtcdError, hasReason, isEtcdError } from '../../errors/index.js';
import { LONGEST_MS, oneOf } from '../../model/validate.js';
import type { OwnershipEvent } from '../../model/events.js';
import { retryAfter } from '../../util/time.js';
import { isRetryable, isTransient, ConsecutiveFailures, streamBackoff, type StreamTimeouts } from '../../watch/retryable.js';
import type { ConcurrencyContext } from '../context.js';

/** The option to acquire an ownership again after each loss. */
export interface Reacquire {
  /**
   * `reacquire` continues after each loss. The Observable emits `{ type: 'lost', error }` as soon as the ownership is
   * uncertain. It then waits in the queue again, and emits `{ type: 'owned', … }`. It also waits if etcd cannot be
   * reached at the start. It errors only with a permanent failure, such as `PermissionDenied`, or with
   * `DeadlineExceeded` after `timeoutMs`. It completes when the client is closed. Run the work with `whileLeader` or
   * `withLock`, which stop it at each loss. A `switchMap` must check the `type` of each event, as it also receives
   * `lost`.
   */
  readonly onLost: 'reacquire';
}

/** The options of a method whose result type depends on the value of `onLost`. */
export type AnyOnLost<O extends { readonly onLost?: 'error' }> = Omit<O, 'onLost'> & { readonly onLost?: 'error' | 'reacquire' };

/** The valid values of the option `onLost`. */
export const ON_LOST = oneOf('error', 'reacquire');

/** Acquires an ownership once, or again after each loss, depending on the option `onLost`. */
export function acquireOnceOrAgain<T extends object>(
  once: Observable<T>,
  onLost: 'error' | 'reacquire' = 'error',
  context: ConcurrencyContext,
): Observable<T | OwnershipEvent<T>> {
  return onLost === 'reacquire' ? reacquireAfterLoss(once, context) : once;
}

/** Errors with `DeadlineExceeded` if the source has not emitted within `timeoutMs`. */
export function timeoutAcquire<T>(what: string, timeoutMs: number | undefined): MonoTypeOperatorFunction<T> {
  if (timeoutMs === undefined || timeoutMs > LONGEST_MS) return identity;
  return timeout({
    first: timeoutMs,
    with: () => throwError(() => new EtcdError('DeadlineExceeded', `timed out after ${timeoutMs} ms waiting for ${what}`)),
  });
}

/**
 * Acquires an ownership again after each loss, and emits each event. It completes when the source completes, and when
 * the client is closed.
 */
function reacquireAfterLoss<T extends object>(
  once: Observable<T>,
  { settings, closed }: ConcurrencyContext,
): Observable<OwnershipEvent<T>> {
  return defer(() => {
    const refusals = new ConsecutiveFailures();
    let owned = false;
    let everOwned = false;
    const mayContinue = (error: unknown): error is EtcdError => {
      if (!isEtcdError(error)) return false;
      if (error.reason === 'LockLost') return true;
      if (everOwned && awaitsRepair(error)) return true;
      if (!isRetryable(error)) return false;
      if (isTransient(error) || everOwned) return true;
      // Before the first ownership, such a failure may be permanent, for example because the endpoint is not an etcd
      // server. So it is retried only a few times. The acquisition itself has retried it a few times as well.
      refusals.add(error);
      return !refusals.exceeded;
    };
    const events: Observable<OwnershipEvent<T>> = once.pipe(
      tap(() => (owned = everOwned = true)),
      map((ownership) => Object.assign(ownership, { type: 'owned' } as const)),
    );
    const lossOf = (error: unknown): Observable<OwnershipEvent<T>> | undefined => {
      if (!mayContinue(error)) return undefined;
      const wasOwned = owned;
      owned = false;
      return wasOwned ? of({ type: 'lost', error }) : EMPTY;
    };
    return restartAfterLoss(events, lossOf, settings);
  }).pipe(takeUntilClosed(closed));
}

/**
 * Subscribes to a source again after an error, with pauses that grow until the source emits.
 *
 * @param lossOf returns the values that are emitted before the next subscription; undefined for an error that is passed
 * on
 */
export function restartAfterLoss<T>(
  source: Observable<T>,
  lossOf: (error: unknown) => Observable<T> | undefined,
  settings: StreamTimeouts,
): Observable<T> {
  return defer(() => {
    const backoff = streamBackoff(settings);
    return source.pipe(
      tap(() => backoff.reset()),
      catchError((error: unknown) => {
        const loss = lossOf(error);
        return concat(
          loss ?? EMPTY,
          throwError(() => (loss === undefined ? error : RESTART)),
        );
      }),
      retryAfter((error) => (error === RESTART ? backoff.next() : undefined)),
    );
  });
}

/**
 * Returns whether an error lasts until the store is repaired. A former owner waits for the repair, but the first
 * acquisition fails with the error.
 */
export const awaitsRepair = (error: unknown): boolean => hasReason(error, 'NoSpace');

const RESTART = new Error('restart after a loss');
