import { defer, filter, type MonoTypeOperatorFunction } from 'rxjs';
import type { KeyValue } from '../src/model/keyValue.js';
import type { WatchEvent } from '../src/model/watchEvent.js';
import { keyId } from '../src/model/keyId.js';

/**
 * Drops puts that leave a key's value as it was: etcd counts them as changes, and a writer that refreshes a key makes many. Each key is
 * compared with its own last value, byte by byte: `distinctUntilChanged`, a key at a time.
 *
 * ```text
 * source:  --P(a=1)--P(b=1)--P(a=1)--D(a)--P(a=1)--|
 *          changedValues()
 * result:  --P(a=1)--P(b=1)----------D(a)--P(a=1)--|
 * ```
 *
 * Deletes pass. A key that was created anew passes whatever its value, even where its delete was filtered away. Of a key not seen before,
 * the value before is known where the watch was asked for `prevKv`; without it, the first put passes.
 *
 * It remembers the last `KeyValue` of each key until that key is deleted, so put it before {@link puts}: without deletes it forgets
 * nothing.
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
