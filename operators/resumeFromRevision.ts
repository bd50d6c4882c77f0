import { concat, defer, filter, throwError, type Observable } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { BOOLEAN, checkArgument, checkOptions, FROM_ZERO, FUNCTION } from '../src/model/validate.js';
import { RevisionCursor, type Revisioned } from './internal/revisionCursor.js';
import { retryBackoff, retryKinds, type RetryBackoffOptions } from './retryBackoff.js';

/**
 * The options of {@link retryBackoff}, and those of resuming. New items reset the count of retries; repeated items do
 * not.
 */
export interface ResumeFromRevisionOptions<T> extends RetryBackoffOptions<T> {
  /**
   * The first revision to deliver. Without this option, the factory decides where each stream starts until the first
   * item has arrived. If a stream breaks before that, changes until the start of the next stream are lost. So pass the
   * current revision for a stream that starts "now".
   */
  readonly startRevision?: number;
  /** Returns the revision of an item. Default: the property `revision` of the item. */
  readonly revisionOf?: (item: T) => number;
  /** Whether each item is a whole revision, as those of `watchBatches` and {@link byRevision} are. Default false. */
  readonly wholeRevisions?: boolean;
  /**
   * Whether the completion of a stream counts as a lost connection (`ConnectionLost`). If not, the completion is passed
   * on. Default true, as a watch has no end.
   */
  readonly resumeOnComplete?: boolean;
}

/**
 * Joins several streams, each of which may break, into one continuous stream. When a stream completes, or fails with a
 * temporary error, the factory creates another one, which starts at the last revision. No item is lost, repeated or
 * reordered, even if a stream breaks in the middle of a revision.
 *
 * ```text
 * factory(5):  --a@5--b@6--#
 * factory(6):              ...--b@6--c@6--d@7--
 *          resumeFromRevision(factory, { startRevision: 5 })
 * result:      --a@5--b@6------------c@6--d@7--
 * ```
 *
 * Several items may have the same revision, so the last revision may be incomplete. The next stream therefore starts
 * *at* the last revision, and its items that were already delivered are dropped. If each item is a whole revision, set
 * `wholeRevisions`. Then the next stream starts one revision later, which also works if the last revision has been
 * compacted since. A stream must emit in the order of revisions, and emit the same items in the same order each time,
 * as etcd does. Items of earlier revisions are dropped.
 *
 * `etcd.watch` resumes by itself. Use this operator for other streams: the watch of another client, an event store,
 * your own server.
 *
 * ## Example
 *
 * ```ts
 * const history = (fromRevision = 1) =>
 *   fromFetch(`https://example.org/history?from=${fromRevision}`, { selector: linesOf });
 *
 * resumeFromRevision(history, { startRevision: 1, maxMs: 5_000, retryIf: () => true })
 *   .subscribe(({ revision, text }) => console.log(revision, text));
 *
 * // the first response ends after "1 a" and "2 b"; the second begins with "2 b", and continues
 * // Logs:
 * // 1 a
 * // 2 b
 * // 2 c
 * // 3 d
 * ```
 *
 * @see {@link retryBackoff}
 * @see {@link byRevision}
 *
 * @param factory A function that returns a stream which starts at a revision. The revision is `undefined` only before a
 * first item, and only without `startRevision`.
 * @param options The revision to start from, how to read the revision of an item, and the pauses between streams.
 * @return An Observable of each item once, in order. It errors with the first error that is not retried, such as
 * `Compacted`.
 */
export function resumeFromRevision<T extends Revisioned>(
  factory: (fromRevision: number | undefined) => Observable<T>,
  options?: ResumeFromRevisionOptions<T>,
): Observable<T>;
export function resumeFromRevision<T>(
  factory: (fromRevision: number | undefined) => Observable<T>,
  options: ResumeFromRevisionOptions<T> & { readonly revisionOf: (item: T) => number },
): Observable<T>;
export function resumeFromRevision<T>(
  factory: (fromRevision: number | undefined) => Observable<T>,
  options: ResumeFromRevisionOptions<T> = {},
): Observable<T> {
  checkArgument('resumeFromRevision', 'factory', factory, FUNCTION);
  const given = checkOptions('resumeFromRevision', options, {
    ...retryKinds(),
    startRevision: FROM_ZERO,
    revisionOf: FUNCTION,
    wholeRevisions: BOOLEAN,
    resumeOnComplete: BOOLEAN,
  });
  const { startRevision, revisionOf = revisionField, wholeRevisions = false, resumeOnComplete = true, ...retrying } = given;
  const again = retryBackoff(retrying);
  return defer(() => {
    const cursor = new RevisionCursor(startRevision, wholeRevisions);
    const attempt = defer(() => {
      const isNew = cursor.attempt();
      const items = factory(cursor.fromRevision).pipe(filter((item) => isNew(revisionOf(item))));
      return resumeOnComplete
        ? concat(
            items,
            throwError(() => cut()),
          )
        : items;
    });
    return attempt.pipe(again);
  });
}

function cut(): EtcdError {
  return new EtcdError('ConnectionLost', 'the source completed, but was expected to continue');
}

function revisionField(item: unknown): number {
  if (typeof item === 'object' && item !== null && 'revision' in item && typeof item.revision === 'number') return item.revision;
  throw new EtcdError(
    'InvalidArgument',
    'item of resumeFromRevision: expected a field revision, received an item without it; set the option revisionOf',
  );
}
