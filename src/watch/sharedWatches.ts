import { mergeMap, type Observable } from 'rxjs';
import { toBase64 } from '../model/bytes.js';
import type { KeyRange } from '../model/range.js';
import { progress, type WatchBatch } from '../model/watchBatch.js';
import type { WatchEvent } from '../model/watchEvent.js';
import type { WatchTarget } from './request.js';
import { SharedByKey } from './sharedByKey.js';

/** The server watches of a client, one a range and filter. */
export class SharedWatches {
  private readonly shared: SharedByKey<WatchBatch>;
  /** Shared once more, so that a thousand subscribers do not each take every batch apart. */
  private readonly sharedEvents: SharedByKey<WatchEvent>;

  constructor(
    private readonly start: (target: WatchTarget) => Observable<WatchBatch>,
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
    return this.sharedEvents.of(identityOf(target), () => this.batches(target).pipe(mergeMap(({ events }) => events)));
  }
}

/** What makes two watches the same. */
function identityOf({ keys, filter }: WatchTarget): string {
  const { prevKv = false, noPut = false, noDelete = false, progressNotify = false } = filter;
  return [rangeIdentity(keys), prevKv, noPut, noDelete, progressNotify].join(' ');
}

/** A string that only the same range has. */
export function rangeIdentity({ key, rangeEnd = '' }: KeyRange): string {
  return `${toBase64(key)} ${toBase64(rangeEnd)}`;
}
