import * as enums from '../model/responses.js';
import type { KeyValue } from '../model/keyValue.js';
import { KeyValueCodec, ResponseHeader } from './common.js';
import { field, isRecord, lazy, message, type ResponseMessage, type MessageType } from './message.js';
import { rpc, type LongList, type DecodedBy, INVALID, WireType } from './descriptors.js';
import { array, bool, bytes, enumeration, int64, leaseIdCodec, maybe, natural } from './scalars.js';

export const SortOrder = enumeration('SortOrder', enums.SortOrder);
export const SortTarget = enumeration('SortTarget', enums.SortTarget);

export const RangeRequest = message('RangeRequest', {
  key: field(bytes, { required: true }),
  rangeEnd: bytes,
  limit: int64,
  revision: int64,
  sortOrder: SortOrder,
  sortTarget: SortTarget,
  serializable: bool,
  keysOnly: bool,
  countOnly: bool,
  minModRevision: int64,
  maxModRevision: int64,
  minCreateRevision: int64,
  maxCreateRevision: int64,
});

const KeyValues = array(KeyValueCodec);

export const RangeResponse = message('RangeResponse', {
  header: ResponseHeader,
  kvs: KeyValues,
  /** Whether the range has more keys than the limit allowed. */
  more: bool,
  /** The number of keys in the range, regardless of the limit. */
  count: natural,
});

