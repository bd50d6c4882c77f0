import type { KeyValue } from './keyValue.js';

/** A key was created or changed. */
export interface PutEvent {
  readonly type: 'put';
  readonly kv: KeyValue;
  /** The key before the change: only with `prevKv`, and missing if the key is new or its history was compacted. */
  readonly prevKv?: KeyValue;
  /** The revision of the change. */
  readonly revision: number;
}

/** A key was deleted, or its lease ended. */
export interface DeleteEvent {
  readonly type: 'delete';
  /** The key and the revision of the deletion; the value is empty. */
  readonly kv: KeyValue;
  /** The key before the deletion: only with `prevKv`, and missing if its history was compacted. */
  readonly prevKv?: KeyValue;
  /** The revision of the deletion. */
  readonly revision: number;
}

/** The change of a key, as a watch reports it. */
export type WatchEvent = PutEvent | DeleteEvent;

/** All events of one revision, which are delivered together. */
export interface EventsBatch {
  readonly type: 'events';
  readonly revision: number;
  /** At least one event. */
  readonly events: readonly WatchEvent[];
}

/** A progress notification: all events up to and including `revision` have been delivered. */
export interface ProgressBatch {
  readonly type: 'progress';
  readonly revision: number;
  /** Always empty. */
  readonly events: readonly WatchEvent[];
}

/** An emission of a watch in batches: a whole revision, or a progress notification. */
export type WatchBatch = EventsBatch | ProgressBatch;

/** One array for all progress notifications, as each watch keeps its last one. */
const NONE: readonly WatchEvent[] = Object.freeze([]);

/** Makes a progress notification. */
export function progress(revision: number): ProgressBatch {
  return { type: 'progress', revision, events: NONE };
}
