import { concat, defer, EMPTY, filter, map, of, type Observable, type OperatorFunction } from 'rxjs';
import type { Revisioned, WholeRevision } from './internal/revisionCursor.js';

/**
 * Groups the events of each revision, so that the changes of a txn are emitted together. The source must emit in the
 * order of revisions, as a watch does.
 *
 * ```text
 * source:  --P(a)@5--P(b)@5--D(a)@6-----------|
 *          byRevision()
 * result:  ------------------{5: P(a), P(b)}--{6: D(a)}|
 * ```
 *
 * **The last revision is delayed.** A revision is known to be complete only when an event of another revision arrives,
 * or the source completes. If the source errors, an incomplete group is dropped. Prefer `etcd.watchBatches(range)`,
 * which emits each revision without this delay. Use this operator for single events from other sources, or for events
 * that passed a filter.
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
