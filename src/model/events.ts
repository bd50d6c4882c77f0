import type { KeyValue } from './keyValue.js';
import type { EtcdError } from '../errors/index.js';
import type { ResponseHeader } from './responses.js';

/** The event of a key that was created or changed. */
export interface PutEvent {
  readonly type: 'put';
  readonly kv: KeyValue;
  /**
   * The key before the change. It is present only with the option `prevKv`, if the key existed and its history was not
   * compacted.
   */
  readonly prevKv?: KeyValue;
  /** The revision of the change. */
  readonly revision: number;
}

/** The event of a key that was deleted, by a request or because its lease ended. */
export interface DeleteEvent {
  readonly type: 'delete';
  /** The deleted key with the revision of the deletion. Its value is empty. */
  readonly kv: KeyValue;
  /**
   * The key before the deletion. It is present only with the option `prevKv`, if the history of the key was not
   * compacted.
   */
  readonly prevKv?: KeyValue;
  /** The revision of the deletion. */
  readonly revision: number;
}

/** The change of a key, as a watch reports it. */
export type WatchEvent = PutEvent | DeleteEvent;

/**
 * Returns whether an event created its key: a put of a key that did not exist.
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

/** Returns whether an event changed a key: a put of a key that existed. */
export function isModify(event: WatchEvent): event is PutEvent {
  return event.type === 'put' && event.kv.createRevision !== event.kv.modRevision;
}

/** All events of one revision, which are delivered together. */
export interface EventsBatch {
  readonly type: 'events';
  readonly revision: number;
  /** The events; there is at least one. */
  readonly events: readonly WatchEvent[];
  /**
   * The header of the server's message. It has the member that sent the message, the raft term of the member, and the
   * revision of the store at that time.
   */
  readonly header?: ResponseHeader;
}

/** A progress notification: all events up to and including `revision` have been delivered. */
export interface ProgressBatch {
  readonly type: 'progress';
  readonly revision: number;
  /** An empty list. */
  readonly events: readonly WatchEvent[];
  /** The header of the server's message. The first notification of a subscription has no header. */
  readonly header?: ResponseHeader;
}

/** An emission of a watch in batches: a whole revision, or a progress notification. */
export type WatchBatch = EventsBatch | ProgressBatch;

/** Returns the revision up to which all events have been delivered, including those of a batch. */
export const lastRevision = ({ revision }: WatchBatch): number => revision;

/** Creates the batch of a revision. */
export function eventsBatch(events: readonly WatchEvent[], revision: number, header?: ResponseHeader): EventsBatch {
  return header === undefined ? { type: 'events', revision, events } : { type: 'events', revision, events, header };
}

/** All progress notifications share one empty list, as each watch keeps its last notification. */
const NONE: readonly WatchEvent[] = Object.freeze([]);

/** Creates a progress notification. */
export function progress(revision: number, header?: ResponseHeader): ProgressBatch {
  return header === undefined ? { type: 'progress', revision, events: NONE } : { type: 'progress', revision, events: NONE, header };
}

/**
 * The event of an ownership that was lost. The next ownership is awaited. This type has no property of an ownership, so
 * that code which confuses the two types does not compile.
 */
export interface OwnershipLost {
  readonly type: 'lost';
  /** The cause of the loss. */
  readonly error: EtcdError;
}

/**
 * An event of a lock or an election with the option `onLost: 'reacquire'`.
 * - `owned`: the lock is owned from now on, with a new `revision` and a new `guard`
 * - `lost`: the ownership is no longer certain, so stop the work under the lock. Another `owned` follows
 */
export type OwnershipEvent<T extends object> = (T & { readonly type: 'owned' }) | OwnershipLost;
