import {
  asyncScheduler,
  concat,
  defer,
  filter,
  last,
  map,
  observeOn,
  of,
  retry,
  switchMap,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { hasReason } from '../../errors/index.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import type { WatchEvent } from '../../model/watchEvent.js';
import { Backoff } from '../../util/retry.js';
import { LiveEntries } from '../liveEntries.js';
import { persistently } from '../retryable.js';
import type { WatchTarget } from '../messages.js';
import { watchFrom } from '../watchFrom.js';
import { after, type WatcherMeans } from '../watcherMeans.js';

/** What a range holds, and how it came to. */
export interface LiveUpdate {
  /**
   * - `snapshot`: what was there when you came; `changes` is empty
   * - `change`: a revision; `changes` are its events
   * - `resync`: the history since the last update was compacted away, is more than an old server can send, or is that of another store (wiped, restored, replaced);
   *   `changes` are what must have happened, deletes included
   */
  readonly type: 'snapshot' | 'change' | 'resync';
  /** The state is the store's at this revision. */
  readonly revision: number;
  /** The keys with their values, by key. It never changes: keep it, compare it, hand it out. Keys that are not UTF-8 are under U+FFFD and their base64. */
  readonly state: ReadonlyMap<string, KeyValue>;
  /** What changed, each with what was there before. */
  readonly changes: readonly WatchEvent[];
}

/** Reads a range page by page. */
export type ReadPages = (range: Range) => Observable<RangeResponse>;

interface Loaded {
  readonly entries: LiveEntries;
  readonly revision: number;
}

/** A range listed and then watched from the next revision on, so that nothing falls between. */
export function liveUpdates(range: Range, target: WatchTarget, readPages: ReadPages, means: WatcherMeans): Observable<LiveUpdate> {
  return defer(() => {
    let current: LiveEntries | undefined;
    let following = false;
    const backoff = new Backoff(means.settings.initialBackoffMs, means.settings.maxBackoffMs);

    const begin = ({ entries, revision }: Loaded): LiveUpdate => {
      const before = current;
      current = entries;
      const state = entries.snapshot;
      return before === undefined
        ? { type: 'snapshot', revision, state, changes: [] }
        : { type: 'resync', revision, state, changes: before.changesTo(entries, revision) };
    };

    const follow = (from: Loaded): Observable<LiveUpdate> => {
      let { entries } = from;
      return watchFrom(target, after(from.revision), means).pipe(
        filter(({ type }) => type === 'events'),
        map(({ revision, events }): LiveUpdate => {
          const next = entries.apply(events);
          entries = current = next.entries;
          return { type: 'change', revision, state: entries.snapshot, changes: next.changes };
        }),
      );
    };

    const list = defer(() => {
      following = false;
      // It may be the first to find that there is nobody to ask.
      return means.connections.track(persistently(load(range, readPages), means.settings, means.connections.troubled));
    });

    /** What is there now can be listed where what happened since cannot be told. A list that is too long in itself stays so. */
    const isHistoryLost = (error: unknown): boolean =>
      hasReason(error, 'Compacted') || (following && hasReason(error, 'ResponseTooLarge', 'FutureRev', 'ClusterIDMismatch'));

    return list.pipe(
      switchMap((loaded) => {
        backoff.reset();
        following = true;
        return concat(of(begin(loaded)), follow(loaded));
      }),
      // While it was listed, or while it was away. All else that passes, passes within.
      retry({ delay: (error: unknown) => (isHistoryLost(error) ? timer(backoff.next()) : throwError(() => error)) }),
    );
  });
}

function load(range: Range, readPages: ReadPages): Observable<Loaded> {
  // All that is collected belongs to one subscription: a list that is read again begins with nothing.
  return defer(() => {
    const gathered = LiveEntries.gather();
    let revision = 0;
    return readPages(range).pipe(
      // The next page is asked for before this one is gathered: server and client work at the same time.
      observeOn(asyncScheduler),
      tap((page) => {
        // The first page's header has the revision that all pages show; those of the later ones are of their own time.
        if (revision === 0) revision = page.header.revision;
        gathered.add(page.kvs);
      }),
      last(),
      map(() => ({ entries: gathered.done(), revision })),
    );
  });
}
