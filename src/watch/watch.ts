import { readRevision, RevisionReader, toWatchTarget, WATCH_FILTER, type WatchFilter, type WatchTarget } from './messages.js';
import { defer, filter, mergeMap, type Observable, type Observer, take, takeUntil, throwError, timeout } from 'rxjs';
import { toBase64 } from '../model/bytes.js';
import { type KeyRange, prefixEnd, type Range } from '../model/range.js';
import { progress, type WatchBatch, type WatchEvent } from '../model/events.js';
import { type Detachable, LightObservable, RefCountedMap } from './refCounted.js';
import { EtcdError } from '../errors/index.js';
import { checkOptions, FUNCTION, LONGEST_MS, MILLISECONDS, WHOLE, type OptionKinds } from '../model/validate.js';
import { orClosed } from '../util/rx.js';
import { retryTransient } from './retryable.js';
import { after, type PendingStart } from './cursor.js';
import { observeWatcher, Watcher, type WatchesDeps } from './watcher.js';

/** Options for the content and the start of a watch. */
export interface WatchOptions extends WatchFilter {
  /**
   * The first revision to report. The history from there on is replayed, to each subscriber separately; the watch
   * errors with `Compacted` if that history is gone. Without this option a watch reports changes from its subscription
   * on.
   *
   * Before etcd 3.5.16 a watch from exactly the compacted revision on lacks the deletes of that revision.
   */
  readonly startRevision?: number;
  /**
   * Called once, when the server has confirmed the watch. The watch reports every change after this revision, by any
   * client. A subscriber that joins a shared watch may be called at once. An error that the function throws ends the
   * watch.
   *
   * ```ts
   * etcd.watch('color', { onStart: () => thirdParty.setColor() }).subscribe(({ kv }) => console.log(kv.value));
   * ```
   */
  readonly onStart?: (revision: number) => void;
}

/** Options for waiting for a single event. */
export interface WatchOnceOptions extends WatchOptions {
  /** The time in milliseconds after which it errors with `DeadlineExceeded`; by default there is no limit. */
  readonly timeoutMs?: number;
  /** Tells which event to wait for; by default the first one. An error that it throws is passed on. */
  readonly filter?: (event: WatchEvent) => boolean;
}

/** Creates the watches of a client over its streams. */
export function watches(deps: WatchesDeps, closed: Observable<void>, lingerMs: number) {
  const { caller, writes, settings, streams } = deps;
  // The request that many watches share is retried, not the wait of each: most of them never fail.
  const revision = new RevisionReader((target) => retryTransient(readRevision(caller, target), settings, streams.reportRetry));
  const startNow = (target: WatchTarget): PendingStart => writes.startOf(target, () => revision.of(target));
  /** The server watches, one for each range and filter. A late observer begins with a progress notification. */
  const shared = new RefCountedMap<WatchBatch, number>(closed, {
    lingerMs,
    replay: { keep: ({ revision: last }) => last, toFirst: progress },
  });

  const attachFrom = (target: WatchTarget, startRevision: number | undefined, observer: Observer<WatchBatch>): Detachable<WatchBatch> => {
    if (startRevision === undefined) return shared.attach(identityOf(target), () => new Watcher(target, startNow, deps), observer);
    const own = observeWatcher(target, { next: startRevision, seen: 0 }, deps).pipe(takeUntil(closed)).subscribe(observer);
    return { detach: () => own.unsubscribe() };
  };

  const attach = (
    target: WatchTarget,
    { startRevision, onStart }: WatchOptions,
    observer: Observer<WatchBatch>,
  ): Detachable<WatchBatch> => {
    // Most subscribers have no `onStart`, and need no extra object.
    if (onStart === undefined) return attachFrom(target, startRevision, observer);
    const notified = callOnStart(observer, onStart);
    const source = attachFrom(target, startRevision, notified);
    return { detach: () => source.detach(notified) };
  };

  const watch = (range: Range, options: WatchOptions = {}): Observable<WatchEvent> =>
    new LightObservable((observer) => {
      const checked = checkOptions('watch', options, WATCH);
      const target = toWatchTarget(range, options);
      return new BatchFlattener(observer, (batches) => attach(target, checked, batches));
    });

  return {
    watch,
    watchBatches: (range: Range, options: WatchOptions = {}): Observable<WatchBatch> =>
      new LightObservable((observer) => {
        const checked = checkOptions('watchBatches', options, WATCH);
        return attach(toWatchTarget(range, options), checked, observer);
      }),
    watchOnce: (range: Range, options: WatchOnceOptions = {}): Observable<WatchEvent> =>
      defer(() => {
        const { timeoutMs = Infinity, filter: isWanted = () => true, ...rest } = checkOptions('watchOnce', options, WATCH_ONCE);
        const once = watch(range, rest).pipe(
          filter((event) => isWanted(event)),
          take(1),
          orClosed(),
        );
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

/** Reports the events of a range after a revision at which it was read. */
export type WatchAfter = (range: Range, revision: number, filter?: WatchFilter) => Observable<WatchEvent>;

/** Creates the function for watches that follow a read. */
export const watchesAfterReads =
  (deps: WatchesDeps, closed: Observable<void>): WatchAfter =>
  (range, revision, options) =>
    observeWatcher(toWatchTarget(range, options), after(revision), deps).pipe(
      mergeMap(({ events }) => events),
      takeUntil(closed),
    );

/** Calls `onStart` with the revision of the first batch, the progress notification with which a watch begins. */
function callOnStart(observer: Observer<WatchBatch>, onStart: (revision: number) => void): Observer<WatchBatch> {
  let started = false;
  return {
    next: (batch) => {
      try {
        if (!started) onStart(batch.revision);
      } catch (error) {
        return observer.error(error);
      } finally {
        started = true;
      }
      observer.next(batch);
    },
    error: (error) => observer.error(error),
    complete: () => observer.complete(),
  };
}

/** Passes the events of batches to an observer one by one. */
class BatchFlattener implements Observer<WatchBatch>, Detachable<WatchEvent> {
  private readonly batches: Detachable<WatchBatch>;

  constructor(
    private readonly observer: Observer<WatchEvent>,
    attach: (batches: Observer<WatchBatch>) => Detachable<WatchBatch>,
  ) {
    this.batches = attach(this);
  }

  next({ events }: WatchBatch): void {
    for (const event of events) this.observer.next(event);
  }

  error(error: unknown): void {
    this.observer.error(error);
  }

  complete(): void {
    this.observer.complete();
  }

  detach(): void {
    this.batches.detach(this);
  }
}

const WATCH: OptionKinds<WatchOptions> = { ...WATCH_FILTER, onStart: FUNCTION, startRevision: WHOLE };
const WATCH_ONCE: OptionKinds<WatchOnceOptions> = { ...WATCH, timeoutMs: MILLISECONDS, filter: FUNCTION };

/** Returns a string that only equal targets share. */
function identityOf(target: WatchTarget): string {
  const filters = Object.entries(target.filter).flatMap(([name, set]) => (set === true ? [name] : []));
  return [rangeIdentity(target), ...filters].join(' ');
}

/**
 * Returns a string that only equal ranges share. For a prefix, as most ranges are, it is short: each watch holds it as
 * long as it lives.
 */
export function rangeIdentity({ key, rangeEnd = '' }: KeyRange): string {
  const [from, to] = [toBase64(key), toBase64(rangeEnd)];
  return [from, to === toBase64(prefixEnd(key)) ? '*' : to].join(' ');
}
