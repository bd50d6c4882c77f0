import type { Observable } from 'rxjs';
import type { BytesLike } from '../../model/bytes.js';
import type { WatchEvent } from '../../model/events.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Range } from '../../model/range.js';

/** Options for a cache. */
export interface CacheOptions {
  /**
   * The maximum number of events that the cache keeps for watches that begin in the past. The cache always drops whole
   * revisions.
   *
   * @defaultValue 1000
   */
  readonly historyEvents?: number;
}

/** Options for reading from a cache. */
export interface CacheReadOptions {
  /**
   * - `linearizable`: the state is not older than the read. The read waits until the cache has reached the revision of
   *   the store. Reads that wait at the same time share one request
   * - `local`: the current state of the cache, at once and without a request. The state may be older than that of the
   *   store
   *
   * @defaultValue 'linearizable'
   */
  readonly consistency?: 'linearizable' | 'local';
}

/** Options for reading a range from a cache. */
export interface CacheRangeOptions extends CacheReadOptions {
  /** The maximum number of keys to return; 0 for all. */
  readonly limit?: number;
  /** Whether to return keys without their values. */
  readonly keysOnly?: boolean;
}

/** Options for a watch of a cache. */
export interface CacheWatchOptions {
  /**
   * The first revision to report, which must not be below {@link Cache.oldestRevision}. By default, changes from the
   * subscription on are reported.
   */
  readonly startRevision?: number;
}

/** The keys of a range at one revision, as they were read from a cache. */
export interface CachedRange {
  /** The revision of the store that this state shows. */
  readonly revision: number;
  /** The key-values, in the order of their keys. */
  readonly kvs: readonly KeyValue[];
  /** Whether the range has more keys than the limit allowed. */
  readonly more: boolean;
  /** The number of keys in the range, regardless of the limit. */
  readonly count: number;
}

/**
 * A range that one watch keeps in memory while the Observable of {@link Namespace.cache} has a subscriber, and for
 * `streams.lingerMs` after that. Later reads and watches error with `Canceled`, or with `ClientClosed` if the client is
 * closed. If the Observable has errored, they receive its error.
 */
export interface Cache {
  /** The revision of the store that the state in memory shows. */
  readonly revision: number;
  /** The lowest revision from which a watch of the cache can begin, as the cache has no earlier events. */
  readonly oldestRevision: number;
  /** The number of keys in memory. */
  readonly size: number;

  /**
   * Reads a key of the cached range. Emits undefined if the key does not exist. Errors with `InvalidArgument` if the
   * key is not in the range.
   *
   * A linearizable read errors with `DeadlineExceeded` if it takes longer than the client's `requestTimeoutMs`. If the
   * store cannot be reached, the read errors as `kv.get` does.
   */
  get(key: BytesLike, options?: CacheReadOptions): Observable<KeyValue | undefined>;

  /**
   * Reads the keys of a part of the cached range, or all of them, as of one revision. Errors as {@link Cache.get} does.
   */
  range(range?: Range, options?: CacheRangeOptions): Observable<CachedRange>;

  /**
   * Emits the changes of a part of the cached range, or of all of it, each with the previous key-value if there was
   * one. The watch can begin at any revision from {@link Cache.oldestRevision} on, and creates no watch on the server.
   * Errors with `Compacted` if the start revision is lower, or if the cache loses the history later. In that case, read
   * the range again, and watch from the next revision on. Completes when the cache has no subscriber any more, or the
   * client is closed.
   */
  watch(range?: Range, options?: CacheWatchOptions): Observable<WatchEvent>;
}
