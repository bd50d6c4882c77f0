import { readRevision, type CreatedWatch, type WatchMessage, type WatchStream, type WatchTarget } from './messages.js';
import type { Caller } from '../transport/call.js';
import type { WatchStreams } from './streams/duplexStream.js';
import type { ScopedOwnWrites } from './ownWrites/ownWrites.js';
import { type StreamTimeouts, isTransient, retryTransient, ConsecutiveFailures } from './retryable.js';
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
import {
  catchError,
  defer,
  delayWhen,
  Observable,
  type Observer,
  of,
  Subscription,
  switchMap,
  take,
  throwError,
  timer,
  type Unsubscribable,
} from 'rxjs';
import { progress, type WatchBatch } from '../model/events.js';
import { hasReason, isEtcdError, type EtcdError } from '../errors/index.js';
import type { Diagnostics } from '../model/diagnostics.js';
import { Backoff } from '../util/time.js';
import type { Source } from './refCounted.js';
import { StreamLostError } from './streams/streamManager.js';

/** How often in a row a watch may be denied while its range can be read: the server may have forgotten the token. */
const MAX_DENIALS = 5;

/**
 * The longest time between two unexplained ends in a row, in milliseconds. If servers are stopped one after the other,
 * with more time between them, that says nothing about the watch.
 */
const UNEXPLAINED_ROW_MS = 60_000;

/**
 * Runs one watch from its start revision on, over as many streams as that takes. It emits whole revisions in order, and
 * neither skips nor repeats one. The first batch is a progress notification: everything after its revision will follow.
 * It errors only if resuming cannot help.
 *
 * A program may have thousands of watchers, most of which are idle. So a watcher is not a pipeline, in which each
 * operator would hold several objects for each of them. It uses Observables only while it waits for something.
 */
export class Watcher implements Source<WatchBatch>, Observer<WatchMessage>, Unsubscribable {
  private observer: Observer<WatchBatch> | undefined;
  private cursor: Cursor | undefined;
  /** The cluster of the store. */
  private cluster = UNKNOWN_CLUSTER;
  /** Whether the first batch was emitted. */
  private started = false;
  /** Whether the server has confirmed the watch on this stream. */
  private created = false;
  /** The number of create requests that were denied since the last that was not. */
  private denials = 0;
  /**
   * The revision from which a response was too long, so that the server has to split it. Splitting takes quadratic
   * time, so it is requested only then.
   */
  private tooLongAt = 0;
  /** Counts ends for unknown reasons. */
  private unexplained: ConsecutiveFailures | undefined;
  /** Set after a failure, until the next notification. */
  private backoff: Backoff | undefined;
  /** The attempt on a stream, or the wait before the next. */
  private current: Unsubscribable | undefined;
  /** The check that this is still the same store, and the messages that arrived meanwhile. */
  private pendingCheck: { readonly subscription: Subscription; readonly messages: WatchMessage[] } | undefined;

  /** @param start called once, when the watch starts */
  constructor(
    private readonly target: WatchTarget,
    private readonly start: (target: WatchTarget) => PendingStart,
    readonly deps: WatcherDeps,
  ) {}

  /** Starts the watch. May be called only once. */
  subscribe(observer: Observer<WatchBatch>): Unsubscribable {
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
    // A created watch resets nothing: the server may end the watch right after it, again and again.
    if (message.type === 'notification') this.backoff = this.unexplained = undefined;
    if (this.pendingCheck !== undefined) this.pendingCheck.messages.push(message);
    else if (message.type === 'created') this.verifyCluster(message);
    else for (const batch of this.cursor?.accept(message) ?? []) this.observer?.next(batch);
  }

  error(failure: unknown): void {
    // A stream that broke notifies its watches one by one. The reaction of one of them may end another.
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
    const fragment = next === this.tooLongAt;
    return (this.deps.within?.(stream) ?? stream).watch(this.target, startRevision, fragment).subscribe(this);
  }

  /** Returns whether the attempt is the current one: false once the watch has given it up. */
  isOn(attempt: StreamAttempt): boolean {
    return this.current === attempt;
  }

