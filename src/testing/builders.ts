import { EtcdError } from '../errors/index.js';
import { type BytesLike, toBase64 } from '../model/bytes.js';
import type { LeaseId } from '../model/ids.js';
import { KeyValue } from '../model/keyValue.js';
import type { DeleteEvent, EventsBatch, PutEvent, WatchEvent } from '../model/events.js';

/** The fields of a {@link KeyValue}. All fields except the key have defaults. */
export interface KeyValueFields {
  readonly key: BytesLike;
  /** The value; empty by default. */
  readonly value?: BytesLike;
  /** The revision of the last change; 1 by default. */
  readonly modRevision?: number;
  /** The number of changes since the key was created; 1 by default. */
  readonly version?: number;
  /**
   * The revision at which the key was created. The default is `modRevision` if the version is 1, and 1 for any other
   * version.
   */
  readonly createRevision?: number;
  readonly lease?: LeaseId;
}

/** The fields of a put event. */
export interface PutEventFields extends KeyValueFields {
  /** The key-value before the change. Its key is by default the key of the event. */
  readonly prevKv?: KeyValue | Partial<KeyValueFields>;
}

/** The fields of a delete event. */
export interface DeleteEventFields {
  readonly key: BytesLike;
  /** The revision of the deletion; 1 by default. */
  readonly modRevision?: number;
  /** The key-value before the deletion. Its key is by default the key of the event. */
  readonly prevKv?: KeyValue | Partial<KeyValueFields>;
}

/**
 * Creates a key with its value, as a read or an event contains it. Two results with the same fields are deeply equal.
 *
 * ```ts
 * console.log(keyValue({ key: 'app/color', value: 'red' }).value);
 * // Logs: red
 * ```
 */
export function keyValue({ key, value = '', modRevision = 1, version = 1, createRevision, lease }: KeyValueFields): KeyValue {
  return new KeyValue({
    key64: toBase64(key),
    value64: toBase64(value),
    createRevision: createRevision ?? (version === 1 ? modRevision : 1),
    modRevision,
    version,
    lease,
  });
}

/**
 * Creates the event of a put. Its revision is the `modRevision` of the key.
 *
 * ```ts
 * of(putEvent({ key: 'a', value: '1' })).pipe(puts()).subscribe(({ kv }) => console.log(kv.value));
 * // Logs: 1
 * ```
 */
export function putEvent({ prevKv, ...fields }: PutEventFields): PutEvent {
  const kv = keyValue(fields);
  return { type: 'put', kv, revision: kv.modRevision, ...previous(fields.key, prevKv) };
}

/** Creates the event of a deletion. Its key has no value. */
export function deleteEvent({ key, modRevision = 1, prevKv }: DeleteEventFields): DeleteEvent {
  const kv = keyValue({ key, modRevision, createRevision: 0, version: 0 });
  return { type: 'delete', kv, revision: modRevision, ...previous(key, prevKv) };
}

/**
 * Creates the batch of all events of one revision.
 *
 * @throws EtcdError `InvalidArgument` if the events have different revisions, because all events of a batch have one
 * revision
 */
export function batch(...events: readonly [WatchEvent, ...WatchEvent[]]): EventsBatch {
  const [{ revision }] = events;
  const other = events.find((event) => event.revision !== revision);
  if (other === undefined) return { type: 'events', revision, events };
  throw new EtcdError('InvalidArgument', `batch: expected events of one revision, received ${revision} and ${other.revision}`);
}

const previous = (key: BytesLike, prevKv: PutEventFields['prevKv']): { readonly prevKv?: KeyValue } => {
  if (prevKv === undefined) return {};
  return { prevKv: prevKv instanceof KeyValue ? prevKv : keyValue({ key, ...prevKv }) };
};
