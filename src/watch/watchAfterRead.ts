import type { Observable, Observer } from 'rxjs';
import type { WatchBatch, WatchEvent } from '../model/events.js';
import type { Range } from '../model/range.js';
import { closedSignal } from '../util/closedSignal.js';
import { after } from './cursor.js';
import { toWatchTarget, type WatchFilter, type WatchTarget } from './messages.js';
import { type Detachable, LightObservable } from '../util/lightObservable.js';
import { type Watcher, watcherAt, type WatcherDeps, type WatchesDeps } from './watcher.js';

/** Emits the events of a range after the revision at which the range was read. */
export type WatchAfter = (range: Range, revision: number, filter?: WatchFilter) => Observable<WatchEvent>;

/** Creates the function that starts a watch after a read. */
export const watchesAfterReads =
  (deps: WatchesDeps, closed: Observable<void>): WatchAfter =>
  (range, revision, options) =>
    new LightObservable((observer) => new WatchAfterRead(toWatchTarget(range, options), revision, deps, closed, observer).begin());

/**
 * A watch after a read, for one observer. It consists of one object, as a program may have thousands of such watches.
 */
class WatchAfterRead implements Observer<WatchBatch>, Detachable<WatchEvent> {
  private readonly watcher: Watcher;

  constructor(
    target: WatchTarget,
    revision: number,
    deps: WatcherDeps,
    private readonly closed: Observable<void>,
    private readonly observer: Observer<WatchEvent>,
  ) {
    this.watcher = watcherAt(target, after(revision), deps);
  }

  begin(): this {
    if (closedSignal(this.closed).add(this)) this.watcher.subscribe(this);
    return this;
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
    closedSignal(this.closed).remove(this);
    this.watcher.unsubscribe();
  }
}