  /**
   * Decides whether the watch continues after its stream was lost, the server refused or ended it, or its start could
   * not be found.
   */
  private resumeOrFail(failure: unknown): void {
    const denied = hasReason(failure, 'PermissionDenied') && !this.created;
    this.disconnect();
    if (failure instanceof StreamLostError) {
      if (failure.again) this.resumeOnNextStream(failure.error);
      else this.fail(failure.error);
    } else if (denied && ++this.denials < MAX_DENIALS) this.connectAfter(this.refreshToken(failure));
    // A call whose token was refused has been retried with a new one already; a stream whose token was refused errors
    // with StreamLostError.
    else if (isEtcdError(failure) && isTransient(failure) && !this.isPermanent(failure)) this.connectAfter(timer(this.pauseMs()));
    else this.fail(failure);
  }

  /** Resumes after a lost stream. The stream manager pauses before it opens the next one. */
  private resumeOnNextStream({ reason }: EtcdError): void {
    if (reason === 'ResponseTooLarge') this.tooLongAt = this.cursor?.next ?? 0;
    this.connect();
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
   * Creates the watch again, one revision earlier, if it may lack deletes. The store had its first revision when it was
   * created, so that the history may be compacted at exactly that revision. In that case the earlier watch is refused
   * as compacted. Otherwise the cursor drops the repeated revision. Not all watches are created that early, as the
   * server delivers nothing to such a watch for up to 100 ms. Returns whether it was created again.
   */
  private createEarlier({ revision, lacksDeletes }: CreatedWatch): boolean {
    const { current, cursor, target } = this;
    if (lacksDeletes !== true || target.filter.noDelete === true || this.created || cursor?.followsKnown !== true || revision < cursor.next)
      return false;
    if (!(current instanceof StreamAttempt) || current.startRevision < cursor.next) return false;
    // The new attempt comes first, so that the stream is not left.
    this.attemptFrom(cursor.next - 1);
    current.unsubscribe();
    return true;
  }

  /**
   * Returns whether an unknown error counts as permanent. Its message may mean that the server is stopping. If the
   * server will never create such a watch, the error comes again and again.
   */
  private isPermanent(failure: EtcdError): boolean {
    if (failure.reason !== 'Unknown') return false;
    this.unexplained ??= new ConsecutiveFailures(UNEXPLAINED_ROW_MS);
    this.unexplained.add(failure);
    return this.unexplained.exceeded;
  }

  /**
   * Finds the start of the watch. Without a revision to resume from, a stream that is lost before the first event would
   * lose the changes meanwhile.
   */
  private resolveStart(): void {
    const onStart = ({ next, seen, knownChange }: WatchStart): void => {
      this.cursor = new Cursor(next, seen, knownChange);
      this.connect();
    };
    const pending = this.start(this.target);
    const waiting = (this.current = new Subscription(() => pending.end()));
    this.deps.streams.pacer.run(() => {
      if (!waiting.closed) this.waitFor(pending.find(), { next: onStart, error: (error) => this.error(error) }, waiting);
    });
  }

  private connectAfter(pause: Observable<unknown>): void {
    this.waitFor(pause, { next: () => this.connect(), error: (error) => this.fail(error) });
  }

  private waitFor<T>(source: Observable<T>, observer: Pick<Observer<T>, 'next' | 'error'>, waiting = new Subscription()): void {
    // Set before the subscription: the wait may end at once, and another may have replaced it by then.
    this.current = waiting;
    waiting.add(source.pipe(take(1)).subscribe(observer));
  }

  /**
   * Reads the range to replace a token that may have expired. etcd 3.3 responds to an expired token as if the
   * permission were missing. If the token is valid, the read is denied as well.
   */
  private refreshToken(denial: unknown): Observable<unknown> {
    return this.currentRevision().pipe(
      catchError((error: unknown) => (hasReason(error, 'PermissionDenied') ? throwError(() => denial) : of(undefined))),
      delayWhen(() => timer(this.pauseMs())),
    );
  }

  /** Checks that the store on which the watch was created is the one that the watch has seen before. */
  private verifyCluster(now: CreatedWatch): void {
    if (this.createEarlier(now)) return;
    const seen = this.cursor?.seen ?? 0;
    if (this.cluster === UNKNOWN_CLUSTER) {
      this.cluster = now.clusterId;
      // There is nothing to compare yet, as for most watches that start.
      if (!this.started && now.revision >= seen) return this.markCreated();
    }
    const check = (this.pendingCheck = { subscription: new Subscription(), messages: [] as WatchMessage[] });
    const onVerified = (): void => {
      this.pendingCheck = undefined;
      this.markCreated();
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
    // A watch that starts has not seen anything yet that could be of another store.
    if (!this.started || knownChange === undefined || readAt === undefined) return sameCluster;
    return sameCluster.pipe(switchMap(() => assertHasChange(knownChange, readAt, settings)));
  }

  private markCreated(): void {
    this.created = true;
    this.denials = 0;
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

  private pauseMs(): number {
    this.backoff ??= new Backoff(this.deps.settings.initialBackoffMs, this.deps.settings.maxBackoffMs, this.deps.settings.jitter);
    return this.backoff.next();
  }

  private disconnect(): void {
    const { current, pendingCheck } = this;
    this.current = this.pendingCheck = undefined;
    this.created = false;
    pendingCheck?.subscription.unsubscribe();
    current?.unsubscribe();
  }

  private fail(error: unknown): void {
    const { observer } = this;
    this.unsubscribe();
    observer?.error(error);
  }
}

/** An attempt of a watch on one stream: it waits for the stream, and then holds the watch that was created on it. */
class StreamAttempt implements Observer<WatchStream>, Unsubscribable {
  private created: Unsubscribable | undefined;

  constructor(
    private readonly watcher: Watcher,
    readonly startRevision: number,
  ) {}

  // A stream that opens or breaks concerns many watches at once, so their work is spread over turns of the event loop.
  next(stream: WatchStream): void {
    this.watcher.deps.streams.pacer.run(() => this.createOn(stream));
  }

  error(lost: unknown): void {
    this.watcher.deps.streams.pacer.run(() => {
      if (this.watcher.isOn(this)) this.watcher.error(lost);
    });
  }

  /** Does nothing. The source of a chunked stream completes once it has emitted the stream, and the watch goes on. */
  complete(): void {}

  unsubscribe(): void {
    this.created?.unsubscribe();
    this.watcher.deps.streams.detach(this);
  }

  private createOn(stream: WatchStream): void {
    // The watch may have given up this attempt, or the stream may have been lost, before its turn came.
    if (!this.watcher.isOn(this)) return;
    const created = this.watcher.createOn(stream, this.startRevision);
    // The server may have refused the watch at once.
    if (this.watcher.isOn(this)) this.created = created;
    else created.unsubscribe();
  }
}

/** Returns an Observable of a {@link Watcher} whose start is known. */
export function observeWatcher(target: WatchTarget, start: WatchStart, deps: WatcherDeps): Observable<WatchBatch> {
  return new Observable((subscriber) =>
    new Watcher(target, () => ({ find: () => of(start), end: () => undefined }), deps).subscribe(subscriber),
  );
}

/** The dependencies of a watch. */
export interface WatcherDeps {
  readonly caller: Caller;
  readonly streams: Pick<WatchStreams, 'attach' | 'detach' | 'retain' | 'release' | 'track' | 'state' | 'reportRetry' | 'pacer'>;
  readonly settings: StreamTimeouts;
  readonly diagnostics?: Diagnostics;
  /** Returns a stream as it is for the watches of a namespace. */
  readonly within?: (stream: WatchStream) => WatchStream;
  /**
   * Reads keys as they were at a revision. The reads of many watches that resume at the same time are batched. Without
   * it, a restored store that has overtaken the watch goes unnoticed.
   */
  readonly readAt?: ReadAt;
}

/** The dependencies of watches and live ranges. */
export interface WatchesDeps extends WatcherDeps {
  readonly streams: WatcherDeps['streams'] & Pick<WatchStreams, 'stateNow'>;
  /** The client's own writes, of which none is missed. */
  readonly writes: ScopedOwnWrites;
}
