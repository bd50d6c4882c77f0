import { Observable, of } from 'rxjs';
import type { WatchBatch } from '../model/watchBatch.js';
import type { WatchTarget } from './messages.js';
import { Watcher } from './watcher.js';
import type { WatcherMeans, WatchStart } from './watcherMeans.js';

/** A {@link Watcher} as an Observable, whose start is known. */
export function watchFrom(target: WatchTarget, start: WatchStart, means: WatcherMeans): Observable<WatchBatch> {
  return new Observable((subscriber) => new Watcher(target, () => of(start), means).subscribe(subscriber));
}
