import { defer, map, Observable, type Observer, type Subscriber, asyncScheduler, concatMap, last } from 'rxjs';
import { hasReason, type EtcdError } from '../../errors/index.js';
import type { EventsBatch, WatchBatch } from '../../model/events.js';
import { Backoff, retryAfter } from '../../util/time.js';
import { handOver } from '../../util/rx.js';
import type { ClusterId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';
import type { RangeResponse } from '../../model/responses.js';
import { after, type KnownChange } from '../cursor.js';
import type { WatchTarget } from '../messages.js';
import { retryTransient } from '../retryable.js';
import { watcherAt, type WatcherDeps } from '../watcher.js';

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
  /** Applies a list, and emits one update. */
  readonly begin: (listed: L) => Observable<U>;
  /** Applies a later revision. Returns undefined if it concerns none of the keys. */
  readonly change: (batch: EventsBatch) => U | undefined;
  /** Called with a revision up to which all changes have arrived. */
  readonly progress?: (revision: number) => void;
  /** Called when the history is lost: what was listed is out of date until the next list. */
  readonly lost?: ((cause: EtcdError) => void) | undefined;
}

/**
 * Lists keys, and then watches them from the next revision on, so that no change is missed. If the history is lost,
 * they are listed again.
 */
export function listAndWatch<L extends Listed, U>(target: WatchTarget, steps: FollowSteps<L, U>, deps: WatcherDeps): Observable<U> {
  return defer(() => {
    const { list, begin, lost } = steps;
    let following = false;
    const backoff = new Backoff(deps.settings.initialBackoffMs, deps.settings.maxBackoffMs);

    const follow = ({ revision, knownChange }: Listed): Observable<U> =>
      new Observable((subscriber) =>
        watcherAt(target, { ...after(revision), knownChange }, deps).subscribe(new BatchApplier(steps, subscriber)),
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
    const isHistoryLost = (error: unknown): error is EtcdError =>
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
      // The history was lost during the list, or while the watch was disconnected. Other temporary errors are retried
      // within the list and the watch.
      retryAfter((error) => {
        if (!isHistoryLost(error)) return undefined;
        if (following) lost?.(error);
        return backoff.next();
      }),
    );
  });
}

/** Applies the batches of a watch. It is one object, as a program may have thousands of live ranges. */
class BatchApplier<U> implements Observer<WatchBatch> {
  constructor(
    private readonly steps: Pick<FollowSteps<Listed, U>, 'change' | 'progress'>,
    private readonly subscriber: Subscriber<U>,
  ) {}

  next(batch: WatchBatch): void {
    try {
      if (batch.type === 'progress') return this.steps.progress?.(batch.revision);
      const update = this.steps.change(batch);
      if (update !== undefined) this.subscriber.next(update);
    } catch (error) {
      this.subscriber.error(error);
    }
  }

  error(error: unknown): void {
    this.subscriber.error(error);
  }

  complete(): void {
    this.subscriber.complete();
  }
}

/** Reads a range page by page, at the present revision or at an earlier one. */
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

/** Lists a range, at the present revision or at an earlier one. */
export function listKeys<T>(collect: () => Collector<T>, range: Range, readPages: ReadPages, at?: number): Observable<ListedKeys<T>> {
  // The collected state belongs to one subscription: a list that is read again begins with nothing.
  return defer(() => {
    const gathered = collect();
    let revision = at ?? 0;
    let newest: KeyValue | undefined;
    return readPages(range, at).pipe(
      // The next page is requested before this one is collected: server and client work at the same time.
      concatMap((page) => {
        // The header of the first page has the revision that all pages show. Later headers have the revision of their
        // time.
        if (revision === 0) revision = page.header.revision;
        for (const kv of page.kvs) if (newest === undefined || kv.modRevision > newest.modRevision) newest = kv;
        return inSlices(() => gathered.add(page.kvs)).pipe(map(() => page.header.clusterId));
      }),
      last(),
      map((clusterId) => ({ entries: gathered.done(), revision, clusterId, knownChange: newest && toKnownChange(newest) })),
    );
  });
}

const toKnownChange = ({ keyBase64, modRevision }: KeyValue): KnownChange => ({ key64: keyBase64, revision: modRevision, deleted: false });

/** The number of steps after which the rest waits for the next turn of the event loop: some milliseconds of work. */
const SLICE = 4_096;

/** Work that yields after each step, and returns its result. */
export type Steps<T> = Generator<void, T, void>;

/** Does long work in slices, so that the event loop gets its turns meanwhile. Emits the result. */
export function inSlices<T>(work: () => Steps<T>): Observable<T> {
  return new Observable<T>((subscriber) => {
    const steps = work();
    return asyncScheduler.schedule(function () {
      let step: IteratorResult<void, T> | undefined;
      try {
        for (let count = 0; count < SLICE && step?.done !== true; count++) step = steps.next();
      } catch (error) {
        return subscriber.error(error);
      }
      if (step?.done !== true) return void this.schedule();
      subscriber.next(step.value);
      subscriber.complete();
    });
  });
}
