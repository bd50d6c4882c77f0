import { readRevision, RevisionReader, toWatchTarget, WATCH_FILTER, type WatchFilter, type WatchTarget } from './messages.js';
import {
  catchError,
  defer,
  EMPTY,
  filter,
  finalize,
  map,
  type Observable,
  type Observer,
  of,
  Subscription,
  take,
  takeUntil,
  throwError,
  timeout,
} from 'rxjs';
import { toBase64 } from '../model/bytes.js';
import { type KeyRange, prefixEnd, type Range } from '../model/range.js';
import { lastRevision, progress, type WatchBatch, type WatchEvent } from '../model/events.js';
import { RefCountedMap, type StateObserver } from './refCounted.js';
import { EtcdError } from '../errors/index.js';
import { checkOptions, FUNCTION, LONGEST_MS, MILLISECONDS, WHOLE, type OptionKinds } from '../model/validate.js';
import { type Detachable, LightObservable } from '../util/lightObservable.js';
import { multicast, throwIfClosed, untilClosed } from '../util/rx.js';
import { CONNECTING, type Reconnecting, reconnecting, type WatchState } from './streams/connectionState.js';
import { StreamLostError } from './streams/streamManager.js';
import { retryTransient } from './retryable.js';
import type { PendingStart } from './cursor.js';
import { BatchFlattener, observeWatcher, Watcher, type WatchesDeps } from './watcher.js';

/** Options that select the events of a watch and its start. */
export interface WatchOptions extends WatchFilter {
  /**
   * The first revision to report. The server replays the history from this revision on for each subscriber separately.
   * The watch errors with `Compacted` if that history was compacted. Without this option a watch reports the changes
   * after its subscription.
   *
   * Before etcd 3.5.16, a watch that starts at exactly the compacted revision lacks the deletes of that revision.
   */
  readonly startRevision?: number;
  /**
   * Called once with a revision, when the server has confirmed the watch. The watch reports every change after this
   * revision, by any client. If the subscriber shares a watch that runs already, the function may be called at once. An
   * error that the function throws ends the watch.
   *
   * ```ts
   * etcd.watch('color', { onStart: () => thirdParty.setColor() }).subscribe(({ kv }) => console.log(kv.value));
   * ```
   */
  readonly onStart?: (revision: number) => void;
  /**
   * Called with the current state of this watch on subscription, and then with each new state. While the watch is
   * `reconnecting`, `cause` has the last failure. For the state of all watches of a client see `connection$`. An error
   * that the function throws ends the watch.
   *
   * ```ts
   * etcd.watch('color', { onState: ({ status }) => console.log(status) }).subscribe(({ kv }) => console.log(kv.value));
   * ```
   */
  readonly onState?: (state: WatchState) => void;
}

/** Options for waiting for a single event. */
export interface WatchOnceOptions extends WatchOptions {
  /**
   * The time in milliseconds after which the Observable errors with `DeadlineExceeded`; by default there is no limit.
   */
  readonly timeoutMs?: number;
  /**
   * Returns true for the event to wait for. By default, the first event is emitted. An error that the function throws
   * is passed on.
   */
  readonly filter?: (event: WatchEvent) => boolean;
}

