import type { KeyValue } from './keyValue.js';
import type { EtcdError } from '../errors/index.js';
import type { ResponseHeader } from './responses.js';

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

/**
 * Tells whether an event created its key: a put of a key that did not exist.
 *
 * ```ts
 * import { isCreate, isModify } from 'rxetcd';
 *
 * etcd.watch({ prefix: 'app/' }).pipe(filter(isCreate)).subscribe(({ kv }) => console.log(`new: ${kv.key}`));
 * etcd.watch({ prefix: 'app/' }).pipe(filter(isModify)).subscribe(({ kv }) => console.log(`changed: ${kv.key}`));
 * ```
 */
export function isCreate(event: WatchEvent): event is PutEvent {
  return event.type === 'put' && event.kv.createRevision === event.kv.modRevision;
}

/** Tells whether an event changed a key: a put of a key that existed. */
export function isModify(event: WatchEvent): event is PutEvent {
  return event.type === 'put' && event.kv.createRevision !== event.kv.modRevision;
}

/** All events of one revision, which are delivered together. */
export interface EventsBatch {
  readonly type: 'events';
  readonly revision: number;
  /** At least one event. */
  readonly events: readonly WatchEvent[];
  /** The header of the server's message: the member that sent it, its raft term, and the store's revision then. */
  readonly header?: ResponseHeader;
}

/** A progress notification: all events up to and including `revision` have been delivered. */
export interface ProgressBatch {
  readonly type: 'progress';
  readonly revision: number;
  /** Always empty. */
  readonly events: readonly WatchEvent[];
  /** The header of the server's message; the notification with which a subscription begins has none. */
  readonly header?: ResponseHeader;
}

/** An emission of a watch in batches: a whole revision, or a progress notification. */
export type WatchBatch = EventsBatch | ProgressBatch;

/** Returns the revision up to which everything has been delivered with a batch. */
export const lastRevision = ({ revision }: WatchBatch): number => revision;

/** Makes the batch of a revision. */
export function eventsBatch(events: readonly WatchEvent[], revision: number, header?: ResponseHeader): EventsBatch {
  return header === undefined ? { type: 'events', revision, events } : { type: 'events', revision, events, header };
}

/** One array for all progress notifications, as each watch keeps its last one. */
const NONE: readonly WatchEvent[] = Object.freeze([]);

/** Makes a progress notification. */
export function progress(revision: number, header?: ResponseHeader): ProgressBatch {
  return header === undefined ? { type: 'progress', revision, events: NONE } : { type: 'progress', revision, events: NONE, header };
}

/**
 * Reports that an ownership was lost and that the next one is awaited. It has no field of an ownership, so that code
 * which confuses the two types does not compile.
 */
export interface OwnershipLost {
  readonly type: 'lost';
  /** The reason of the loss. */
  readonly error: EtcdError;
}

/**
 * Reports each ownership and each loss (`onLost: 'reacquire'`).
 * - `owned`: the lock is owned from now on, with a new `revision` and a new `guard`
 * - `lost`: the ownership is no longer certain: stop the work under the lock. Another `owned` follows
 */
export type OwnershipEvent<T extends object> = (T & { readonly type: 'owned' }) | OwnershipLost;
