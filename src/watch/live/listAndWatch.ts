import { defer, map, Observable, type Observer, Subscription, asyncScheduler, concatMap, last, type Unsubscribable } from 'rxjs';
import { hasReason, type EtcdError } from '../../errors/index.js';
import type { EventsBatch, WatchBatch } from '../../model/events.js';
import { type Backoff, monotonicNow } from '../../util/time.js';
import { LightObservable } from '../../util/lightObservable.js';
import type { ClusterId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import { after, type KnownChange } from '../cursor.js';
import type { WatchTarget } from '../messages.js';
import { retryTransient, streamBackoff } from '../retryable.js';
import { watcherAt, type WatcherDeps } from '../watcher.js';

/** The state of some keys, as they were listed at one revision. */
export interface Listed {
  readonly revision: number;
  /** The newest change among the keys that were listed. */
  readonly knownChange: KnownChange | undefined;
}

/** The keys to follow, and the functions that list them and apply changes. */
export interface FollowSteps<L extends Listed, U> {
  readonly target: WatchTarget;
  readonly follower?: Follower<U> | undefined;
  /** Returns an Observable that lists the keys. It is called again if the history is lost. */
  list(): Observable<L>;
  /** Applies a list, and emits one update. */
  begin(listed: L): Observable<U>;
  /** Applies a later revision. Returns undefined if it concerns none of the keys. */
  change(batch: EventsBatch): U | undefined;
  /** Called with a revision when all changes up to it have arrived. */
  progress?(revision: number): void;
}

/** Receives everything that happens to followed keys. */
export interface Follower<U> {
  /** Called when a list is about to be requested. */
  listing(): void;
  /** Called with each update before it is emitted. */
  onUpdate(update: U): void;
  /** Called when the history is lost: the last update is out of date until the next list. */
  onLost(cause: EtcdError): void;
}

/**
 * Lists keys, and then watches them from the next revision on, so that no change is missed. If the history is lost, the
 * keys are listed again. RxJS's operators are used only until the keys are listed, as a program may have thousands of
 * live ranges.
 */
export const listAndWatch = <L extends Listed, U>(steps: FollowSteps<L, U>, deps: WatcherDeps): Observable<U> =>
  new LightObservable((observer) => {
    const { follower } = steps;
    const { streams, settings } = deps;
    /** The subscription to the list or to the watch, or the pause before the next list. */
    let current: Unsubscribable;
    let left = false;
    /** The backoff between lists. It is kept from the loss of the history until the next list has arrived. */
    let backoff: Backoff | undefined;

    const emit = (update: U): void => {
      follower?.onUpdate(update);
      observer.next(update);
    };

    /**
     * Lists again if the history is lost, and the current state can still be listed. If the list itself is too long,
     * another list would be too long as well. The list and the watch retry other temporary errors themselves.
     */
    const listAgain = (error: unknown, isListed = false): void => {
      const isHistoryLost =
        hasReason(error, 'Compacted') || (isListed && hasReason(error, 'ResponseTooLarge', 'FutureRev', 'ClusterIDMismatch'));
      if (!isHistoryLost) return observer.error(error);
      if (isListed) follower?.onLost(error);
      // The observer may have unsubscribed while the follower was notified.
      if (left) return;
      backoff ??= streamBackoff(settings);
      current = asyncScheduler.schedule(list, backoff.next());
    };

    const applier: Observer<WatchBatch> = {
      next: (batch) => {
        try {
          if (batch.type === 'progress') return steps.progress?.(batch.revision);
          const update = steps.change(batch);
          if (update !== undefined) emit(update);
        } catch (error) {
          observer.error(error);
        }
      },
      error: (error) => listAgain(error, true),
      complete: () => undefined,
    };

    const watch = ({ revision, knownChange }: L, update: U): void => {
      backoff = undefined;
      emit(update);
      if (left) return;
      const watcher = watcherAt(steps.target, { ...after(revision), knownChange }, deps);
      // `current` is set before the subscription, which may fail at once.
      current = watcher;
      watcher.subscribe(applier);
    };

    const list = (): void => {
      const listed$ = defer(() => {
        follower?.listing();
        return steps.list();
      });
      // `current` is set before the subscription, as the observer may unsubscribe during it.
      const listing = (current = new Subscription());
      // The list may be the first call that finds no reachable endpoint. So its failures are shown in the state of the
      // connection.
      const tracked$ = streams.track(retryTransient(listed$, settings, streams.reportRetry));
      listing.add(
        tracked$
          .pipe(concatMap((listed) => steps.begin(listed).pipe(map((update) => watch(listed, update)))))
          .subscribe({ error: listAgain }),
      );
    };

    list();
    return {
      detach: () => {
        left = true;
        current.unsubscribe();
      },
    };
  });

/** Reads a range page by page, at the current revision or at an earlier one. */
export type ReadPages = (range: Range, revision?: number) => Observable<RangeResponse>;

/** Collects the key-values of a list, page by page. */
export interface Collector<T> {
  add(kvs: Iterable<KeyValue>): Steps<void>;
  done(): T;
}

/** A range as it was listed. */
export interface ListedKeys<T> extends Listed {
  readonly entries: T;
  /** The cluster that sent the list. */
  readonly clusterId: ClusterId;
}

/** Lists a range, at the current revision or at an earlier one. */
export function listKeys<T>(collect: () => Collector<T>, range: Range, readPages: ReadPages, at?: number): Observable<ListedKeys<T>> {
  // The collected state belongs to one subscription, so a list that is retried begins with an empty state.
  return defer(() => {
    const gathered = collect();
    let revision = at ?? 0;
    let newest: KeyValue | undefined;
    return readPages(range, at).pipe(
      // The next page is requested before this page is collected, so that the server and the client work at the same
      // time.
      concatMap((page) => {
        // All pages show the revision in the header of the first page. Later headers have the revision that the store
        // has at that time.
        revision ||= page.header.revision;
        for (const kv of page.kvs) if (newest === undefined || kv.modRevision > newest.modRevision) newest = kv;
        return inSlices(() => gathered.add(page.kvs)).pipe(map(() => page.header.clusterId));
      }),
      last(),
      map((clusterId) => ({
        entries: gathered.done(),
        revision,
        clusterId,
        knownChange: newest && { key64: newest.keyBase64, revision: newest.modRevision, deleted: false },
      })),
    );
  });
}

/**
 * The maximum number of steps in one turn of the event loop; together they take some milliseconds. The other steps wait
 * for the next turn.
 */
const SLICE = 4_096;
/**
 * The longest time of the steps in one turn, in milliseconds. While V8 marks a large heap, each step may take much
 * longer.
 */
const SLICE_MS = 10;
/** The number of steps between two checks of the time. */
const CHECKED_STEPS = 8;

/** Work that is divided into steps. It yields after each step, and finally returns a result. */
export type Steps<T> = Generator<void, T, void>;

/** Runs divided work in slices, so that the event loop can do other work between them. Emits the result. */
export function inSlices<T>(work: () => Steps<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const steps = work();
    return asyncScheduler.schedule(function () {
      let step: IteratorResult<void, T> | undefined;
      const end = monotonicNow() + SLICE_MS;
      try {
        for (let count = 1; step?.done !== true && count <= SLICE; count++) {
          step = steps.next();
          if (count % CHECKED_STEPS === 0 && monotonicNow() > end) break;
        }
      } catch (error) {
        return subscriber.error(error);
      }
      if (step?.done !== true) return void this.schedule();
      subscriber.next(step.value);
      subscriber.complete();
    });
  });
}
