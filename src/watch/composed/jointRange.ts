import { catchError, defer, forkJoin, map, of, switchMap, throwError, type Observable } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import { toText } from '../../model/bytes.js';
import type { KeyValue } from '../../model/keyValue.js';
import { binaryKey, holds, keyBytes, rangeOf, spanOf, type Range, type Span } from '../../model/range.js';
import { toWatchTarget } from '../messages.js';
import type { KnownChange } from '../cursor.js';
import { listAndWatch, type Follower, type Listed, inSlices, type ReadPages } from '../live/listAndWatch.js';
import { listRange, type ListedRange, type LiveEntries } from '../live/liveRange.js';
import type { WatcherDeps } from '../watcher.js';

/**
 * A state of several ranges as of one revision. The states of ranges that did not change are the same objects as
 * before.
 */
export interface JointUpdate {
  readonly type: 'snapshot' | 'change' | 'resync';
  readonly revision: number;
  /** The states, in the order of the ranges. */
  readonly states: readonly ReadonlyMap<string, KeyValue>[];
}

/** One of the ranges, with its state at a revision. */
interface Part {
  readonly entries: LiveEntries;
  readonly state: ReadonlyMap<string, KeyValue>;
}

interface ListedParts extends Listed {
  readonly parts: readonly Part[];
}

/**
 * Follows several ranges, and emits one state for each revision that changes any of them. All ranges are listed at one
 * revision. Then one watch follows the smallest range that contains them all. etcd sends all events of a revision to a
 * watch together, in all versions and over all transports. So no state has to wait for the events of another range.
 */
export function jointUpdates(
  ranges: readonly Range[],
  readPages: ReadPages,
  deps: WatcherDeps,
  follower?: Follower<JointUpdate>,
): Observable<JointUpdate> {
  return defer(() => {
    const spans = ranges.map(spanOf);
    const cover = coverOf(spans);
    let current: readonly Part[] | undefined;
    const statesOf = (parts: readonly Part[]) => parts.map(({ state }) => state);

    return listAndWatch<ListedParts, JointUpdate>(
      {
        target: toWatchTarget(rangeOf(cover)),
        follower,
        list: () => listRanges(ranges, readPages),
        begin: ({ parts, revision }) => {
          const before = current;
          if (before === undefined) {
            current = parts;
            return of({ type: 'snapshot', revision, states: statesOf(parts) });
          }
          return forkJoin(parts.map((part, index) => keptIfEqual(before[index], part, revision))).pipe(
            map((kept): JointUpdate => {
              current = kept;
              return { type: 'resync', revision, states: statesOf(kept) };
            }),
          );
        },
        change: ({ revision, events }) => {
          const keys = events.map(({ kv }) => binaryKey(kv.keyBytes));
          const next = current?.map((part, index) => {
            const span = spans[index];
            const own = events.filter((_, at) => span !== undefined && holds(span, keys[at] ?? ''));
            return own.length === 0 ? part : partOf(part.entries.apply(own).entries);
          });
          if (next === undefined || next.every((part, index) => part === current?.[index])) return undefined;
          current = next;
          return { type: 'change', revision, states: statesOf(next) };
        },
      },
      deps,
    ).pipe(
      catchError((error: unknown) => {
        // If a list is rejected, the error concerns one of the given ranges, and needs no explanation.
        const isOfCover = ranges.length > 1 && hasReason(error, 'PermissionDenied') && error.rpc === 'Watch.Watch';
        return throwError(() => (isOfCover ? coverDenied(cover, deps.within !== undefined, error) : error));
      }),
    );
  });
}

/** Returns the error for the smallest range that contains all ranges, if the user may not read it. */
function coverDenied({ from, to }: Span, inNamespace: boolean, cause: EtcdError): EtcdError {
  const text = (key: string): string => JSON.stringify(toText(keyBytes(key)));
  const cover = `from ${text(from)} ${to === undefined ? 'on' : `up to ${text(to)}`}${inNamespace ? ' of the namespace' : ''}`;
  const remedy = 'grant read permission on these keys to one of the roles of the user, or choose ranges that are adjacent';
  return new EtcdError(
    'PermissionDenied',
    `several ranges cannot be followed together: the user has no permission to read all keys ${cover}; ${remedy}`,
    {
      rpc: cause.rpc,
      endpoint: cause.endpoint,
      cause,
    },
  );
}

/** Lists ranges at one revision: the revision of the first list. */
function listRanges(ranges: readonly Range[], readPages: ReadPages): Observable<ListedParts> {
  const [first, ...others] = ranges;
  if (first === undefined) throw new TypeError('there is no range to list');
  return listRange(first, readPages).pipe(
    switchMap((listed) => forkJoin([of(listed), ...others.map((range) => listRange(range, readPages, listed.revision))])),
    map((all) => ({ revision: all[0].revision, knownChange: newestOf(all), parts: all.map(({ entries }) => partOf(entries)) })),
  );
}

function newestOf(all: readonly ListedRange[]): KnownChange | undefined {
  return all.reduce<KnownChange | undefined>(
    (newest, { knownChange }) => ((knownChange?.revision ?? 0) > (newest?.revision ?? 0) ? knownChange : newest),
    undefined,
  );
}

const partOf = (entries: LiveEntries): Part => ({ entries, state: entries.snapshot });

/** Emits the old part if a new list shows that the part did not change. */
function keptIfEqual(before: Part | undefined, listed: Part, revision: number): Observable<Part> {
  if (before === undefined) return of(listed);
  return inSlices(() => before.entries.changesTo(listed.entries, revision)).pipe(
    map((changes) => (changes.length === 0 ? before : listed)),
  );
}

/** Returns the smallest span that contains all given spans. */
export function coverOf(spans: readonly Span[]): Span {
  return spans.reduce((cover, span) => ({
    from: span.from < cover.from ? span.from : cover.from,
    to: cover.to === undefined || span.to === undefined ? undefined : span.to > cover.to ? span.to : cover.to,
  }));
}
