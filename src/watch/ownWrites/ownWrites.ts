import { catchError, finalize, forkJoin, map, Observable, of, race, switchMap, timer } from 'rxjs';
import { kvRpcs } from '../../codec/kv.js';
import type { Rpc } from '../../codec/descriptors.js';
import type { BytesLike } from '../../model/bytes.js';
import { prefixEnd, type KeyRange, binaryKey, intersection, keyBytes, spanBetween, type BinaryKey, type Span } from '../../model/range.js';
import type { Caller } from '../../transport/call.js';
import type { PendingWrite, WriteListener } from '../../transport/caller.js';
import type { FollowedRanges, FollowedRange } from './followedRanges.js';
import type { PendingStart } from '../cursor.js';
import { rangesOf, reportEffects, type WriteEffects } from './writeEffects.js';

/**
 * How long a watch waits for the responses to writes of its client, in milliseconds. After that time, the client reads
 * the written keys from the store.
 */
const RESPONSE_TIMEOUT_MS = 1_000;
/** The maximum number of writes with unknown outcome that are kept while a watch begins. */
const MAX_UNKNOWN = 1_000;

/**
 * A group of watches between whose subscriptions no own write was sent. The entry is kept until the first revision of
 * each watch is known.
 */
interface Beginning {
  /** The number of the last own write before these watches began. */
  readonly number: number;
  /** The lowest revision of the later writes that have a response. */
  first: number;
  watches: number;
  previous: Beginning | undefined;
  next: Beginning | undefined;
}

/**
 * Tracks the client's own writes for its watches and live ranges. A watch reports each own write that is sent after the
 * subscription to the watch. A new subscriber of a live range first receives a state with all own writes that the
 * server has confirmed.
 *
 * While no watch begins and no live range is followed, a write costs two comparisons.
 */
export class OwnWrites implements WriteListener {
  /** The ranges that live ranges follow; undefined until there is a live range. */
  followed: FollowedRanges | undefined;
  private count = 0;
  /** The last entry of a linked list, which is ordered by number. */
  private last: Beginning | undefined;
  /**
   * Writes that were sent while a watch began, until they have a response. Writes with unknown outcome stay until no
   * watch is beginning.
   */
  private readonly open = new Set<OwnWrite>();
  private unknown = 0;

  begun<In>(rpc: Rpc<In, unknown>, request: In, newest: number): PendingWrite | undefined {
    if (this.last === undefined) return undefined;
    const ranges = (): readonly KeyRange[] => rangesOf(rpc, request);
    const write = new OwnWrite(++this.count, newest, this.last, ranges, (unknown) => this.settle(write, unknown));
    this.open.add(write);
    return write;
  }

  responded<In, A>(rpc: Rpc<In, A>, request: In, response: A, pending: PendingWrite | undefined): void {
    if (this.followed !== undefined && this.followed.size > 0) reportEffects(rpc, request, response, this.followed);
    if (!(pending instanceof OwnWrite)) return;
    reportEffects(rpc, request, response, pending);
    pending.ended(pending.unclear);
  }

  /** Registers a new watch, which has to report all own writes from now on. */
  begin(): Beginning {
    const previous = this.last;
    if (previous?.number === this.count) {
      previous.watches += 1;
      return previous;
    }
    const beginning: Beginning = { number: this.count, first: Infinity, watches: 1, previous, next: undefined };
    if (previous !== undefined) previous.next = beginning;
    this.last = beginning;
    return beginning;
  }

  /** Removes a watch from its entry, because its first revision is known or the watch was unsubscribed from. */
  end(beginning: Beginning): void {
    beginning.watches -= 1;
    if (beginning.watches > 0) return;
    const { previous, next } = beginning;
    if (previous !== undefined) previous.next = next;
    if (next !== undefined) next.previous = previous;
    else this.last = previous;
    if (this.last !== undefined) return;
    this.open.clear();
    this.unknown = 0;
  }

  /**
   * Finds the first revision that a watch has to report. Usually this is the revision after the store's revision, which
   * was requested when the watch began. An own write may have been sent after the watch began, but carried out before
   * that request. In this case, the first revision is the revision of the write. If the outcome of the write is
   * unknown, the client reads which of its keys changed.
   */
  firstRevision(beginning: Beginning, span: Span, storeRevision: number, caller: Caller): Observable<number> {
    const first = (): number => Math.min(storeRevision + 1, beginning.first);
    const writes = [...this.open].filter((write) => write.number > beginning.number && write.mayConcern(span));
    if (writes.length === 0) return of(first());
    const pending = writes.filter((write) => write.pending);
    return (pending.length > 0 ? race(allEnded(pending), timer(RESPONSE_TIMEOUT_MS)) : of(undefined)).pipe(
      switchMap(() => {
        const unknown = writes.filter((write) => this.open.has(write));
        return forkJoin([of(Infinity), ...unknown.map((write) => write.firstChange(span, storeRevision, caller))]);
      }),
      map((changes) => Math.min(first(), ...changes)),
    );
  }

  private settle(write: OwnWrite, unknown: boolean): void {
    if (!this.open.has(write)) return;
    if (!unknown || ++this.unknown > MAX_UNKNOWN) this.open.delete(write);
    // The revision is recorded for the beginnings before the write, from the latest to the earliest. Each beginning has
    // recorded all writes that later beginnings have recorded, so the loop may stop early. A beginning that has ended
    // still refers to the one before it.
    for (let at: Beginning | undefined = write.after; at !== undefined && at.first > write.revision; at = at.previous)
      at.first = write.revision;
  }
}

