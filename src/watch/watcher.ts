import { readRevision, type CreatedWatch, type WatchMessage, type WatchStream, type WatchTarget } from './messages.js';
import type { Caller } from '../transport/call.js';
import type { WatchStreams } from './streams/duplexStream.js';
import type { ScopedOwnWrites } from './ownWrites/ownWrites.js';
import { type StreamTimeouts, retryTransient } from './retryable.js';
import { Resumption } from './resumption.js';
import {
  assertHasChange,
  assertSameCluster,
  type ClusterSnapshot,
  Cursor,
  type PendingStart,
  type ReadAt,
  UNKNOWN_CLUSTER,
  type WatchStart,
} from './cursor.js';
import { defer, Observable, type Observer, of, Subscription, switchMap, take, type Unsubscribable } from 'rxjs';
import { progress, type WatchBatch, type WatchEvent } from '../model/events.js';
import type { Detachable } from '../util/lightObservable.js';
import type { EtcdError } from '../errors/index.js';
import type { Diagnostics } from '../model/diagnostics.js';
import { NOWHERE, type Running, type Source, type StateObserver } from './refCounted.js';
import { CONNECTING, type WatchState } from './streams/connectionState.js';
import { StreamLostError } from './streams/streamManager.js';

/**
 * Runs one watch from its start revision on, over as many streams as necessary. It emits whole revisions in order, and
 * neither skips nor repeats one. The first batch is a progress notification: all changes after its revision will
 * follow. The watch errors only if resuming cannot help.
 *
 * A program may have thousands of watchers, most of which are idle. So a watcher is not a pipeline of operators: each
 * operator would need several objects for each watcher. A watcher uses Observables only while it waits for something.
 */
export class Watcher implements Source<WatchBatch, WatchState>, Running<WatchState>, Observer<WatchMessage> {
  /** The state of the watch: `connected` once the server has confirmed the watch on the current stream. */
  state = CONNECTING;
  private observer: StateObserver<WatchBatch, WatchState> | undefined;
  private cursor: Cursor | undefined;
  /** The cluster of the store that the watch has seen. */
  private cluster = UNKNOWN_CLUSTER;
  /** Whether the first batch was emitted. */
  private started = false;
  /** Created at the first failure that concerns this watch and not just its stream, as most watches have none. */
  private resumption: Resumption | undefined;
  /** The attempt on a stream, or the wait before the next attempt. */
  private current: Unsubscribable | undefined;
  /** The check that the store is still the same, and the messages that arrived during the check. */
  private pendingCheck: { readonly subscription: Subscription; readonly messages: WatchMessage[] } | undefined;

  /** @param start finds the start of the watch. It is called again after a failure, and released after a success */
  constructor(
    private readonly target: WatchTarget,
    private start: ((target: WatchTarget) => PendingStart) | undefined,
    readonly deps: WatcherDeps,
  ) {}

  /** Starts the watch. May be called only once. */
  subscribe(observer: StateObserver<WatchBatch, WatchState>): Running<WatchState> {
    this.observer = observer;
    this.deps.streams.retain();
    this.connect();
    return this;
  }

  unsubscribe(): void {
    if (this.observer === undefined) return;
    this.observer = undefined;
    this.disconnect();
    this.deps.streams.release();
  }

  next(message: WatchMessage): void {
    if (message.type === 'notification') this.resumption?.onNotification();
    if (this.pendingCheck !== undefined) this.pendingCheck.messages.push(message);
    else if (message.type === 'created') this.verifyCluster(message);
    else for (const batch of this.cursor?.accept(message) ?? []) this.observer?.next(batch);
  }

  error(failure: unknown): void {
    // A stream that breaks notifies its watches one by one. The reaction of one subscriber may have ended this watch.
    if (this.observer !== undefined) this.resumeOrFail(failure);
  }

  /** Does nothing, as a watch ends only by an error. */
  complete(): void {}

  /** Creates the watch on a stream. Called by the current attempt. */
  createOn(stream: WatchStream, startRevision: number): Unsubscribable {
    const { diagnostics } = this.deps;
    const next = this.cursor?.next;
    if (diagnostics?.active === true && this.started && startRevision === next)
      diagnostics.emit({ type: 'watchResumed', revision: startRevision });
    const fragment = next === (this.resumption?.tooLongAt ?? 0);
    return (this.deps.within?.(stream) ?? stream).watch(this.target, startRevision, fragment).subscribe(this);
  }

  /** Returns whether the attempt is the current one. Returns false if the watch has ended the attempt. */
  isOn(attempt: StreamAttempt): boolean {
    return this.current === attempt;
  }

