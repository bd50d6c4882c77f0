import { EMPTY, type Observable, type Observer, Subscription, switchMap, timer, type Unsubscribable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { ClusterId } from '../../model/ids.js';
import { LONGEST_MS } from '../../model/validate.js';
import { Deadline, SharedTimeout } from '../../util/time.js';
import { UNKNOWN_CLUSTER } from '../cursor.js';

/** The facts about the current keys of a range that the store can send in one response. */
export interface RangeSummary {
  readonly count: number;
  /** The newest revision at which one of the current keys was changed; 0 if there is no key. */
  readonly newestChange: number;
}

/** The state of the store that a linearizable request has found. */
export interface StorePosition {
  readonly clusterId: ClusterId;
  readonly revision: number;
  /** The keys of the range, if they were requested. */
  readonly keys?: RangeSummary;
}

/** The facts about a cache by which a barrier decides whether a read may return. */
export interface Progressing {
  readonly revision: number;
  readonly clusterId: ClusterId;
  readonly size: number;
  readonly newestChange: number;
}

/** The two linearizable requests of a barrier. */
export interface PositionRequests {
  /** Reads the revision of the store. This costs the server little. */
  readonly revision: Observable<StorePosition>;
  /** Reads the revision and a summary of the keys. For the summary, the server reads the whole range. */
  readonly summary: Observable<StorePosition>;
}

/** The number of keys up to which a summary costs the server hardly more than the revision alone. */
const FEW_KEYS = 128;

/**
 * The pause before the summary of a larger range is requested, in milliseconds. Most missing changes arrive within this
 * time, so that no summary is needed.
 */
const SUMMARY_AFTER_MS = 10;

/** A read that waits until the cache has reached the store's revision. */
interface PendingRead extends Deadline {
  /** The set of reads that wait for the same response as this one. */
  batch: Set<PendingRead> | undefined;
  response(): void;
  fail(error: unknown): void;
}

/**
 * A read for one observer. A read ends with a response, an error, a timeout or by unsubscribing. Each of them calls a
 * method instead of a closure, so that a read needs only one object.
 */
class ObservedRead<T> extends Deadline implements PendingRead, Unsubscribable {
  batch: Set<PendingRead> | undefined;

  constructor(
    private readonly barrier: ReadBarrier,
    private readonly observer: Observer<T>,
    private readonly find: () => T,
  ) {
    super();
  }

  response(): void {
    this.observer.next(this.find());
    this.observer.complete();
  }

  fail(error: unknown): void {
    this.observer.error(error);
  }

  expire(): void {
    this.barrier.expire(this);
  }

  unsubscribe(): void {
    this.barrier.remove(this);
  }
}

/** Reads whose response has a higher revision than the cache. */
interface Behind {
  readonly reads: Set<PendingRead>;
  /**
   * The revision that the cache has to reach. It is `Infinity` if the response came from another store, which the cache
   * has not listed yet.
   */
  revision: number;
  keys: RangeSummary | undefined;
}

/**
 * Lets linearizable reads wait until the cache has reached the revision that the store had when the reads began. One
 * request serves all reads that wait for it. A read never uses a request that was sent before the read began.
 *
 * The header of a response shows the revision of the whole store. If only keys outside the range were changed since the
 * cache's revision, no event shows that the cache has reached the store's revision. So the barrier requests a summary
 * of the keys in the range. If the cache has the same number of keys and the same newest change, it has the same keys
 * and values as the store:
 * - Each key of the store is in the cache with the same value, as the cache has received the last event of the key
 * - The cache has no other keys, as the number of keys is the same
 */
export class ReadBarrier {
  private waiting = new Set<PendingRead>();
  private running: { readonly reads: Set<PendingRead>; readonly request: Subscription } | undefined;
  private behind: Behind[] = [];
  private summarizing: Subscription | undefined;
  private readonly deadlines: SharedTimeout | undefined;
  private ended: { readonly error: unknown } | undefined;

  constructor(
    private readonly cache: Progressing,
    private readonly requests: PositionRequests,
    private readonly timeoutMs: number,
  ) {
    this.deadlines = timeoutMs > LONGEST_MS ? undefined : new SharedTimeout(timeoutMs);
  }

  /**
   * Adds a read, which waits until the cache has reached the revision of the store.
   *
   * @param find reads from the cache; called when the cache is new enough
   * @returns the waiting read; unsubscribing from it ends the wait
   */
  add<T>(observer: Observer<T>, find: () => T): Unsubscribable | undefined {
    if (this.ended !== undefined) return void observer.error(this.ended.error);
    const read = new ObservedRead(this, observer, find);
    this.enqueue(read);
    this.deadlines?.add(read);
    this.sendRequest();
    return read;
  }

  /** Completes the reads whose revision the cache has reached. */
  advance(): void {
    if (this.behind.length === 0) return;
    const reached = this.behind.filter((each) => this.isReached(each));
    if (reached.length === 0) return;
    this.behind = this.behind.filter((each) => !reached.includes(each));
    for (const { reads } of reached) this.response(reads);
  }

  /**
   * Repeats the requests of all reads, because the range was listed again. The list may come from a store whose
   * revisions are lower.
   */
  restart(): void {
    for (const read of this.cancelRequests()) this.enqueue(read);
    this.sendRequest();
  }

  /** Fails all waiting reads and all later ones. */
  end(error: unknown): void {
    this.ended ??= { error };
    for (const read of this.cancelRequests()) this.enqueue(read);
    this.failAll(this.waiting, error);
  }

  private enqueue(read: PendingRead): void {
    read.batch = this.waiting;
    this.waiting.add(read);
  }

  private sendRequest(): void {
    if (this.running !== undefined || this.waiting.size === 0) return;
    const reads = this.waiting;
    this.waiting = new Set();
    const running = (this.running = { reads, request: new Subscription() });
    const { revision: since, size } = this.cache;
    const done = (settle: () => void): void => {
      if (this.running !== running) return;
      // Reads that begin during this request wait for the next request.
      settle();
      // An observer that receives its result may end the other waiting reads, and may begin another read, which sends
      // the next request.
      if (this.running === running) this.running = undefined;
      this.sendRequest();
    };
    const source = size <= FEW_KEYS ? this.requests.summary : this.requests.revision;
    running.request.add(
      source.subscribe({
        next: (position) => done(() => this.settle(reads, position, since)),
        error: (error: unknown) => done(() => this.failAll(reads, error)),
      }),
    );
  }

  private settle(reads: Set<PendingRead>, position: StorePosition, since: number): void {
    const revision = this.isSameStore(position, since) ? position.revision : Infinity;
    const behind: Behind = { reads, revision, keys: position.keys };
    if (this.isReached(behind)) return this.response(reads);
    this.behind.push(behind);
    this.summarize();
  }

  /**
   * Returns whether a response came from the same store as the state of the cache. A lower revision shows that the
   * store was restored from a backup. The watch will detect this as well, and the range is then listed again.
   */
  private isSameStore({ clusterId, revision }: StorePosition, since: number): boolean {
    const isKnown = clusterId !== UNKNOWN_CLUSTER && this.cache.clusterId !== UNKNOWN_CLUSTER;
    return revision >= since && !(isKnown && clusterId !== this.cache.clusterId);
  }

  private isReached({ revision, keys }: Behind): boolean {
    if (this.cache.revision >= revision) return true;
    return revision !== Infinity && keys !== undefined && keys.count === this.cache.size && keys.newestChange === this.cache.newestChange;
  }

  /** Requests a summary for the reads that lack it, unless such a request is already running. */
  private summarize(): void {
    if (this.summarizing !== undefined || this.lackingSummary().length === 0) return;
    let lacking: readonly Behind[] = [];
    let since = 0;
    const request = timer(SUMMARY_AFTER_MS).pipe(
      switchMap(() => {
        lacking = this.lackingSummary();
        since = this.cache.revision;
        return lacking.length === 0 ? EMPTY : this.requests.summary;
      }),
    );
    const done = (): void => {
      this.summarizing = undefined;
      this.summarize();
    };
    this.summarizing = new Subscription();
    this.summarizing.add(
      request.subscribe({
        next: (position) => {
          const isSame = this.isSameStore(position, since);
          for (const each of lacking) {
            each.keys = position.keys;
            if (!isSame) each.revision = Infinity;
          }
          if (isSame) this.advance();
        },
        error: (error: unknown) => {
          this.behind = this.behind.filter((each) => !lacking.includes(each));
          for (const { reads } of lacking) this.failAll(reads, error);
          done();
        },
        complete: done,
      }),
    );
  }

  private lackingSummary(): readonly Behind[] {
    return this.behind.filter(({ keys, revision }) => keys === undefined && revision !== Infinity);
  }

  private response(reads: Set<PendingRead>): void {
    this.takeAll(reads, (read) => read.response());
  }

  private failAll(reads: Set<PendingRead>, error: unknown): void {
    this.takeAll(reads, (read) => read.fail(error));
  }

  /** Ends the wait of each read in a set. Ending one read may end other reads of the set. */
  private takeAll(reads: Set<PendingRead>, end: (read: PendingRead) => void): void {
    for (const read of reads) {
      reads.delete(read);
      this.deadlines?.delete(read);
      end(read);
    }
  }

  /** Removes a read that no longer waits, and cancels the request if no other read waits for it. */
  remove(read: PendingRead): void {
    const { batch } = read;
    if (batch?.delete(read) !== true) return;
    this.deadlines?.delete(read);
    if (batch.size > 0) return;
    if (this.running?.reads === batch) {
      this.running.request.unsubscribe();
      this.running = undefined;
      this.sendRequest();
    } else this.behind = this.behind.filter(({ reads }) => reads !== batch);
  }

  /** Cancels the requests, and returns the reads that waited for them. */
  private cancelRequests(): readonly PendingRead[] {
    const reads = [...(this.running?.reads ?? []), ...this.behind.flatMap((each) => [...each.reads])];
    this.running?.request.unsubscribe();
    this.summarizing?.unsubscribe();
    this.running = this.summarizing = undefined;
    this.behind = [];
    return reads;
  }

  /** Fails a read that has waited for too long. */
  expire(read: PendingRead): void {
    this.remove(read);
    read.fail(
      new EtcdError(
        'DeadlineExceeded',
        `a read of the cache failed: the cache has not reached the revision of the store within ${this.timeoutMs} ms; check the connection of the watch`,
      ),
    );
  }
}
