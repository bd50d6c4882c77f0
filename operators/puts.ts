import { filter, type OperatorFunction } from 'rxjs';
import type { PutEvent, WatchEvent } from '../src/model/events.js';

/**
 * Passes the events of keys that were created or changed: short for `ofType('put')`.
 *
 * ```text
 * source:  --P(a)--D(a)--P(b)--|
 *          puts()
 * result:  --P(a)--------P(b)--|
 * ```
 *
 * If you want no deletes at all, use `etcd.watch(range, { noDelete: true })`: the server then omits them.
 *
 * ## Example
 *
 * ```ts
 * etcd.watch({ prefix: 'app/' }).pipe(puts()).subscribe(({ kv }) => console.log(kv.key, kv.value));
 *
 * // etcdctl put app/color red
 * // etcdctl del app/color
 * // etcdctl put app/color blue
 * // Logs:
 * // app/color red
 * // app/color blue
 * ```
 *
 * @see {@link deletes}
 * @see {@link ofType}
 *
 * @return A function that returns an Observable of the put events.
 */
export function puts(): OperatorFunction<WatchEvent, PutEvent> {
  // `ofType` is not used, as the check of its argument would add the code of all errors to a bundle.
  return filter((event): event is PutEvent => event.type === 'put');
}
