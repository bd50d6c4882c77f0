import type { WatchEvent } from './watchEvent.js';

/** All changes of one revision: what etcd did at once is delivered at once. */
export interface EventsBatch {
  readonly type: 'events';
  readonly revision: number;
  /** At least one. */
  readonly events: readonly WatchEvent[];
}

/** Everything up to `revision` has been delivered: no event of it or before it is still to come. */
export interface ProgressBatch {
  readonly type: 'progress';
  readonly revision: number;
  /** None. */
  readonly events: readonly WatchEvent[];
}

/** What a watch gives as a unit: a whole revision, or a bookmark. */
export type WatchBatch = EventsBatch | ProgressBatch;

/** One for all bookmarks: each watch holds its last. */
const NONE: readonly WatchEvent[] = Object.freeze([]);

/** A bookmark. */
export function progress(revision: number): ProgressBatch {
  return { type: 'progress', revision, events: NONE };
}
