import { defer, filter, map, Observable } from 'rxjs';
import { hasReason } from '../../errors/index.js';
import type { EventsBatch } from '../../model/events.js';
import { Backoff, retryAfter } from '../../util/time.js';
import { handOver } from '../../util/rx.js';
import { after, type KnownChange } from '../cursor.js';
import type { WatchTarget } from '../messages.js';
import { retryTransient } from '../retryable.js';
import { observeWatcher, type WatcherDeps } from '../watcher.js';

/** The present state of some keys, as it was listed at one revision. */
export interface Listed {
  readonly revision: number;
  /** The newest change among the keys that were listed. */
  readonly knownChange: KnownChange | undefined;
}

/** The steps of following keys. */
export interface FollowSteps<L extends Listed, U> {
  /** Lists the keys. It is subscribed to again if the history is lost. */
  readonly list: Observable<L>;
  /** Takes a list over, and emits one update. */
  readonly begin: (listed: L) => Observable<U>;
  /** Applies a later revision. Returns undefined if it concerns none of the keys. */
  readonly change: (batch: EventsBatch) => U | undefined;
  /** Called with a revision up to which all changes have come. */
  readonly progress?: (revision: number) => void;
}

/**
 * Lists keys, and then watches them from the next revision on, so that no change is missed. If the history is lost,
 * they are listed again.
 */
export function listAndWatch<L extends Listed, U>(
  target: WatchTarget,
  { list, begin, change, progress }: FollowSteps<L, U>,
  deps: WatcherDeps,
): Observable<U> {
  return defer(() => {
    let following = false;
    const backoff = new Backoff(deps.settings.initialBackoffMs, deps.settings.maxBackoffMs);

    const follow = ({ revision, knownChange }: Listed): Observable<U> =>
      observeWatcher(target, { ...after(revision), knownChange }, deps).pipe(
        map((batch) => {
          if (batch.type === 'events') return change(batch);
          progress?.(batch.revision);
          return undefined;
        }),
        filter((update) => update !== undefined),
      );

    const listing = defer(() => {
      following = false;
      // This list may be the first call to find that no endpoint can be reached.
      return deps.streams.track(retryTransient(list, deps.settings, deps.streams.reportRetry));
    });

    /**
     * Returns whether the history is lost while the present state can still be listed. A list that is itself too long
     * stays so.
     */
    const isHistoryLost = (error: unknown): boolean =>
      hasReason(error, 'Compacted') || (following && hasReason(error, 'ResponseTooLarge', 'FutureRev', 'ClusterIDMismatch'));

    const run = (listed: L): Observable<U> => {
      backoff.reset();
      following = true;
      return handOver(
        begin(listed),
        (update) =>
          new Observable((subscriber) => {
            subscriber.next(update);
            if (!subscriber.closed) follow(listed).subscribe(subscriber);
          }),
      );
    };

    return handOver(listing, run).pipe(
      // The history was lost during the list, or while the watch was disconnected. Other errors that may pass are
      // retried within the list and the watch.
      retryAfter((error) => (isHistoryLost(error) ? backoff.next() : undefined)),
    );
  });
}
