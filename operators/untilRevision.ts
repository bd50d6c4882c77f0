import { pipe, takeWhile, type MonoTypeOperatorFunction } from 'rxjs';
import { BOOLEAN, checkArgument, checkOptions, FROM_ZERO } from '../src/model/validate.js';
import type { Revisioned } from './internal/revisionCursor.js';

export interface UntilRevisionOptions {
  /**
   * Whether each item is a whole revision, as those of `watchBatches` and {@link byRevision} are. If so, an item of the
   * given revision is known to be the last one, and completes the stream at once. Default false.
   */
  readonly wholeRevisions?: boolean;
}

/**
 * Passes the items up to a revision, then completes. The source must emit in the order of revisions, as a watch does.
 *
 * ```text
 * source:  --P(a)@5--P(b)@6--P(c)@6--D(a)@7--
 *          untilRevision(6)
 * result:  --P(a)@5--P(b)@6--P(c)@6--|
 * ```
 *
 * The result completes at the first item of a later revision, as further items of the given revision may arrive before
 * it. Without such an item, the result does not complete. So set `wholeRevisions` if each item is a whole revision.
 *
 * ```text
 * source:  --{5}--{6}---
 *          untilRevision(6, { wholeRevisions: true })
 * result:  --{5}--({6}|)
 * ```
 *
 * ## Example
 *
 * Replay history
 *
 * ```ts
 * etcd.watchBatches({ prefix: 'app/' }, { startRevision: 2 }).pipe(
 *   untilRevision(3, { wholeRevisions: true }),
 * ).subscribe({
 *   next: ({ revision, events }) => console.log(revision, ...events.map(({ kv }) => kv.value)),
 *   complete: () => console.log('done'),
 * });
 *
 * // etcdctl put app/color red     (revision 2)
 * // etcdctl put app/color blue    (revision 3)
 * // Logs:
 * // 2 red
 * // 3 blue
 * // done
 * ```
 *
 * @see {@link afterRevision}
 *
 * @param revision The last revision that passes.
 * @param options Whether each item is a whole revision.
 * @return A function that returns an Observable that completes after that revision.
 */
export function untilRevision<E extends Revisioned>(revision: number, options: UntilRevisionOptions = {}): MonoTypeOperatorFunction<E> {
  checkArgument('untilRevision', 'revision', revision, FROM_ZERO);
  const { wholeRevisions = false } = checkOptions('untilRevision', options, { wholeRevisions: BOOLEAN });
  const notBeyond = takeWhile<E>((item) => item.revision <= revision);
  return wholeRevisions
    ? pipe(
        notBeyond,
        takeWhile<E>((item) => item.revision < revision, true),
      )
    : notBeyond;
}
