import { defer, filter, type MonoTypeOperatorFunction } from 'rxjs';
import { keyId, type KeyValue } from '../src/model/keyValue.js';
import type { WatchEvent } from '../src/model/events.js';

/**
 * Drops puts that do not change the value of a key. etcd counts such puts as changes, and a writer that refreshes a key
 * sends many of them. The bytes of each value are compared with the last value of the key, as by a
 * `distinctUntilChanged` for each key.
 *
 * ```text
 * source:  --P(a=1)--P(b=1)--P(a=1)--D(a)--P(a=1)--|
 *          changedValues()
 * result:  --P(a=1)--P(b=1)----------D(a)--P(a=1)--|
 * ```
 *
 * Deletes are passed on. The first put after a deletion passes with any value, even if the delete event was filtered
 * out. The first put of a key passes, unless the watch has the option `prevKv` and the value is the same as before.
 *
 * The operator keeps the last `KeyValue` of each key in memory until it receives the delete of that key. So put it
 * before {@link puts}, which drops the deletes.
 *
 * ## Example
 *
 * ```ts
 * etcd.watch('app/color').pipe(changedValues()).subscribe(({ kv, revision }) => console.log(revision, kv.value));
 *
 * // etcdctl put app/color red     (revision 2)
 * // etcdctl put app/color red     (revision 3)
 * // etcdctl put app/color blue    (revision 4)
 * // Logs:
 * // 2 red
 * // 4 blue
 * ```
 *
 * @see {@link foldEvents}
 *
 * @return A function that returns an Observable of the events without the puts that changed no value.
 */
export function changedValues<E extends WatchEvent>(): MonoTypeOperatorFunction<E> {
  return (source) =>
    defer(() => {
      const lastOf = new Map<string, KeyValue>();
      return source.pipe(
        filter(({ type, kv, prevKv }) => {
          const id = keyId(kv);
          if (type === 'delete') {
            lastOf.delete(id);
            return true;
          }
          const last = lastOf.get(id) ?? prevKv;
          lastOf.set(id, kv);
          return last === undefined || last.createRevision !== kv.createRevision || !sameBytes(last.valueBytes, kv.valueBytes);
        }),
      );
    });
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, index) => byte === b[index]);
}
