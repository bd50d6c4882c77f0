import { defer, identity, map, Observable, type Subscriber } from 'rxjs';
import { kvRpcs } from '../../codec/kv.js';
import type { Range } from '../../model/range.js';
import { checkOptions, FROM_ZERO, type OptionKinds } from '../../model/validate.js';
import type { Caller } from '../../transport/call.js';
import { listAndWatch, listKeys, type ListedKeys, type ReadPages } from '../live/listAndWatch.js';
import { toWatchTarget, type WatchTarget } from '../messages.js';
import { RefCountedMap } from '../refCounted.js';
import { rangeIdentity } from '../watch.js';
import type { WatchesDeps } from '../watcher.js';
import type { Cache, CacheOptions } from './cache.js';
import { RangeCache } from './rangeCache.js';
import type { PositionRequests } from './readBarrier.js';
import { SortedKeys } from './sortedKeys.js';

const CACHE: OptionKinds<CacheOptions> = { historyEvents: FROM_ZERO };

const DEFAULT_HISTORY_EVENTS = 1_000;

/** The dependencies of caches, in addition to those of watches. */
export interface CachesDeps {
  readonly readPages: ReadPages;
  readonly closed: Observable<void>;
  readonly lingerMs: number;
  /** The longest time of a linearizable read, in milliseconds. */
  readonly requestTimeoutMs: number;
}

/**
 * Creates caches over the watches of a client. Subscribers with the same range and the same `historyEvents` share one
 * cache.
 */
export function heldCaches(deps: WatchesDeps, { readPages, closed, lingerMs, requestTimeoutMs }: CachesDeps) {
  const shared = new RefCountedMap<Cache>(closed, { lingerMs, replay: { keep: identity, toFirst: identity } });

  return (range: Range, options: CacheOptions): Observable<Cache> =>
    defer(() => {
      const { historyEvents = DEFAULT_HISTORY_EVENTS } = checkOptions('cache', options, CACHE);
      const target = toWatchTarget(range);
      const requests = positionRequests(deps.caller, target);
      return shared.of(`${rangeIdentity(target)} ${historyEvents}`, () =>
        holdCache(new RangeCache(target, { historyEvents, requests, requestTimeoutMs }), closed, (cache) =>
          listAndWatch<ListedKeys<SortedKeys>, RangeCache>(
            {
              target,
              list: () => listKeys(() => SortedKeys.collect(), range, readPages),
              begin: (listed) => cache.takeOver(listed),
              change: (batch) => {
                cache.apply(batch);
                return undefined;
              },
              progress: (revision) => cache.progress(revision),
            },
            deps,
          ),
        ),
      );
    });
}

/** Emits the handle of a cache when its range has been listed, and ends the cache on unsubscription. */
function holdCache(cache: RangeCache, closed: Observable<void>, follow: (cache: RangeCache) => Observable<RangeCache>): Observable<Cache> {
  return new Observable((subscriber: Subscriber<Cache>) => {
    let isListed = false;
    subscriber.add(() => cache.release(hasFired(closed)));
    subscriber.add(
      follow(cache).subscribe({
        next: () => {
          if (!isListed) subscriber.next(cache.handle);
          isListed = true;
        },
        error: (error: unknown) => {
          cache.fail(error);
          subscriber.error(error);
        },
      }),
    );
  });
}

/** Returns whether an Observable that replays its value has emitted the value. */
function hasFired(source: Observable<void>): boolean {
  let fired = false;
  const note = (): void => void (fired = true);
  source.subscribe({ next: note, error: note }).unsubscribe();
  return fired;
}

/** Creates the linearizable requests for the revision of the store. */
function positionRequests(caller: Caller, { key, rangeEnd }: WatchTarget): PositionRequests {
  const keys = rangeEnd === undefined ? { key } : { key, rangeEnd };
  return {
    // The request counts one key, as counting a large range takes longer. A user who may read the range may also read
    // its first key.
    revision: caller.unary(kvRpcs.range, { key, countOnly: true }).pipe(map(({ header }) => header)),
    summary: caller.unary(kvRpcs.range, { ...keys, limit: 1, sortTarget: 'MOD', sortOrder: 'DESCEND', keysOnly: true }).pipe(
      map(({ header: { clusterId, revision }, count, kvs }) => ({
        clusterId,
        revision,
        keys: { count, newestChange: kvs[0]?.modRevision ?? 0 },
      })),
    ),
  };
}
