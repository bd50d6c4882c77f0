import type { Range, WatchOptions } from '../../../src/index.js';

/** A delivered event. */
export interface Delivered {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly value: string;
  /** The value of `prevKv`. */
  readonly prev: string | undefined;
  readonly revision: number;
}

/** A delivered batch. */
export interface DeliveredBatch {
  readonly type: 'events' | 'progress';
  readonly revision: number;
  readonly events: readonly Delivered[];
}

/** The options of a watch, and its batches in the order of their delivery. */
export interface Watched {
  readonly name: string;
  readonly range: Range;
  readonly options: WatchOptions;
  readonly batches: readonly DeliveredBatch[];
  /**
   * The revision up to which it must have delivered everything. Default: the last delivered revision, for a watch that
   * was unsubscribed.
   */
  readonly through?: number | undefined;
  /** The revision of the last compaction. The value before a change up to this revision may be missing in `prevKv`. */
  readonly compacted?: number;
}
