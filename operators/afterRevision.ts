import { filter, type MonoTypeOperatorFunction } from 'rxjs';
import { checkArgument, FROM_ZERO } from '../src/model/validate.js';
import type { Revisioned } from './internal/revisionCursor.js';

/**
 * Passes the items after a revision. Use it for a watch that overlaps with an earlier read.
 *
 * ```text
 * source:  --P(a)@5--P(b)@6--D(a)@7--|
 *          afterRevision(5)
 * result:  ----------P(b)@6--D(a)@7--|
 * ```
 *
 * With `etcd.watch(range, { startRevision: revision + 1 })` the server itself omits the earlier events. Use this
 * operator for a shared stream, and for events from other sources.
 *
 * ## Example
 *
 * ```ts
 * etcd.watch({ prefix: 'app/' }).pipe(afterRevision(2)).subscribe(({ kv, revision }) => console.log(revision, kv.key));
 *
 * // etcdctl put app/a 1    (revision 2)
 * // etcdctl put app/b 1    (revision 3)
 * // Logs:
 * // 3 app/b
 * ```
 *
 * @see {@link untilRevision}
 *
 * @param revision The last revision that is dropped.
 * @return A function that returns an Observable of the items of later revisions.
 */
export function afterRevision<E extends Revisioned>(revision: number): MonoTypeOperatorFunction<E> {
  checkArgument('afterRevision', 'revision', revision, FROM_ZERO);
  return filter((item) => item.revision > revision);
}
