import { concat, defer, EMPTY, filter, map, of, type Observable, type OperatorFunction } from 'rxjs';
import type { Revisioned, WholeRevision } from './internal/revisioned.js';

/**
 * Groups what happened at the same revision of the store: what a transaction changed comes out together. The source has to be in the order
 * of its revisions, as a watch is.
 *
 * ```text
 * source:  --P(a)@5--P(b)@5--D(a)@6-----------|
 *          byRevision()
 * result:  ------------------{5: P(a), P(b)}--{6: D(a)}|
 * ```
 *
 * **The last revision waits.** That a revision is whole is known only when an event of another revision comes, or the source completes.
 * Where the source ends with an error, an unfinished group is dropped: it may not be whole. Use `etcd.watchBatches(range)` where you can:
 * there the server has said what belongs together, so nothing waits. This operator is for streams of single events that come from somewhere
 * else, or were filtered.
 *
 * ## Example
 *
 * ```ts
 * etcd.watch({ prefix: 'stock/' }).pipe(byRevision()).subscribe(({ revision, events }) => {
 *   console.log(revision, events.map(({ kv }) => kv.key).join(' and '));
 * });
 *
 * // a transaction puts stock/a and stock/b
 * // etcdctl put stock/c 1
 * // Logs:
 * // 2 stock/a and stock/b
 * // (revision 3 waits for what comes next)
 * ```
 *
 * @see {@link resumeFromRevision}
 * @see {@link foldEvents}
 *
 * @return A function that returns an Observable of whole revisions.
 */
export function byRevision<E extends Revisioned>(): OperatorFunction<E, WholeRevision<E>> {
  return (source) =>
    defer((): Observable<WholeRevision<E>> => {
      let group: { readonly revision: number; readonly events: E[] } | undefined;
      const finished = source.pipe(
        map((event) => {
          if (group?.revision === event.revision) {
            group.events.push(event);
            return undefined;
          }
          const whole = group;
          group = { revision: event.revision, events: [event] };
          return whole;
        }),
        filter((whole) => whole !== undefined),
      );
      const last = defer(() => (group === undefined ? EMPTY : of(group)));
      return concat(finished, last);
    });
}