/** A write that was sent while a watch began. */
class OwnWrite implements PendingWrite, WriteEffects {
  /**
   * The revision at which the write changed a key; infinite if the revision is unknown, or if the write changed no key.
   */
  revision = Infinity;
  /** Whether the write may have changed a key at a revision that its response does not contain. */
  unclear = false;
  pending = true;
  /** The functions that are called when the write has ended. */
  readonly waiting = new Set<(write: OwnWrite) => void>();
  private cachedSpans: readonly Span[] | undefined;

  constructor(
    readonly number: number,
    /** The newest revision that the client had seen when it sent the write; 0 if it had seen none. */
    private readonly newest: number,
    /** The last beginning before the write. */
    readonly after: Beginning,
    private readonly ranges: () => readonly KeyRange[],
    private readonly onEnd: (unknown: boolean) => void,
  ) {}

  mayConcern(span: Span): boolean {
    return this.spans.some((own) => intersection(own, span) !== undefined);
  }

  ended(unknown: boolean): void {
    if (!this.pending) return;
    this.pending = false;
    this.onEnd(unknown);
    for (const tell of [...this.waiting]) tell(this);
  }

  put(_key: BytesLike, revision: number): void {
    this.revision = Math.min(this.revision, revision);
  }

  cleared(_range: KeyRange, revision: number, deleted: boolean | undefined): void {
    if (deleted ?? this.isNews(revision)) this.revision = Math.min(this.revision, revision);
  }

  revoked(_lease: string, revision: number): void {
    if (this.isNews(revision)) this.revision = Math.min(this.revision, revision);
  }

  held(): void {
    this.unclear = true;
  }

  /**
   * Finds the first change of a key in the ranges of the write since the write was sent. Emits the lowest revision of
   * such a change, up to the store's revision. Emits infinity if no change is found, or if the client had seen no
   * revision before the write. A deletion cannot be found in this way.
   */
  firstChange(span: Span, storeRevision: number, caller: Caller): Observable<number> {
    if (this.newest === 0) return of(Infinity);
    const spans = this.spans.flatMap((own) => intersection(own, span) ?? []);
    return forkJoin([of(Infinity), ...spans.map((each) => this.firstChangeWithin(each, storeRevision, caller))]).pipe(
      map((changes) => Math.min(...changes)),
    );
  }

  private firstChangeWithin({ from, to }: Span, storeRevision: number, caller: Caller): Observable<number> {
    const request = {
      key: keyBytes(from),
      rangeEnd: to === undefined ? '\0' : keyBytes(to),
      minModRevision: this.newest + 1,
      maxModRevision: storeRevision,
      sortTarget: 'MOD',
      sortOrder: 'ASCEND',
      limit: 1,
      keysOnly: true,
    } as const;
    return caller.unary(kvRpcs.range, request).pipe(
      map(({ kvs }) => kvs[0]?.modRevision ?? Infinity),
      // A user who may write a key may lack the permission to read it.
      catchError(() => of(Infinity)),
    );
  }

  /**
   * The spans of the write. They are computed once, as each watch that begins meanwhile compares them with its own
   * span.
   */
  private get spans(): readonly Span[] {
    return (this.cachedSpans ??= this.ranges().map(spanBetween));
  }

  private isNews(revision: number): boolean {
    return this.newest > 0 && revision > this.newest;
  }
}

/** Emits once when all the writes have ended. */
function allEnded(writes: readonly OwnWrite[]): Observable<void> {
  return new Observable((subscriber) => {
    const pending = new Set(writes);
    const tell = (write: OwnWrite): void => {
      pending.delete(write);
      if (pending.size > 0) return;
      subscriber.next();
      subscriber.complete();
    };
    for (const { waiting } of writes) waiting.add(tell);
    return () => {
      for (const { waiting } of pending) waiting.delete(tell);
    };
  });
}

/** The client's own writes for the watches and live ranges of the whole store, or of a namespace. */
export class ScopedOwnWrites {
  constructor(
    private readonly writes: OwnWrites,
    /** The caller of the whole store. */
    private readonly caller: Caller,
    private readonly prefix: BinaryKey = '',
  ) {}

  within(prefix: BytesLike): ScopedOwnWrites {
    return new ScopedOwnWrites(this.writes, this.caller, this.prefix + binaryKey(prefix));
  }

  /**
   * Starts to record the own writes that a watch has to report.
   *
   * @param revision requests the store's revision
   */
  startOf(range: KeyRange, revision: () => Observable<number>): PendingStart {
    const beginning = this.writes.begin();
    let ended = false;
    const end = (): void => {
      if (!ended) this.writes.end(beginning);
      ended = true;
    };
    return {
      find: () =>
        revision().pipe(
          switchMap((seen) =>
            this.writes.firstRevision(beginning, this.spanOf(range), seen, this.caller).pipe(map((next) => ({ next, seen }))),
          ),
          finalize(end),
        ),
      end,
    };
  }

  /**
   * Starts to record the own writes that a live range has to show.
   *
   * @param none creates the object for the records. Its code is loaded together with that of the live ranges
   */
  follow(range: KeyRange, none: () => FollowedRanges): FollowedRange {
    return (this.writes.followed ??= none()).follow(this.spanOf(range), this.prefix);
  }

  private spanOf(range: KeyRange): Span {
    const { from, to } = spanBetween(range);
    if (this.prefix === '') return { from, to };
    return { from: this.prefix + from, to: to === undefined ? endOf(this.prefix) : this.prefix + to };
  }
}

/** Returns the first key after all keys that begin with a prefix; undefined if there is no such key. */
function endOf(prefix: BinaryKey): BinaryKey | undefined {
  const end = binaryKey(prefixEnd(keyBytes(prefix)));
  return end === '\0' ? undefined : end;
}
