import { filter, type OperatorFunction } from 'rxjs';
import type { DeleteEvent, WatchEvent } from '../src/model/events.js';

/**
 * Passes the events of keys that were deleted, or whose lease ended: short for `ofType('delete')`.
 *
 * ```text
 * source:  --P(a)--D(a)--P(b)--|
 *          deletes()
 * result:  --------D(a)--------|
 * ```
 *
 * The `kv` of a delete has a key and no value. The deleted value is in `prevKv`, if the watch has that option.
 *
 * ## Example
 *
 * ```ts
 * etcd.watch({ prefix: 'app/' }, { prevKv: true }).pipe(deletes()).subscribe(({ kv, prevKv }) => {
 *   console.log(kv.key, 'was', prevKv?.value);
 * });
 *
 * // etcdctl put app/color red
 * // etcdctl del app/color
 * // Logs:
 * // app/color was red
 * ```
 *
 * @see {@link puts}
 * @see {@link ofType}
 *
 * @return A function that returns an Observable of the delete events.
 */
export function deletes(): OperatorFunction<WatchEvent, DeleteEvent> {
  // `ofType` is not used, as the check of its argument would add the code of all errors to a bundle.
  return filter((event): event is DeleteEvent => event.type === 'delete');
}
