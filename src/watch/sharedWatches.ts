import type { Observable, Observer } from 'rxjs';
import { toBase64 } from '../model/bytes.js';
import type { KeyRange } from '../model/range.js';
import { progress, type WatchBatch } from '../model/watchBatch.js';
import type { WatchEvent } from '../model/watchEvent.js';
import type { WatchTarget } from './request.js';
import type { Source } from './shared.js';
import { SharedByKey } from './sharedByKey.js';

/** The server watches of a client, one a range and filter. */
export class SharedWatches {
  private readonly shared: SharedByKey<WatchBatch>;
  /** Shared once more, so that a thousand subscribers do not each take every batch apart. */
  private readonly sharedEvents: SharedByKey<WatchEvent>;

  constructor(
    private readonly start: (target: WatchTarget) => Source<WatchBatch>,
    closed: Observable<void>,
    graceMs: number,
  ) {
    this.shared = new SharedByKey(closed, { graceMs, late: ({ revision }) => progress(revision) });
    // The grace is that of the batches beneath.
    this.sharedEvents = new SharedByKey(closed, { graceMs: 0 });
  }

  /** For a late subscriber it begins with a bookmark of where the watch is. */
  batches(target: WatchTarget): Observable<WatchBatch> {
    return this.shared.of(identityOf(target), () => this.start(target));
  }

  events(target: WatchTarget): Observable<WatchEvent> {
    const identity = identityOf(target);
    const start = (): Source<WatchBatch> => this.start(target);
    return this.sharedEvents.of(identity, () => ({
      subscribe: (events) => this.shared.join(identity, start, new EventsOf(events)),
    }));
  }
}

/** Takes batches apart. */
class EventsOf implements Observer<WatchBatch> {
  constructor(private readonly observer: Observer<WatchEvent>) {}

  next({ events }: WatchBatch): void {
    for (const event of events) this.observer.next(event);
  }

  error(error: unknown): void {
    this.observer.error(error);
  }

  complete(): void {
    this.observer.complete();
  }
}

/** What makes two watches the same. */
function identityOf(target: WatchTarget): string {
  const filters = Object.entries(target.filter).flatMap(([name, set]) => (set === true ? [name] : []));
  return [rangeIdentity(target), ...filters].join(' ');
}

/** A string that only the same range has. */
export function rangeIdentity({ key, rangeEnd = '' }: KeyRange): string {
  return [toBase64(key), toBase64(rangeEnd)].join(' ');
}
