import type * as t from 'io-ts';
import type { KeyValue } from '../model/keyValue.js';
import type { WatchEvent } from '../model/events.js';
import { Empty, KeyValueCodec, ResponseHeader } from './common.js';
import { field, isRecord, message, MessageType } from './message.js';
import { rpc, INVALID } from './descriptors.js';
import { array, bool, bytes, enumeration, int64, maybe, string } from './scalars.js';

/** The kinds of events that a watch omits. */
export const WatchFilter = enumeration('FilterType', ['NOPUT', 'NODELETE']);
export const EventType = enumeration('EventType', ['PUT', 'DELETE']);

export const WatchCreateRequest = message('WatchCreateRequest', {
  key: field(bytes, { required: true }),
  rangeEnd: bytes,
  /** The first revision to report. By default it is the one after the revision at which the watch is created. */
  startRevision: int64,
  progressNotify: bool,
  filters: array(WatchFilter),
  prevKv: bool,
  /** The id of the watch. etcd 3.3 ignores it, and numbers the watches itself. */
  watchId: field(int64, { since: '3.3' }),
  /** Whether to split responses of more than about 1.5 MB. etcd 3.3 ignores this field. */
  fragment: field(bool, { since: '3.3' }),
});

export const WatchCancelRequest = message('WatchCancelRequest', { watchId: int64 });

/** A request on a watch stream. Exactly one of its fields is set. */
export const WatchRequest = message('WatchRequest', {
  createRequest: maybe(WatchCreateRequest),
  cancelRequest: maybe(WatchCancelRequest),
  progressRequest: field(maybe(Empty), { since: '3.3' }),
});

/** The fields of an event. {@link EventCodec} reads the same fields into a {@link WatchEvent}. */
const EventMessage = message('Event', { type: EventType, kv: KeyValueCodec, prevKv: maybe(KeyValueCodec) });

/** Reads an event. The code is written by hand for speed, as it runs once for each event. */
function readEvent(input: unknown): WatchEvent | typeof INVALID {
  if (!isRecord(input)) return INVALID;
  const wireType = input['type'];
  const type = wireType === undefined || wireType === null ? 'PUT' : EventType.read(wireType);
  // An event without a key is invalid, as it has no revision from which the watch could resume.
  const kv = KeyValueCodec.read(input['kv']);
  if (type === INVALID || kv === INVALID) return INVALID;
  const revision = kv.modRevision;
  const wirePrev = input['prev_kv'];
  if (wirePrev === undefined || wirePrev === null) return type === 'PUT' ? { type: 'put', kv, revision } : { type: 'delete', kv, revision };
  const prevKv = KeyValueCodec.read(wirePrev);
  if (prevKv === INVALID) return INVALID;
  return type === 'PUT' ? { type: 'put', kv, prevKv, revision } : { type: 'delete', kv, prevKv, revision };
}

const explainEvent = (input: unknown, context: t.Context): t.Errors => {
  if (!isRecord(input)) return [{ value: input, context }];
  const kv = input['kv'];
  if (kv !== undefined && kv !== null) return EventMessage.explain(input, context);
  return [{ value: kv, context: [...context, { key: 'kv', type: KeyValueCodec, actual: kv }] }];
};

/** The codec of a change of one key. */
export const EventCodec = new MessageType<
  WatchEvent,
  { readonly type: WatchEvent['type']; readonly kv: KeyValue; readonly prevKv?: KeyValue | undefined }
>(
  'Event',
  EventMessage.fields,
  readEvent,
  ({ type, kv, prevKv }) => EventMessage.write({ type: type === 'put' ? 'PUT' : 'DELETE', kv, prevKv }),
  () => ({ type: 'put', kv: KeyValueCodec.absent(), revision: 0 }),
  explainEvent,
);

export const WatchResponse = message('WatchResponse', {
  /**
   * The header with the current revision of the store. It is not the revision of the last event, so a watch must not
   * resume from it.
   */
  header: ResponseHeader,
  /** The id of the watch. It is -1 in the response to a progress request, and to a create request that failed. */
  watchId: int64,
  /** Whether this is the response to a create request. If `canceled` is true as well, the request was rejected. */
  created: bool,
  canceled: bool,
  /** The oldest revision that still exists, if the history that the watch needs was compacted; otherwise 0. */
  compactRevision: int64,
  cancelReason: string,
  /** Whether more parts of this response follow. */
  fragment: field(bool, { since: '3.3' }),
  events: array(EventCodec),
});

export const watchRpcs = {
  /** The RPC for a bidirectional stream of many watches. */
  watch: rpc({
    name: 'Watch.Watch',
    path: '/watch',
    request: WatchRequest,
    response: WatchResponse,
    safety: 'read',
    needsLeader: true,
  }),
} as const;