  /**
   * Lets the watch resume or fail after it lost its stream, was rejected or ended by the server, or could not find its
   * start. The `StreamManager` has decided about a lost stream; `Resumption` decides in all other cases.
   */
  private resumeOrFail(failure: unknown): void {
    const wasConnected = this.isConnected;
    this.disconnect();
    if (failure instanceof StreamLostError) {
      const { error, state } = failure;
      if (state === undefined) this.fail(error);
      else this.resume(state, () => this.resumeOnNextStream(error));
      return;
    }
    const pause = this.createdResumption().pauseAfter(failure, wasConnected);
    if (pause === undefined) this.fail(failure);
    else this.resume(pause.state, () => this.connectAfter(pause.end));
  }

  private resume(state: WatchState, next: () => void): void {
    this.setState(state);
    // The subscriber may have unsubscribed when it received the state.
    if (this.observer !== undefined) next();
  }

  private setState(state: WatchState): void {
    if (this.state === state) return;
    this.state = state;
    this.observer?.onState?.(state);
  }

  private get isConnected(): boolean {
    return this.state.status === 'connected';
  }

  /** Resumes after a lost stream. The stream manager pauses before it opens the next one. */
  private resumeOnNextStream({ reason }: EtcdError): void {
    if (reason === 'ResponseTooLarge') this.createdResumption().tooLongAt = this.cursor?.next ?? 0;
    this.connect();
  }

  private createdResumption(): Resumption {
    return (this.resumption ??= new Resumption(this.deps.settings, () => this.currentRevision()));
  }

  private connect(): void {
    const { cursor } = this;
    if (cursor === undefined) return this.resolveStart();
    cursor.restart();
    this.attemptFrom(cursor.next);
  }

  private attemptFrom(startRevision: number): void {
    const attempt = new StreamAttempt(this, startRevision);
    this.current = attempt;
    this.deps.streams.attach(attempt);
  }

  /**
   * Creates the watch again, one revision earlier, if the watch that was created first may lack deletes. The history
   * may be compacted at exactly the start revision. In that case, the second watch is rejected as compacted. If it is
   * not rejected, the cursor drops the repeated revision. Other watches are not created one revision earlier: the
   * server delivers nothing to a watch of the past for up to 100 ms. Returns whether the watch was created again.
   */
  private createEarlier({ revision, lacksDeletes }: CreatedWatch): boolean {
    const { current, cursor, target } = this;
    if (!lacksDeletes || target.filter.noDelete === true || this.isConnected || cursor?.followsKnown !== true || revision < cursor.next)
      return false;
    if (!(current instanceof StreamAttempt) || current.startRevision < cursor.next) return false;
    // The new attempt begins before the old one ends, so that the stream always has a user.
    this.attemptFrom(cursor.next - 1);
    current.unsubscribe();
    return true;
  }

  /**
   * Finds the start of the watch. Without a start revision, a watch could not resume after the loss of a stream before
   * its first event. It would miss the changes until the next stream.
   */
  private resolveStart(): void {
    const onStart = ({ next, seen, knownChange }: WatchStart): void => {
      this.cursor = new Cursor(next, seen, knownChange);
      this.start = undefined;
      this.connect();
    };
    const pending = this.start?.(this.target);
    if (pending === undefined) return;
    const waiting = (this.current = new Subscription(() => pending.end()));
    this.deps.streams.pacer.run(() => {
      if (!waiting.closed) this.waitFor(pending.find(), { next: onStart, error: (error) => this.error(error) }, waiting);
    });
  }

  private connectAfter(pause: Observable<unknown>): void {
    this.waitFor(pause, { next: () => this.connect(), error: (error) => this.fail(error) });
  }

  private waitFor<T>(source: Observable<T>, observer: Pick<Observer<T>, 'next' | 'error'>, waiting = new Subscription()): void {
    // `current` is set before the subscription. The wait may end during the subscription, and another wait may then
    // replace this one.
    this.current = waiting;
    waiting.add(source.pipe(take(1)).subscribe(observer));
  }

  /** Checks that the new watch is on the same store as before. */
  private verifyCluster(now: CreatedWatch): void {
    if (this.createEarlier(now)) return;
    const seen = this.cursor?.seen ?? 0;
    if (this.cluster === UNKNOWN_CLUSTER) {
      this.cluster = now.clusterId;
      // A watch that starts has nothing to compare yet, unless the store is behind the revision that was seen.
      if (!this.started && now.revision >= seen) return this.markCreated(now);
    }
    const check = (this.pendingCheck = { subscription: new Subscription(), messages: [] as WatchMessage[] });
    const onVerified = (): void => {
      this.pendingCheck = undefined;
      this.markCreated(now);
      for (const message of check.messages) this.next(message);
    };
    const before = { clusterId: this.cluster, revision: seen };
    check.subscription.add(
      defer(() => this.assertSameStore(before, now)).subscribe({ next: onVerified, error: (error: unknown) => this.error(error) }),
    );
  }