/** Creates the watches of a client over its streams. */
export function watches(deps: WatchesDeps, closed: Observable<void>, lingerMs: number) {
  const { caller, writes, settings, streams } = deps;
  /** The failure of the request for the start revision of watches; undefined if it did not fail. */
  const startFailures = multicast<Reconnecting | undefined>({ replay: true });
  const onRetry = (cause: EtcdError, retryInMs: number): void => {
    streams.reportRetry(cause, retryInMs);
    startFailures.next(reconnecting(cause, retryInMs));
  };
  // The shared request is retried, instead of the wait of each watch. So most watches need no objects for retries.
  const revision = new RevisionReader((target) =>
    retryTransient(readRevision(caller, target), settings, onRetry).pipe(finalize(() => startFailures.next(undefined))),
  );
  const startNow = (target: WatchTarget): PendingStart => writes.startOf(target, () => revision.of(target));
  /**
   * The shared watches: one for each range and filter, without a start revision. A late observer first receives a
   * progress notification.
   */
  const shared = new RefCountedMap<WatchBatch, number, WatchState>(closed, {
    lingerMs,
    replay: { keep: lastRevision, toFirst: progress },
  });

  const attachFrom = (
    target: WatchTarget,
    startRevision: number | undefined,
    observer: StateObserver<WatchBatch, WatchState>,
  ): Detachable<WatchBatch> => {
    if (startRevision === undefined) return shared.attach(identityOf(target), () => new Watcher(target, startNow, deps), observer);
    const own = observeWatcher(target, { next: startRevision, seen: 0 }, deps, (state) => observer.onState?.(state))
      .pipe(takeUntil(closed))
      .subscribe(observer);
    return { detach: () => own.unsubscribe() };
  };

  const attach = (target: WatchTarget, options: WatchOptions, observer: Observer<WatchBatch>): Detachable<WatchBatch> => {
    const { startRevision, onStart, onState } = options;
    // Most subscribers pass neither function, and need no extra object.
    if (onStart === undefined && onState === undefined) return attachFrom(target, startRevision, observer);
    const from = (callbacks: WatchCallbacks): Detachable<WatchBatch> => attachFrom(target, startRevision, callbacks);
    return new WatchCallbacks(observer, options, from, startRevision === undefined ? startFailures : EMPTY);
  };

  const watch = (range: Range, options: WatchOptions = {}): Observable<WatchEvent> =>
    new LightObservable((observer) => {
      const checked = checkOptions('watch', options, WATCH);
      const target = toWatchTarget(range, options);
      return new BatchFlattener(observer, (batches) => attach(target, checked, batches));
    });

  const requestProgress = (): Observable<void> =>
    // If there is no watch, no stream is opened, as there is nothing to request.
    defer(() =>
      streams.stateNow.status === 'idle' ? of(undefined) : streams.stream().pipe(map((stream) => stream.requestProgress())),
    ).pipe(
      catchError((error: unknown) => {
        if (!(error instanceof StreamLostError)) return throwError(() => error);
        return error.again ? requestProgress() : throwError(() => error.error);
      }),
      take(1),
    );

  return {
    watch,
    requestProgress: () => requestProgress().pipe(untilClosed(closed)),
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
          throwIfClosed(),
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

/**
 * An observer that calls the functions in the options of a subscriber. It receives everything that the watch emits, and
 * passes it on to the subscriber.
 */
class WatchCallbacks implements StateObserver<WatchBatch, WatchState>, Detachable<WatchBatch> {
  private readonly source: Detachable<WatchBatch>;
  private readonly starting = new Subscription();
  private state: WatchState | undefined;
  private started = false;
  private ended = false;

  /** @param startFailures emits the reason why the start of watches cannot be found now */
  constructor(
    private readonly observer: Observer<WatchBatch>,
    private readonly options: Pick<WatchOptions, 'onStart' | 'onState'>,
    attach: (callbacks: WatchCallbacks) => Detachable<WatchBatch>,
    startFailures: Observable<Reconnecting | undefined>,
  ) {
    this.source = attach(this);
    if (options.onState === undefined) return;
    if (this.state === undefined) this.onState(CONNECTING);
    // Many watches share the request for the start revision. So a failure of the request is shown only by watches that
    // still wait for the revision.
    if (this.state === CONNECTING) {
      this.starting.add(startFailures.subscribe({ next: (state) => this.report(state), error: (error: unknown) => this.error(error) }));
    }
  }

  next(batch: WatchBatch): void {
    if (!this.started && !this.ended) {
      this.started = true;
      this.call(() => this.options.onStart?.(batch.revision));
    }
    if (!this.ended) this.observer.next(batch);
  }

  error(error: unknown): void {
    this.end();
    this.observer.error(error);
  }

  complete(): void {
    this.end();
    this.observer.complete();
  }

  onState(state: WatchState): void {
    this.state = state;
    if (state !== CONNECTING) this.starting.unsubscribe();
    this.report(state);
  }

  detach(): void {
    this.end();
    this.source.detach(this);
  }

  private report(state: WatchState | undefined): void {
    if (!this.ended && state !== undefined) this.call(() => this.options.onState?.(state));
  }

  private call(use: () => void): void {
    try {
      use();
    } catch (error) {
      this.error(error);
    }
  }

  private end(): void {
    this.ended = true;
    this.starting.unsubscribe();
  }
}

const WATCH: OptionKinds<WatchOptions> = { ...WATCH_FILTER, onStart: FUNCTION, onState: FUNCTION, startRevision: WHOLE };
const WATCH_ONCE: OptionKinds<WatchOnceOptions> = { ...WATCH, timeoutMs: MILLISECONDS, filter: FUNCTION };

/** Returns a string that identifies a target: equal targets have the same string. */
function identityOf(target: WatchTarget): string {
  const filters = Object.entries(target.filter).flatMap(([name, set]) => (set === true ? [name] : []));
  return [rangeIdentity(target), ...filters].join(' ');
}

/**
 * Returns a string that identifies a range. Most ranges are prefixes. Their strings are short, as each watch keeps its
 * string in memory.
 */
export function rangeIdentity({ key, rangeEnd = '' }: KeyRange): string {
  const [from, to] = [toBase64(key), toBase64(rangeEnd)];
  return [from, to === toBase64(prefixEnd(key)) ? '*' : to].join(' ');
}
