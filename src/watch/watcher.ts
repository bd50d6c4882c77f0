import type { Observable } from 'rxjs';
import { catchError, defer, delayWhen, of, Subscription, take, throwError, timer, type Observer, type Unsubscribable } from 'rxjs';
import { hasReason, isEtcdError } from '../errors/index.js';
import { progress, type WatchBatch } from '../model/watchBatch.js';
import { Backoff } from '../util/retry.js';
import { Attempt } from './attempt.js';
import { Cursor } from './cursor.js';
import { isTransient, persistently } from './retryable.js';
import type { WatchTarget } from './messages.js';
import type { Source } from './refCounted.js';
import { sameStore, UNKNOWN_CLUSTER, type StoreSighting } from './storeIdentity.js';
import { storeRevision } from './revisionReader.js';
import { StreamLost } from './streamLost.js';
import type { WatcherMeans, WatchStart } from './watcherMeans.js';
import type { WatchReport, WatchStream } from './watchStream.js';

/** So many times in a row a watch may be denied for a token that was forgotten meanwhile, though the read of its range was not. */
const MOST_DENIALS = 5;

/**
 * One watch, from its start revision on, through whatever happens to the streams that carry it: whole revisions in their order, none left out and none
 * twice. Its first batch is a bookmark: from the revision after it on, everything will come. It errors only where no resuming helps.
 *
 * A program may have thousands, to which most of the time nothing happens. So it is no pipeline, of which each operator would hold several objects for each of them: there are
 * Observables only where something is waited for.
 */
export class Watcher implements Source<WatchBatch>, Observer<WatchReport>, Unsubscribable {
  private observer: Observer<WatchBatch> | undefined;
  private cursor: Cursor | undefined;
  /** Whose store it is. */
  private cluster = UNKNOWN_CLUSTER;
  private begun = false;
  /** The server has confirmed it on this stream. */
  private created = false;
  /** So many creates were refused since the last that was not. */
  private refusals = 0;
  /** None while all goes well. */
  private backoff: Backoff | undefined;
  /** The try on a stream, or what is waited for before the next. */
  private underWay: Unsubscribable | undefined;
  /** The question whether this is still the same store, and what came meanwhile. */
  private doubt: { readonly asked: Subscription; readonly held: WatchReport[] } | undefined;

  /** @param start tells where to begin; asked when the watch begins, until it has an answer */
  constructor(
    private readonly target: WatchTarget,
    private readonly start: (target: WatchTarget) => Observable<WatchStart>,
    private readonly means: WatcherMeans,
  ) {}

  /** Begins it, once. */
  subscribe(observer: Observer<WatchBatch>): Unsubscribable {
    this.observer = observer;
    this.means.connections.enter();
    this.go();
    return this;
  }

  unsubscribe(): void {
    if (this.observer === undefined) return;
    this.observer = undefined;
    this.stop();
    this.means.connections.exit();
  }

  /** There is a stream to be on. */
  createOn(stream: WatchStream, startRevision: number): Unsubscribable {
    return (this.means.within?.(stream) ?? stream).watch(this.target, startRevision).subscribe(this);
  }

  isOn(attempt: Attempt): boolean {
    return this.underWay === attempt;
  }

  leave(attempt: Attempt): void {
    this.means.connections.leave(attempt);
  }

  next(report: WatchReport): void {
    this.backoff = undefined;
    if (this.doubt !== undefined) this.doubt.held.push(report);
    else if (report.type === 'created') this.recognise(report);
    else for (const batch of this.cursor?.accept(report) ?? []) this.observer?.next(batch);
  }

  /** The stream broke, or the watch on it was refused or ended; or there was no telling where to begin. */
  error(failure: unknown): void {
    // All on a stream are told one by one that it broke, and what one does then may have another left.
    if (this.observer === undefined) return;
    const denied = hasReason(failure, 'PermissionDenied') && !this.created;
    this.stop();
    // The pause before another stream is the connection's to make.
    if (failure instanceof StreamLost && failure.again) this.go();
    else if (failure instanceof StreamLost) this.end(failure.error);
    else if (denied && ++this.refusals < MOST_DENIALS) this.pause(this.refreshedToken(failure));
    // A token that a call was refused for has been tried anew there; one that a stream was refused for is a StreamLost.
    else if (isEtcdError(failure) && isTransient(failure)) this.pause(timer(this.pauseMs()));
    else this.end(failure);
  }

  /** A watch that goes on has no end but an error. */
  complete(): void {}

  private go(): void {
    const { cursor } = this;
    if (cursor === undefined) return this.findPlace();
    cursor.restart();
    const attempt = new Attempt(this, cursor.next);
    this.underWay = attempt;
    this.means.connections.join(attempt);
  }

  /** Without a revision to come back to, a cut before the first event would lose what happens meanwhile. */
  private findPlace(): void {
    const { settings, connections } = this.means;
    const found = ({ next, seen }: WatchStart): void => {
      this.cursor = new Cursor(next, seen);
      this.go();
    };
    this.wait(persistently(this.start(this.target), settings, connections.troubled), { next: found, error: (error) => this.error(error) });
  }

  private pause(pause: Observable<unknown>): void {
    this.wait(pause, { next: () => this.go(), error: (error) => this.end(error) });
  }

  private wait<T>(what: Observable<T>, observer: Pick<Observer<T>, 'next' | 'error'>): void {
    const waiting = new Subscription();
    // Before it is begun: it may be over at once, and another have taken its place.
    this.underWay = waiting;
    waiting.add(what.pipe(take(1)).subscribe(observer));
  }

  /** etcd 3.3 takes an expired token for one that lacks the permission. A read of the same gets a new one if that is so, and else is refused as well. */
  private refreshedToken(refusal: unknown): Observable<unknown> {
    return this.newest().pipe(
      catchError((error: unknown) => (hasReason(error, 'PermissionDenied') ? throwError(() => refusal) : of(undefined))),
      delayWhen(() => timer(this.pauseMs())),
    );
  }

  /** The server has created it; whether it is the server of before is still to be seen. */
  private recognise(sighting: StoreSighting): void {
    const doubt = (this.doubt = { asked: new Subscription(), held: [] as WatchReport[] });
    const same = (): void => {
      this.doubt = undefined;
      this.confirm();
      for (const report of doubt.held) this.next(report);
    };
    if (this.cluster === UNKNOWN_CLUSTER) this.cluster = sighting.clusterId;
    const before = { clusterId: this.cluster, revision: this.cursor?.seen ?? 0 };
    doubt.asked.add(
      defer(() => sameStore(before, sighting, this.newest())).subscribe({ next: same, error: (error: unknown) => this.error(error) }),
    );
  }

  private confirm(): void {
    this.created = true;
    this.refusals = 0;
    if (this.begun || this.cursor === undefined) return;
    this.begun = true;
    this.observer?.next(progress(this.cursor.next - 1));
  }

  private newest(): Observable<number> {
    const { caller, settings } = this.means;
    return persistently(
      defer(() => storeRevision(caller, this.target)),
      settings,
    );
  }

  private pauseMs(): number {
    this.backoff ??= new Backoff(this.means.settings.initialBackoffMs, this.means.settings.maxBackoffMs);
    return this.backoff.next();
  }

  private stop(): void {
    const { underWay, doubt } = this;
    this.underWay = this.doubt = undefined;
    this.created = false;
    doubt?.asked.unsubscribe();
    underWay?.unsubscribe();
  }

  private end(error: unknown): void {
    const { observer } = this;
    this.unsubscribe();
    observer?.error(error);
  }
}
