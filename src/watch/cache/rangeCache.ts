import { Observable, of, type Subscriber, Subscription, type Unsubscribable } from 'rxjs';
import { CompactedError, EtcdError } from '../../errors/index.js';
import { captured, readNow } from '../../model/captured.js';
import { type BytesLike, capturedBytes } from '../../model/bytes.js';
import type { EventsBatch, WatchEvent } from '../../model/events.js';
import type { KeyValue } from '../../model/keyValue.js';
import {
  binaryKey,
  covers,
  holds,
  spanBetween,
  spanOf,
  toSingleKey,
  type BinaryKey,
  type KeyRange,
  type Range,
  type Span,
} from '../../model/range.js';
import { BOOLEAN, checkOptions, FROM_ZERO, oneOf, WHOLE, type OptionKinds } from '../../model/validate.js';
import { clientClosed, multicast } from '../../util/rx.js';
import { UNKNOWN_CLUSTER } from '../cursor.js';
import type { ListedKeys } from '../live/listAndWatch.js';
import type { Cache, CachedRange, CacheRangeOptions, CacheReadOptions, CacheWatchOptions } from './cache.js';
import { ReadBarrier, type PositionRequests, type Progressing } from './readBarrier.js';
import { isWithin, SortedKeys, withoutValue } from './sortedKeys.js';

const READ: OptionKinds<CacheReadOptions> = { consistency: oneOf('linearizable', 'local') };
const RANGE: OptionKinds<CacheRangeOptions> = { ...READ, limit: FROM_ZERO, keysOnly: BOOLEAN };
const WATCH: OptionKinds<CacheWatchOptions> = { startRevision: WHOLE };

/** Settings and requests of a cache. */
export interface RangeCacheDeps {
  readonly historyEvents: number;
  readonly requests: PositionRequests;
  readonly requestTimeoutMs: number;
}

/**
 * The keys of a range at a revision, and the last events that led to this state. Users read the keys and watch the
 * events through `handle`.
 */
export class RangeCache implements Progressing {
  revision = 0;
  clusterId = UNKNOWN_CLUSTER;
  /** The object through which users read the cache. */
  readonly handle: Cache;
  private keys = new SortedKeys();
  private history: History;
  private batches = multicast<EventsBatch>();
  private readonly barrier: ReadBarrier;
  private readonly span: Span;
  private ended: { readonly error: unknown } | undefined;

  constructor(
    target: KeyRange,
    private readonly deps: RangeCacheDeps,
  ) {
    this.span = spanBetween(target);
    this.history = new History(1, deps.historyEvents);
    this.barrier = new ReadBarrier(this, deps.requests, deps.requestTimeoutMs);
    this.handle = this.makeHandle();
  }

  get size(): number {
    return this.keys.size;
  }

  get newestChange(): number {
    return this.keys.newestChange;
  }

  /** Replaces the state by a list. The events before the list are unknown, so existing watches end with an error. */
  takeOver({ entries, revision, clusterId }: ListedKeys<SortedKeys>): Observable<this> {
    const { batches } = this;
    this.keys = entries;
    this.revision = revision;
    this.clusterId = clusterId;
    this.history = new History(revision + 1, this.deps.historyEvents);
    this.batches = multicast<EventsBatch>();
    batches.error(compacted(revision + 1, 'the history was lost, and the range was listed again'));
    this.barrier.restart();
    return of(this);
  }

  /** Applies the events of a revision. */
  apply({ revision, events }: EventsBatch): void {
    const changes = events.map((event): WatchEvent => {
      const prevKv = this.keys.apply(event);
      return prevKv === undefined ? event : { ...event, prevKv };
    });
    const batch: EventsBatch = { type: 'events', revision, events: changes };
    this.history.add(batch);
    this.revision = revision;
    this.batches.next(batch);
    this.barrier.advance();
  }

  /** Called when all events up to a revision have arrived. */
  progress(revision: number): void {
    if (revision <= this.revision) return;
    this.revision = revision;
    this.barrier.advance();
  }

  /** Ends all reads and watches with an error. */
  fail(error: unknown): void {
    if (this.ended !== undefined) return;
    this.ended = { error };
    this.barrier.end(error);
    this.batches.error(error);
  }

  /** Ends the cache, as it has no subscriber any more or the client was closed. */
  release(isClosed: boolean): void {
    if (this.ended !== undefined) return;
    const error = isClosed
      ? clientClosed()
      : new EtcdError('Canceled', 'a read of the cache failed: the cache has no subscriber; stay subscribed to the cache during reads');
    this.ended = { error };
    this.barrier.end(error);
    this.batches.complete();
  }

  private makeHandle(): Cache {
    const revision = (): number => this.revision;
    const oldest = (): number => this.history.from;
    const size = (): number => this.size;
    return {
      get revision() {
        return revision();
      },
      get oldestRevision() {
        return oldest();
      },
      get size() {
        return size();
      },
      get: (key, options) => this.get(key, options),
      range: (range, options) => this.range(range, options),
      watch: (range, options) => this.watch(range, options),
    };
  }

