import type { Range, WatchOptions } from '../../../src/index.js';

/** An event as it was delivered. */
export interface Delivered {
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly value: string;
  /** The value of `prevKv`. */
  readonly prev: string | undefined;
  readonly revision: number;
}

/** A batch as it was delivered. */
export interface DeliveredBatch {
  readonly type: 'events' | 'progress';
  readonly revision: number;
  readonly events: readonly Delivered[];
}

/** What a watch was asked for, and what it delivered, in that order. */
export interface Watched {
  readonly name: string;
  readonly range: Range;
  readonly options: WatchOptions;
  readonly batches: readonly DeliveredBatch[];
  /** It must have delivered all up to here; left out, for a watch that was left, up to the last that it delivered. */
  readonly through?: number | undefined;
  /** The store was compacted to here: what was before a revision up to this one may be gone, so that `prevKv` may be missing. */
  readonly compacted?: number;
}
