import type { MonoTypeOperatorFunction } from 'rxjs';
import { completeWhenReleased } from '../src/util/releases.js';

/**
 * Delays the completion until the server has confirmed the release of the lock or lease that the source held. Without
 * this operator, unsubscribing sends the release, and nothing waits for the response.
 *
 * ```text
 * lock:     --o----------
 *           switchMap(() => a-b|), take(2)
 *           untilReleased()
 * result:   --a-b----|             (the release takes 5)
 * ```
 *
 * Put it last. Errors are passed on at once. A failing release delays the completion until its retries end; the lease
 * then expires by itself. Await the completion with `lastValueFrom`, as `firstValueFrom` does not wait for it. The
 * operator `withLock` waits for its own releases. So do `withLease` and `whileLeader` with `onComplete: 'release'`.
 *
 * ## Example
 *
 * ```ts
 * import { lastValueFrom, switchMap, take } from 'rxjs';
 *
 * const work = etcd.lock('jobs', { ttl: 15 }).pipe(
 *   switchMap(({ guard }) => etcd.kv.txn({ compare: [guard], success: [put('done', 'yes')] })),
 *   take(1),
 *   untilReleased(),
 * );
 * const { succeeded } = await lastValueFrom(work);
 * etcd.lockWaiters('jobs').subscribe((waiters) => console.log(succeeded, waiters.length));
 *
 * // Logs:
 * // true 0
 * ```
 *
 * @see {@link withLock}
 *
 * @return A function that returns an Observable which completes after the release.
 */
export function untilReleased<T>(): MonoTypeOperatorFunction<T> {
  return completeWhenReleased;
}
