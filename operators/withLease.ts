import { filter, map, type ObservableInput, type ObservedValueOf, type OperatorFunction } from 'rxjs';
import { checkArgument, checkOptions, FUNCTION } from '../src/model/validate.js';
import { runWhile, runWhileKinds, type RunWhileOptions } from './internal/runWhile.js';

/** The part of a lease event that {@link withLease} uses; the events of `etcd.lease` have more fields. */
export interface LeaseEventLike<L extends object> {
  /**
   * The type of the event: `granted` starts the work, and `lost` stops it. Other types (`refreshed`, `refreshFailed`)
   * have no effect.
   */
  readonly type: string;
  readonly lease: L;
}

/**
 * Runs work for each granted lease, and stops it as soon as the lease is lost. With `onLost: 'regrant'` the work is run
 * again for each further lease, so that its keys are written again. Emits the values of the work.
 *
 * ```text
 * source:  --G(1)----r----------L--G(2)------
 *          withLease(lease => a-----b----...)
 * result:  --a-----b---------------a-----b---
 * ```
 *
 * `G` means granted, `r` refreshed, and `L` lost. The lease is kept when the work completes. So work that puts a key
 * may complete at once, and the key exists as long as the lease. With `onComplete: 'release'` the stream then
 * completes, and the lease is revoked, unless its option `release` is `keep`.
 *
 * A failed refresh is retried. Meanwhile the lease is still held, and its work continues. An error of the source stops
 * the work before the error is passed on. Completion of the source stops the work, too, as the client was closed and
 * the lease is no longer held.
 *
 * An error of the work is passed on, and releases the lease in the same way. With `onLost: 'regrant'` the work is run
 * again under the same lease, after a pause, when its error is temporary. Temporary errors include a lost connection,
 * no leader, a slow server, a full database, a write of unknown outcome, and a loss not reported yet. The writes of the
 * work may therefore be carried out twice, as after each loss.
 *
 * ## Example
 *
 * A service that announces itself
 *
 * ```ts
 * etcd.lease({ ttl: 10, onLost: 'regrant' }).pipe(
 *   withLease(({ id }) => etcd.kv.put('services/me', '10.0.0.1', { lease: id })),
 * ).subscribe(({ header }) => console.log('announced at', header.revision));
 *
 * // the machine sleeps for a minute: the lease is lost, and another is granted
 * // Logs:
 * // announced at 2
 * // announced at 4
 * ```
 *
 * @see {@link withLock}
 * @see {@link putTo}
 *
 * @param project A function that returns the work for a lease and its index.
 * @param options Whether the lease is kept when its work completes.
 * @return A function that returns an Observable of the values of the work.
 */
export function withLease<L extends object, O extends ObservableInput<unknown>>(
  project: (lease: L, index: number) => O,
  options: RunWhileOptions = {},
): OperatorFunction<LeaseEventLike<L>, ObservedValueOf<O>> {
  checkArgument('withLease', 'project', project, FUNCTION);
  const { onComplete = 'hold' } = checkOptions('withLease', options, runWhileKinds());
  return (source) => {
    const leases = source.pipe(
      filter(({ type }) => type === 'granted' || type === 'lost'),
      map(({ type, lease }) => (type === 'granted' ? lease : undefined)),
    );
    return runWhile(leases, project, onComplete);
  };
}
