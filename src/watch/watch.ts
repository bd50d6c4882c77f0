import { defer, map, take, takeUntil, timeout, throwError, type Observable, type Observer } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import { checkOptions, LONGEST_MS, MILLISECONDS, WHOLE, type OptionKinds } from '../model/validate.js';
import { orClosed } from '../model/closed.js';
import type { Range } from '../model/range.js';
import type { WatchBatch } from '../model/watchBatch.js';
import type { WatchEvent } from '../model/watchEvent.js';
import { EventsOf } from './eventsOf.js';
import { Listenable, type Company } from './lightObservable.js';
import { targetOf, WATCH_FILTER, type WatchFilter, type WatchTarget } from './messages.js';
import { SharedWatches } from './sharedWatches.js';
import { storeRevision, StoreRevision } from './revisionReader.js';
import { Watcher } from './watcher.js';
import { watchFrom } from './watchFrom.js';
import { after, type WatcherMeans, type WatchStart } from './watcherMeans.js';

/** What a watch is to report, and from where on. */
export interface WatchOptions extends WatchFilter {
  /**
   * The first revision to report: what happened since is replayed, to each subscriber anew. `Compacted` where it is gone. Without it a watch
   * reports what comes after it was subscribed to.
   */
  readonly startRevision?: number;
}

/** What a single event is waited for with. */
export interface WatchOnceOptions extends WatchOptions {
  /** How long, in milliseconds, before it errors with `DeadlineExceeded`; by default as long as it takes. */
  readonly timeoutMs?: number;
}

/** The watches of a client. */
export interface Watches {
  /**
   * The changes of a range, as they happen (`Watch.Watch`). Hot: all who watch the same range with the same options share one watch of the server,
   * which ends a little after the last has left. It goes on by itself through cuts, restarts and expired tokens, and neither skips nor
   * repeats a change. It errors only where going on would be a lie: `CompactedError`, `PermissionDenied`, `FutureRev` where the store was
   * wiped or restored, `ClusterIDMismatch` where it is another's; `ResponseTooLarge` where an old server cannot replay so much.
   *
   * ```ts
   * etcd.watch({ prefix: 'app/' }).subscribe(({ type, kv }) => console.log(type, kv.key));
   * ```
   */
  watch(range: Range, options?: WatchOptions): Observable<WatchEvent>;

  /**
   * As {@link Watches.watch}, in the units that etcd promises: all events of a revision together, and bookmarks. The first is a bookmark that says
   * from where on the watch sees everything.
   */
  watchBatches(range: Range, options?: WatchOptions): Observable<WatchBatch>;

  /** The next change of a range, and no more. */
  watchOnce(range: Range, options?: WatchOnceOptions): Observable<WatchEvent>;
}

/** The watches of a client over its streams. */
export function watches(means: WatcherMeans, closed: Observable<void>, graceMs: number): Watches {
  const revision = new StoreRevision((target) => storeRevision(means.caller, target));
  const now = (target: WatchTarget): Observable<WatchStart> => revision.of(target).pipe(map(after));
  const shared = new SharedWatches((target) => new Watcher(target, now, means), closed, graceMs);

  const joinBatches = (target: WatchTarget, startRevision: number | undefined, member: Observer<WatchBatch>): Company<WatchBatch> => {
    if (startRevision === undefined) return shared.join(target, member);
    const own = watchFrom(target, { next: startRevision, seen: 0 }, means).pipe(takeUntil(closed)).subscribe(member);
    return { leave: () => own.unsubscribe() };
  };

  const watch: Watches['watch'] = (range, options = {}) =>
    new Listenable((member) => {
      const { startRevision } = checkOptions('watch', options, WATCH);
      const target = targetOf(range, options);
      return new EventsOf(member, (events) => joinBatches(target, startRevision, events));
    });

  return {
    watch,
    watchBatches: (range, options = {}) =>
      new Listenable((member) => {
        const { startRevision } = checkOptions('watchBatches', options, WATCH);
        return joinBatches(targetOf(range, options), startRevision, member);
      }),
    watchOnce: (range, options = {}) =>
      defer(() => {
        const { timeoutMs = Infinity, ...rest } = checkOptions('watchOnce', options, WATCH_ONCE);
        const once = watch(range, rest).pipe(take(1), orClosed());
        if (timeoutMs > LONGEST_MS) return once;
        return once.pipe(
          timeout({
            first: timeoutMs,
            with: () =>
              throwError(() => new EtcdError('DeadlineExceeded', `nothing changed within ${timeoutMs} ms`, { rpc: 'Watch.Watch' })),
          }),
        );
      }),
  };
}

const WATCH: OptionKinds<WatchOptions> = { ...WATCH_FILTER, startRevision: WHOLE };
const WATCH_ONCE: OptionKinds<WatchOnceOptions> = { ...WATCH, timeoutMs: MILLISECONDS };