  private get(given: BytesLike, options?: CacheReadOptions): Observable<KeyValue | undefined> {
    const copied = capturedBytes(given);
    const consistency = options === undefined ? undefined : readNow(() => checkOptions('cache.get', options, READ).consistency);
    return new Observable((subscriber) => {
      const key = this.keyWithin(copied);
      return this.read(subscriber, consistency?.(), () => this.keys.get(key));
    });
  }

  private range(given?: Range, options: CacheRangeOptions = {}): Observable<CachedRange> {
    const range = captured(given);
    const checked = readNow(() => ({ ...checkOptions('cache.range', options, RANGE) }));
    return new Observable((subscriber) => {
      const { limit = 0, keysOnly = false, consistency } = checked();
      const span = range === undefined ? this.span : this.within('range', spanOf(range));
      return this.read(subscriber, consistency, () => {
        const { kvs, count } = this.keys.within(span, limit === 0 ? Infinity : limit);
        return { revision: this.revision, kvs: keysOnly ? kvs.map(withoutValue) : kvs, more: kvs.length < count, count };
      });
    });
  }

  /**
   * Reads from the cache: at once if the read is local, or else when the cache has reached the revision of the store.
   */
  private read<T>(subscriber: Subscriber<T>, consistency: CacheReadOptions['consistency'], find: () => T): Unsubscribable | undefined {
    if (this.ended !== undefined) return void subscriber.error(this.ended.error);
    if (consistency !== 'local') return this.barrier.add(subscriber, find);
    subscriber.next(find());
    subscriber.complete();
    return undefined;
  }

  private watch(given?: Range, givenOptions: CacheWatchOptions = {}): Observable<WatchEvent> {
    const range = captured(given);
    const options = captured(givenOptions);
    return new Observable((subscriber) => {
      const { startRevision } = checkOptions('cache.watch', options, WATCH);
      const span = range === undefined ? this.span : this.within('watch', spanOf(range));
      if (this.ended !== undefined) return subscriber.error(this.ended.error);
      let next = startRevision ?? this.revision + 1;
      if (next < this.history.from) return subscriber.error(compacted(this.history.from, `revision ${next} was requested`));
      const emit = ({ revision, events }: EventsBatch): void => {
        if (revision < next) return;
        next = revision + 1;
        for (const event of events) if (isWithin(span, event)) subscriber.next(event);
      };
      // A subscriber may cause another change while it receives an event. The loop delivers such a change as well, in
      // the right order.
      for (let missed = this.history.since(next); missed.length > 0 && !subscriber.closed; missed = this.history.since(next))
        missed.forEach(emit);
      const live = new Subscription();
      live.add(
        this.batches.subscribe({ next: emit, error: (error: unknown) => subscriber.error(error), complete: () => subscriber.complete() }),
      );
      return live;
    });
  }

  /** Checks that a key is in the range of the cache. */
  private keyWithin(given: BytesLike): BinaryKey {
    const key = binaryKey(toSingleKey(given).key);
    if (holds(this.span, key)) return key;
    throw beyond('get');
  }

  /** Checks that a span is in the range of the cache. */
  private within(method: string, span: Span): Span {
    if (covers(this.span, span)) return span;
    throw beyond(method);
  }
}

const beyond = (method: string): EtcdError =>
  new EtcdError('InvalidArgument', `range of cache.${method}: expected keys of the cached range, received other keys`);

function compacted(oldest: number, why: string): CompactedError {
  return new CompactedError(`cache.watch failed: ${why}; the cache has the events from revision ${oldest} on; read the range again`, {
    compactRevision: oldest,
  });
}

/**
 * The minimum number of dropped batches that are removed from the list together. They are only removed if they are also
 * at least half of the list.
 */
const REMOVED_FROM = 64;

/** The last events of a cache, in whole revisions. If there are too many events, the oldest revisions are dropped. */
export class History {
  private readonly batches: EventsBatch[] = [];
  /** The index of the oldest batch that is still held. */
  private first = 0;
  /** The number of events that are held. */
  private size = 0;

  /**
   * @param oldest the first revision that the history covers, even if it has no events
   * @param most the maximum number of events
   */
  constructor(
    private oldest: number,
    private readonly most: number,
  ) {}

  /** The first revision that the history covers. */
  get from(): number {
    return this.oldest;
  }

  add(batch: EventsBatch): void {
    this.batches.push(batch);
    this.size += batch.events.length;
    while (this.size > this.most) this.drop();
  }

  /** Returns the batches from a revision on. */
  since(revision: number): readonly EventsBatch[] {
    let [low, high] = [this.first, this.batches.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.batches[middle]?.revision ?? 0) < revision) low = middle + 1;
      else high = middle;
    }
    return this.batches.slice(low);
  }

  private drop(): void {
    const batch = this.batches[this.first];
    if (batch === undefined) return;
    this.first += 1;
    this.size -= batch.events.length;
    this.oldest = batch.revision + 1;
    // Batches are removed together, so that on average each batch is moved at most once.
    if (this.first < REMOVED_FROM || this.first * 2 < this.batches.length) return;
    this.batches.splice(0, this.first);
    this.first = 0;
  }
}
