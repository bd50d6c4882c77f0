import { filter, map, type ObservableInput, type ObservedValueOf, type OperatorFunction } from 'rxjs';
import { checkArgument, checkOptions, FUNCTION } from '../src/model/validate.js';
import { whileHeld, whileHeldKinds, type WhileHeldConfig } from './internal/runWhile.js';

/** What {@link withLease} has to know of an event in the life of a lease; those of `etcd.lease` say more. */
export interface LeaseNews<L extends object> {
  /** `granted` begins the work, `lost` stops it; others (`refreshed`, `jammed`) make no difference. */
  readonly type: string;
  readonly lease: L;
}

/**
 * Runs work for each lease that is granted, and stops it the moment that the lease is lost. With `onLost: 'regrant'` the work is run anew for
 * each lease that follows, so that what it wrote comes back by itself. Emits what the work emits.
 *
 * ```text
 * source:  --G(1)----r----------L--G(2)------
 *          withLease(lease => a-----b----...)
 * result:  --a-----b---------------a-----b---
 * ```
 *
 * `G` is granted, `r` refreshed, `L` lost. The lease is held on when its work completes: a key is put once, and is there as long as the lease is. With
 * `onComplete: 'release'` the stream then completes, which gives the lease back.
 *
 * A lease that jams (a refresh failed, and is tried again) is still held, and its work runs on. An error of the source stops the work before it is passed on, and so
 * does completion: the client was closed, and nobody holds the lease any more. An error of the work ends it all, and gives the lease back.
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
 * @param project A function that gives the work for a lease; it gets the lease, and the number of those before it.
 * @param config What becomes of the lease when its work completes.
 * @return A function that returns an Observable of what the work emits.
 */
export function withLease<L extends object, O extends ObservableInput<unknown>>(
  project: (lease: L, index: number) => O,
  config: WhileHeldConfig = {},
): OperatorFunction<LeaseNews<L>, ObservedValueOf<O>> {
  checkArgument('withLease', 'project', project, FUNCTION);
  const { onComplete = 'hold' } = checkOptions('withLease', config, whileHeldKinds());
  return (source) => {
    const leases = source.pipe(
      filter(({ type }) => type === 'granted' || type === 'lost'),
      map(({ type, lease }) => (type === 'granted' ? lease : undefined)),
    );
    return whileHeld(leases, project, onComplete);
  };
}
