import type { Observable, Observer } from 'rxjs';
import { toBase64 } from '../model/bytes.js';
import { prefixEnd, type KeyRange } from '../model/range.js';
import { progress, type WatchBatch } from '../model/watchBatch.js';
import type { Company } from './lightObservable.js';
import type { WatchTarget } from './messages.js';
import type { Source } from './refCounted.js';
import { SharedByKey } from './sharedByKey.js';

/** The server watches of a client, one a range and filter. */
export class SharedWatches {
  private readonly shared;

  constructor(
    private readonly start: (target: WatchTarget) => Source<WatchBatch>,
    closed: Observable<void>,
    graceMs: number,
  ) {
    this.shared = new SharedByKey<WatchBatch, number>(closed, { graceMs, late: { keep: ({ revision }) => revision, begin: progress } });
  }

  /** For who comes late it begins with a bookmark of where the watch is. */
  join(target: WatchTarget, member: Observer<WatchBatch>): Company<WatchBatch> {
    return this.shared.join(identityOf(target), () => this.start(target), member);
  }
}

/** What makes two watches the same. */
function identityOf(target: WatchTarget): string {
  const filters = Object.entries(target.filter).flatMap(([name, set]) => (set === true ? [name] : []));
  return [rangeIdentity(target), ...filters].join(' ');
}

/** A string that only the same range has: a short one for a prefix, as most are, for each watch holds it as long as it lives. */
export function rangeIdentity({ key, rangeEnd = '' }: KeyRange): string {
  const [from, to] = [toBase64(key), toBase64(rangeEnd)];
  return [from, to === toBase64(prefixEnd(key)) ? '*' : to].join(' ');
}
