import type * as t from 'io-ts';
import type { KeyValue } from '../model/keyValue.js';
import type { WatchEvent } from '../model/watchEvent.js';
import { Empty, KeyValueCodec, ResponseHeader } from './common.js';
import { field, isRecord, message, MessageType } from './message.js';
import { rpc } from './rpc.js';
import { array, bool, bytes, enumeration, int64, maybe, string } from './scalars.js';
import { INVALID } from './wire.js';

/** What a watch shall leave out. */
export const WatchFilter = enumeration('FilterType', ['NOPUT', 'NODELETE']);
export const EventType = enumeration('EventType', ['PUT', 'DELETE']);

export const WatchCreateRequest = message('WatchCreateRequest', {
  key: field(bytes, { required: true }),
  rangeEnd: bytes,
  /** The first revision to report; left out, what comes after the create. */
  startRevision: int64,
  progressNotify: bool,
  filters: array(WatchFilter),
  prevKv: bool,
  /** etcd 3.3 knows the name, but ignores it: watches are numbered by the server there. */
  watchId: field(int64, { since: '3.3' }),
  /** Split a response of more than about 1.5 MB. etcd 3.3 knows the name, but ignores it. */
  fragment: field(bool, { since: '3.3' }),
});

export const WatchCancelRequest = message('WatchCancelRequest', { watchId: int64 });

/** What a client says on a watch stream: just one of its fields is set. */
export const WatchRequest = message('WatchRequest', {
  createRequest: maybe(WatchCreateRequest),
  cancelRequest: maybe(WatchCancelRequest),
  progressRequest: field(maybe(Empty), { since: '3.3' }),
});

/** The plain shape of an event; {@link EventCodec} reads the same fields into a {@link WatchEvent}. */
const EventMessage = message('Event', { type: EventType, kv: KeyValueCodec, prevKv: maybe(KeyValueCodec) });

/** Written out by hand, for it runs once an event. */
function readEvent(input: unknown): WatchEvent | typeof INVALID {
  if (!isRecord(input)) return INVALID;
  const wireType = input['type'];
  const type = wireType === undefined || wireType === null ? 'PUT' : EventType.read(wireType);
  // An event is about a key: without one it is no event, and it would have no revision to resume from.
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

/** A change of one key. */
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
  /** Its revision is the store's current one, not that of the last event: never resume from it. */
  header: ResponseHeader,
  /** -1 for the answer to a progress request, and for a create that failed. */
  watchId: int64,
  /** The answer to a create request, be it with `canceled` a refusal. */
  created: bool,
  canceled: bool,
  /** More than 0 where history that the watch needed is gone: the oldest revision that is still there. */
  compactRevision: int64,
  cancelReason: string,
  /** More parts of this response follow. */
  fragment: field(bool, { since: '3.3' }),
  events: array(EventCodec),
});

export const watchRpcs = {
  /** A stream both ways, of many watches. */
  watch: rpc({
    name: 'Watch.Watch',
    path: '/watch',
    request: WatchRequest,
    response: WatchResponse,
    safety: 'read',
    needsLeader: true,
  }),
} as const;