const RANGE_KEYS: LongList<DecodedBy<typeof RangeResponse>> = {
  head: /^\s*\{\s*(?:"header"\s*:\s*\{[^{}[\]]*\}\s*,\s*)?"kvs"\s*:\s*\[/,
  collect: () => {
    const kvs: KeyValue[] = [];
    return {
      add: (elements) => {
        const read = KeyValues.read(elements);
        if (read === INVALID) return false;
        for (const kv of read) kvs.push(kv);
        return true;
      },
      complete: (response) => ({ ...response, kvs: kvs.concat(response.kvs) }),
    };
  },
};

/**
 * Reads the response to a range of one key, and returns the key; undefined if the key does not exist. Reading the key
 * in the codec costs less than an operator for each get.
 */
export const OneKeyResponse = new WireType<KeyValue | undefined, never>(
  RangeResponse.name,
  RangeResponse.kind,
  () => undefined,
  (json) => {
    const response = RangeResponse.read(json);
    return response === INVALID ? INVALID : response.kvs[0];
  },
  RangeResponse.write,
  RangeResponse.explain,
);

export const PutRequest = message('PutRequest', {
  key: field(bytes, { required: true }),
  /** The value. It is required even with `ignoreValue`, and is then empty. */
  value: field(bytes, { required: true }),
  lease: leaseIdCodec,
  prevKv: bool,
  ignoreValue: bool,
  ignoreLease: bool,
});

export const PutResponse = message('PutResponse', { header: ResponseHeader, prevKv: maybe(KeyValueCodec) });

export const DeleteRangeRequest = message('DeleteRangeRequest', {
  key: field(bytes, { required: true }),
  rangeEnd: bytes,
  prevKv: bool,
});

export const DeleteRangeResponse = message('DeleteRangeResponse', {
  header: ResponseHeader,
  /** The number of deleted keys. */
  deleted: natural,
  prevKvs: array(KeyValueCodec),
});

export const CompareResult = enumeration('CompareResult', enums.CompareResult);
export const CompareTarget = enumeration('CompareTarget', enums.CompareTarget);

export const Compare = message('Compare', {
  result: field(CompareResult, { required: true }),
  target: field(CompareTarget, { required: true }),
  key: field(bytes, { required: true }),
  version: int64,
  createRevision: int64,
  modRevision: int64,
  value: bytes,
  lease: field(leaseIdCodec, { since: '3.3' }),
  rangeEnd: field(bytes, { since: '3.3' }),
});

type RangeMessage = typeof RangeRequest;
type In<T> = T extends WireType<infer _, infer I> ? I : never;

/** An operation of a txn in a request. Exactly one of its fields is set. */
export interface RequestOpIn {
  readonly requestRange?: In<RangeMessage> | undefined;
  readonly requestPut?: In<typeof PutRequest> | undefined;
  readonly requestDeleteRange?: In<typeof DeleteRangeRequest> | undefined;
  readonly requestTxn?: TxnRequestIn | undefined;
}

export interface TxnRequestIn {
  readonly compare?: readonly In<typeof Compare>[] | undefined;
  readonly success?: readonly RequestOpIn[] | undefined;
  readonly failure?: readonly RequestOpIn[] | undefined;
}

/** An operation of a txn, as a server reads it. */
export interface RequestOpOut {
  readonly requestRange: DecodedBy<RangeMessage> | undefined;
  readonly requestPut: DecodedBy<typeof PutRequest> | undefined;
  readonly requestDeleteRange: DecodedBy<typeof DeleteRangeRequest> | undefined;
  readonly requestTxn: TxnRequestOut | undefined;
}

/** A txn, as a server reads it. */
export interface TxnRequestOut {
  readonly compare: readonly DecodedBy<typeof Compare>[];
  readonly success: readonly RequestOpOut[];
  readonly failure: readonly RequestOpOut[];
}

/** The response to an operation of a txn. Exactly one of its fields is set. */
export interface ResponseOpOut {
  readonly responseRange: DecodedBy<typeof RangeResponse> | undefined;
  readonly responsePut: DecodedBy<typeof PutResponse> | undefined;
  readonly responseDeleteRange: DecodedBy<typeof DeleteRangeResponse> | undefined;
  readonly responseTxn: TxnResponseOut | undefined;
}

export interface TxnResponseOut {
  readonly header: DecodedBy<typeof ResponseHeader>;
  readonly succeeded: boolean;
  readonly responses: readonly ResponseOpOut[];
}

export const RequestOp: MessageType<RequestOpOut, RequestOpIn> = message('RequestOp', {
  requestRange: maybe(RangeRequest),
  requestPut: maybe(PutRequest),
  requestDeleteRange: maybe(DeleteRangeRequest),
  requestTxn: field(
    lazy('TxnRequest', () => TxnRequest),
    { since: '3.3' },
  ),
});

export const ResponseOp: ResponseMessage<ResponseOpOut> = message('ResponseOp', {
  responseRange: maybe(RangeResponse),
  responsePut: maybe(PutResponse),
  responseDeleteRange: maybe(DeleteRangeResponse),
  responseTxn: field(
    lazy('TxnResponse', () => TxnResponse),
    { since: '3.3' },
  ),
});

export const TxnRequest: MessageType<TxnRequestOut, TxnRequestIn> = message('TxnRequest', {
  compare: array(Compare),
  success: array(RequestOp),
  failure: array(RequestOp),
});

const Results = array(ResponseOp);

/**
 * Reads the results of a txn. If all operations are plain puts at the same revision, all results are one object, as a
 * txn may put thousands of keys.
 */
function readResults(input: unknown): readonly ResponseOpOut[] | typeof INVALID {
  if (!Array.isArray(input)) return INVALID;
  const revision = onlyRevision(input[0]);
  if (revision === undefined || !input.every((result) => onlyRevision(result) === revision)) return Results.read(input);
  const first = ResponseOp.read(input[0]);
  return first === INVALID ? INVALID : new Array<ResponseOpOut>(input.length).fill(first);
}

/** Returns the revision of a result if the result is that of a put without other fields; undefined if it is not. */
const onlyRevision = (result: unknown): unknown => only('revision', only('header', only('response_put', result)));

/** Returns a field of a message if the message has no other field; undefined if it has one. */
function only(name: string, given: unknown): unknown {
  if (!isRecord(given)) return undefined;
  for (const other in given) if (other !== name) return undefined;
  return given[name];
}

export const TxnResponse: ResponseMessage<TxnResponseOut> = message('TxnResponse', {
  header: ResponseHeader,
  succeeded: bool,
  responses: new WireType(Results.name, Results.kind, Results.absent, readResults, Results.write, Results.explain),
});

export const CompactionRequest = message('CompactionRequest', { revision: field(int64, { required: true }), physical: bool });
export const CompactionResponse = message('CompactionResponse', { header: ResponseHeader });

const RANGE = rpc({
  name: 'KV.Range',
  path: '/kv/range',
  request: RangeRequest,
  response: RangeResponse,
  list: RANGE_KEYS,
  safety: 'read',
});

export const kvRpcs = {
  range: RANGE,
  /** The RPC for a range whose response is expected to be long. */
  longRange: rpc({ ...RANGE, long: true }),
  /** The RPC for a range of one key. Its codec returns the key. */
  get: rpc({ name: 'KV.Range', path: '/kv/range', request: RangeRequest, response: OneKeyResponse, safety: 'read' }),
  put: rpc({ name: 'KV.Put', path: '/kv/put', request: PutRequest, response: PutResponse, safety: 'write' }),
  deleteRange: rpc({
    name: 'KV.DeleteRange',
    path: '/kv/deleterange',
    request: DeleteRangeRequest,
    response: DeleteRangeResponse,
    safety: 'write',
  }),
  txn: rpc({ name: 'KV.Txn', path: '/kv/txn', request: TxnRequest, response: TxnResponse, safety: 'write' }),
  /** The RPC for a txn that only reads, which is safe to retry. */
  readTxn: rpc({ name: 'KV.Txn', path: '/kv/txn', request: TxnRequest, response: TxnResponse, safety: 'read' }),
  /**
   * The RPC for a batch of gets, which is sent as a read-only txn. Its errors have the name `KV.Range`, as those of
   * single gets.
   */
  gets: rpc({ name: 'KV.Range', path: '/kv/txn', request: TxnRequest, response: TxnResponse, safety: 'read', joint: true }),
  compact: rpc({ name: 'KV.Compact', path: '/kv/compaction', request: CompactionRequest, response: CompactionResponse, safety: 'write' }),
} as const;