  private assertSameStore(before: ClusterSnapshot, now: ClusterSnapshot): Observable<unknown> {
    const { readAt, settings } = this.deps;
    const knownChange = this.cursor?.knownChange;
    const sameCluster = assertSameCluster(before, now, this.currentRevision());
    // A watch that starts has not received a change that could be compared.
    if (!this.started || knownChange === undefined || readAt === undefined) return sameCluster;
    return sameCluster.pipe(switchMap(() => assertHasChange(knownChange, readAt, settings)));
  }

  private markCreated({ connected }: CreatedWatch): void {
    this.resumption?.onCreated();
    this.setState(connected);
    if (this.started || this.cursor === undefined) return;
    this.started = true;
    this.observer?.next(progress(this.cursor.next - 1));
  }

  private currentRevision(): Observable<number> {
    const { caller, settings } = this.deps;
    return retryTransient(
      defer(() => readRevision(caller, this.target)),
      settings,
    );
  }

  private disconnect(): void {
    const { current, pendingCheck } = this;
    this.current = this.pendingCheck = undefined;
    pendingCheck?.subscription.unsubscribe();
    current?.unsubscribe();
  }

  private fail(error: unknown): void {
    const { observer } = this;
    this.unsubscribe();
    observer?.error(error);
  }
}

/** An attempt to create a watch on a stream. It waits for the stream, and then holds the created watch. */
class StreamAttempt implements StateObserver<WatchStream, never>, Unsubscribable {
  place = NOWHERE;
  private created: Unsubscribable | undefined;

  constructor(
    private readonly watcher: Watcher,
    readonly startRevision: number,
  ) {}

  // A stream that opens or breaks concerns many watches at the same time, so their work is spread over turns of the
  // event loop.
  next(stream: WatchStream): void {
    this.watcher.deps.streams.pacer.run(() => this.createOn(stream));
  }

  error(lost: unknown): void {
    this.watcher.deps.streams.pacer.run(() => {
      if (this.watcher.isOn(this)) this.watcher.error(lost);
    });
  }

  /**
   * Does nothing. The source of a chunked stream completes after it has emitted the stream, but the watch continues.
   */
  complete(): void {}

  unsubscribe(): void {
    this.created?.unsubscribe();
    this.watcher.deps.streams.detach(this);
  }

  private createOn(stream: WatchStream): void {
    // Before this function runs, the watch may have given up this attempt, or the stream may have been lost.
    if (!this.watcher.isOn(this)) return;
    const created = this.watcher.createOn(stream, this.startRevision);
    // The server may have rejected the watch during the call.
    if (this.watcher.isOn(this)) this.created = created;
    else created.unsubscribe();
  }
}

/** Creates a {@link Watcher} with a known start. */
export const watcherAt = (target: WatchTarget, start: WatchStart, deps: WatcherDeps): Watcher =>
  new Watcher(target, () => ({ find: () => of(start), end: () => undefined }), deps);

/**
 * Returns an Observable that runs a {@link Watcher} with a known start.
 *
 * @param onState called with each change of the state of the watch
 */
export function observeWatcher(
  target: WatchTarget,
  start: WatchStart,
  deps: WatcherDeps,
  onState?: (state: WatchState) => void,
): Observable<WatchBatch> {
  return new Observable((subscriber) => {
    const watcher = watcherAt(target, start, deps);
    if (onState === undefined) return watcher.subscribe(subscriber);
    return watcher.subscribe({
      next: (batch) => subscriber.next(batch),
      error: (error) => subscriber.error(error),
      complete: () => subscriber.complete(),
      onState,
    });
  });
}

/** Receives batches, and passes their events to an observer one by one. */
export class BatchFlattener implements Observer<WatchBatch>, Detachable<WatchEvent> {
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

/** The dependencies of a watch. */
export interface WatcherDeps {
  readonly caller: Caller;
  readonly streams: Pick<WatchStreams, 'attach' | 'detach' | 'retain' | 'release' | 'track' | 'state' | 'reportRetry' | 'pacer'>;
  readonly settings: StreamTimeouts;
  readonly diagnostics?: Diagnostics;
  /** Wraps a stream, so that the watches of a namespace see keys without the prefix. */
  readonly within?: (stream: WatchStream) => WatchStream;
  /**
   * Reads keys as they were at a revision. The reads of many watches that resume at the same time are batched. Without
   * this function, the watch does not notice a restored store whose revisions are higher than those of the watch.
   */
  readonly readAt?: ReadAt;
}

/** The dependencies of watches and live ranges. */
export interface WatchesDeps extends WatcherDeps {
  readonly streams: WatcherDeps['streams'] & Pick<WatchStreams, 'stateNow' | 'stream'>;
  /** The client's own writes. Each write is reported by the watches that were subscribed to before the write. */
  readonly writes: ScopedOwnWrites;
}
