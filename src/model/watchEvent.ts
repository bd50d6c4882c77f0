import type { KeyValue } from './keyValue.js';

/** A key was created or changed. */
export interface PutEvent {
  readonly type: 'put';
  readonly kv: KeyValue;
  /** What it was before: only with `prevKv`, and missing where the key is new or its past was compacted away. */
  readonly prevKv?: KeyValue;
  /** The revision of the change. */
  readonly revision: number;
}

/** A key was deleted, or its lease ended. */
export interface DeleteEvent {
  readonly type: 'delete';
  /** Its key and the revision of the deletion; the value is empty. */
  readonly kv: KeyValue;
  /** What it was before: only with `prevKv`, and missing where its past was compacted away. */
  readonly prevKv?: KeyValue;
  /** The revision of the deletion. */
  readonly revision: number;
}

/** A change, as a watch reports it. */
export type WatchEvent = PutEvent | DeleteEvent;
