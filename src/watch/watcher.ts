import {
  catchError,
  concatMap,
  defer,
  delayWhen,
  map,
  mergeMap,
  of,
  retry,
  switchMap,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { hasReason, isEtcdError } from '../errors/index.js';
import { progress, type WatchBatch } from '../model/watchBatch.js';
import { Backoff } from '../transport/backoff.js';
import type { Caller } from '../transport/call.js';
import type { WatchConnections } from './connections.js';
import type { ConnectionSettings } from './settings.js';
import { Cursor, type WatchNews } from './cursor.js';
import { isTransient, persistently } from './passing.js';
import type { WatchTarget } from './request.js';
import { StoreIdentity } from './storeIdentity.js';
import { storeRevision } from './storeRevision.js';
import { StreamLost } from './streamLost.js';

/** So many times in a row a watch may be denied for a token that was forgotten meanwhile, though the read of its range was not. */
const MOST_DENIALS = 5;

/** Where a watch begins. */
export interface WatchStart {
  /** The first revision to report. */
  readonly next: number;
  /** The highest revision that the store is known to have had; 0 where that is not known. */
  readonly seen: number;
}

/** Right behind a revision that the store has. */
export const after = (seen: number): WatchStart => ({ next: seen + 1, seen });

/** What a watch is made with. */
export interface WatcherMeans {
  readonly caller: Caller;
  readonly connections: Pick<WatchConnections, 'stream' | 'track' | 'state' | 'troubled'>;
  readonly settings: ConnectionSettings;
}

/**
 * One watch, from its start revision on, through whatever happens to the streams that carry it: whole revisions in their order, none left out and none
 * twice. Its first batch is a bookmark: from the revision after it on, everything will come. It errors only where no resuming helps.
 *
 * @param start tells where to begin; asked when the watch begins, until it has an answer
 */
export function watchFrom(
  target: WatchTarget,
  start: Observable<WatchStart>,
  { caller, connections, settings }: WatcherMeans,
): Observable<WatchBatch> {
  const watching = defer(() => {
    let cursor: Cursor | undefined;
    const store = new StoreIdentity(defer(() => persistently(storeRevision(caller, target), settings)));
    let begun = false;
    /** So many creates were refused since the last that was not. */
    let refusals = 0;
    let created = false;
    const backoff = new Backoff(settings.initialBackoffMs, settings.maxBackoffMs);

    // Without a revision to come back to, a cut before the first event would lose what happens meanwhile.
    const place = (): Observable<Cursor> =>
      cursor === undefined
        ? persistently(start, settings, connections.troubled).pipe(
            map(({ next, seen }) => {
              store.saw(seen);
              return (cursor = new Cursor(next));
            }),
          )
        : of(cursor);

    /** etcd 3.3 takes an expired token for one that lacks the permission. A read of the same gets a new one if that is so, and else is refused as well. */
    const refreshToken = (refusal: unknown): Observable<unknown> =>
      persistently(storeRevision(caller, target), settings).pipe(
        catchError((error: unknown) => (hasReason(error, 'PermissionDenied') ? throwError(() => refusal) : of(undefined))),
        delayWhen(() => timer(backoff.next())),
      );

    const begin = (at: Cursor): WatchBatch[] => {
      created = true;
      refusals = 0;
      if (begun) return [];
      begun = true;
      return [progress(at.next - 1)];
    };

    const accept = (at: Cursor, news: WatchNews): WatchBatch[] => {
      const batches = at.accept(news);
      const last = batches.at(-1);
      if (last !== undefined) store.saw(last.revision);
      return batches;
    };

    return defer(place).pipe(
      switchMap((at) => {
        at.restart();
        created = false;
        return connections.stream().pipe(
          switchMap((stream) => stream.watch(target, at.next)),
          tap(() => backoff.reset()),
          concatMap((report) => (report.type === 'created' ? store.check(report).pipe(mergeMap(() => begin(at))) : accept(at, report))),
        );
      }),
      retry({
        delay: (failure: unknown) => {
          // The pause before another stream is the connection's to make.
          if (failure instanceof StreamLost) return failure.again ? of(undefined) : throwError(() => failure.error);
          if (hasReason(failure, 'PermissionDenied') && !created && ++refusals < MOST_DENIALS) return refreshToken(failure);
          // A token that a call was refused for has been tried anew there; one that a stream was refused for is a StreamLost.
          return isEtcdError(failure) && isTransient(failure) ? timer(backoff.next()) : throwError(() => failure);
        },
      }),
    );
  });
  return connections.track(watching);
}
