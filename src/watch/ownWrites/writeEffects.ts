import {
  CampaignRequest,
  electionRpcs,
  ProclaimRequest,
  ResignRequest,
  LockRequest,
  lockRpcs,
  UnlockRequest,
} from '../../codec/concurrency.js';
import {
  DeleteRangeRequest,
  kvRpcs,
  PutRequest,
  TxnRequest,
  type RequestOpIn,
  type ResponseOpOut,
  type TxnRequestIn,
  type TxnResponseOut,
} from '../../codec/kv.js';
import { leaseRpcs, LeaseRevokeRequest } from '../../codec/lease.js';
import { type Rpc, INVALID } from '../../codec/descriptors.js';
import type { BytesLike } from '../../model/bytes.js';
import type { LeaseId } from '../../model/ids.js';
import { prefixEnd, type KeyRange, binaryKey, keyBytes } from '../../model/range.js';

/**
 * Receives the effects of a write on the keys of the store, after the response to the write. Each effect is one call.
 */
export interface WriteEffects {
  /** Reports that the key was put. The event of the put has this revision. */
  put(key: BytesLike, revision: number): void;
  /**
   * Reports that the range had no key at this revision.
   *
   * @param deleted whether the write deleted keys of the range; undefined if unknown. The delete events of these keys
   * have the revision `revision`
   */
  cleared(range: KeyRange, revision: number, deleted: boolean | undefined): void;
  /** Reports that no key was attached to the lease at this revision. */
  revoked(lease: LeaseId, revision: number): void;
  /** Reports that the key exists, and was put at this revision or an earlier one. */
  held(key: BytesLike, revision: number): void;
}

/** The description of an RPC that writes keys. */
interface WritingRpc<In, A> {
  /** The ranges that a request may write to. */
  readonly ranges: (request: In) => readonly KeyRange[];
  readonly report: (request: In, response: A, effects: WriteEffects) => void;
}

const EVERYTHING: KeyRange = { key: '\0', rangeEnd: '\0' };

/** Returns the range of the keys of a lock or an election. These keys consist of the name, a slash and a lease. */
function placesOf(name: BytesLike | undefined): readonly KeyRange[] {
  if (name === undefined) return [];
  const prefix = keyBytes(`${binaryKey(name)}/`);
  return [{ key: prefix, rangeEnd: prefixEnd(prefix) }];
}

const keyRange = (key: BytesLike, rangeEnd: BytesLike | undefined): KeyRange =>
  rangeEnd === undefined || rangeEnd.length === 0 ? { key } : { key, rangeEnd };

/** Applies `use` to a field that is optional in its type, although the codec of the request requires it. */
const given = <T, R>(field: T | undefined, use: (field: T) => R, otherwise: R): R => (field === undefined ? otherwise : use(field));

const byRpc = new Map<object, unknown>();
/** The RPCs that write keys, by their path. Raw calls are looked up by path. */
const byPath = new Map<string, WritingRpc<string, unknown>>();

/**
 * Adds an RPC that writes keys.
 *
 * @param message reads the request of a raw call
 */
function add<In, A>(
  rpc: Rpc<In, A>,
  message: { read(json: unknown): In | typeof INVALID },
  writing: WritingRpc<In, A>,
  ...paths: string[]
): void {
  byRpc.set(rpc, writing);
  const raw: WritingRpc<string, unknown> = {
    ranges: (text) => given(readRaw(message, text), (read) => writing.ranges(read), []),
    report: (text, response, effects) => {
      const request = readRaw(message, text);
      const understood = readRaw(rpc.response, response);
      if (request !== undefined && understood !== undefined) writing.report(request, understood, effects);
    },
  };
  for (const path of [rpc.path, ...paths]) byPath.set(path, raw);
}

/**
 * Reads the request or the response of a raw call. Returns undefined if the codec cannot read it, so that the call does
 * not fail.
 */
function readRaw<T>(codec: { read(json: unknown): T | typeof INVALID }, raw: unknown): T | undefined {
  try {
    const read = codec.read(typeof raw === 'string' ? JSON.parse(raw) : raw);
    return read === INVALID ? undefined : read;
  } catch {
    // The text is not JSON, or it is a txn with too many levels of nested txns.
    return undefined;
  }
}

add(kvRpcs.put, PutRequest, {
  ranges: ({ key }) => given(key, (put) => [{ key: put }], []),
  report: ({ key }, { header }, effects) => {
    if (key !== undefined) effects.put(key, header.revision);
  },
});

add(kvRpcs.deleteRange, DeleteRangeRequest, {
  ranges: ({ key, rangeEnd }) => given(key, (from) => [keyRange(from, rangeEnd)], []),
  report: ({ key, rangeEnd }, { header, deleted }, effects) => {
    if (key !== undefined) effects.cleared(keyRange(key, rangeEnd), header.revision, deleted > 0);
  },
});

// The codec of a txn refers to itself, so TypeScript cannot derive the type that the codec reads.
const txnRequest = { read: (json: unknown) => TxnRequest.read(json) as TxnRequestIn | typeof INVALID };

add(kvRpcs.txn, txnRequest, {
  ranges: rangesOfTxn,
  report: (request, response, effects) => reportTxn(request, response, response.header.revision, effects),
});

add(
  leaseRpcs.revoke,
  LeaseRevokeRequest,
  {
    ranges: () => [EVERYTHING],
    report: ({ id }, { header }, effects) => {
      if (id !== undefined) effects.revoked(id, header.revision);
    },
  },
  '/lease/revoke',
);

add(lockRpcs.lock, LockRequest, {
  ranges: ({ name }) => placesOf(name),
  report: (_, { key, header }, effects) => effects.held(key, header.revision),
});

add(lockRpcs.unlock, UnlockRequest, {
  ranges: ({ key }) => given(key, (unlocked) => [{ key: unlocked }], []),
  report: ({ key }, { header }, effects) => {
    if (key !== undefined) effects.cleared({ key }, header.revision, undefined);
  },
});

add(electionRpcs.campaign, CampaignRequest, {
  ranges: ({ name }) => placesOf(name),
  report: (_, { leader: { key, rev }, header: { revision } }, effects) => {
    // The header has the revision of the txn that put the key or found an existing key (measured: 3.3 and 3.5). If the
    // txn put the key, the key has the same revision.
    if (rev === revision) effects.put(key, revision);
    else effects.held(key, revision);
  },
});

add(electionRpcs.proclaim, ProclaimRequest, {
  ranges: ({ leader }) => given(leader?.key, (key) => [{ key }], []),
  report: ({ leader }, { header }, effects) => {
    if (leader?.key !== undefined) effects.put(leader.key, header.revision);
  },
});

add(electionRpcs.resign, ResignRequest, {
  ranges: ({ leader }) => given(leader?.key, (key) => [{ key }], []),
  report: ({ leader }, { header }, effects) => {
    if (leader?.key !== undefined) effects.cleared({ key: leader.key }, header.revision, undefined);
  },
});

function rangesOfTxn({ success = [], failure = [] }: TxnRequestIn): readonly KeyRange[] {
  return [...success, ...failure].flatMap(({ requestPut, requestDeleteRange, requestTxn }): readonly KeyRange[] => {
    if (requestPut?.key !== undefined) return [{ key: requestPut.key }];
    if (requestDeleteRange?.key !== undefined) return [keyRange(requestDeleteRange.key, requestDeleteRange.rangeEnd)];
    return requestTxn === undefined ? [] : rangesOfTxn(requestTxn);
  });
}

/** Reports the effects of a txn. A nested txn has the revision of the outer one. */
function reportTxn(
  { success = [], failure = [] }: TxnRequestIn,
  { succeeded, responses }: TxnResponseOut,
  revision: number,
  effects: WriteEffects,
): void {
  const ran = succeeded ? success : failure;
  for (let at = 0; at < ran.length && at < responses.length; at++) reportOp(ran[at], responses[at], revision, effects);
}

function reportOp(op: RequestOpIn | undefined, result: ResponseOpOut | undefined, revision: number, effects: WriteEffects): void {
  if (op === undefined || result === undefined) return;
  const { requestPut, requestDeleteRange, requestTxn } = op;
  if (requestPut?.key !== undefined) effects.put(requestPut.key, revision);
  else if (requestDeleteRange?.key !== undefined) {
    const range = keyRange(requestDeleteRange.key, requestDeleteRange.rangeEnd);
    effects.cleared(range, revision, (result.responseDeleteRange?.deleted ?? 0) > 0);
  } else if (requestTxn !== undefined && result.responseTxn !== undefined) reportTxn(requestTxn, result.responseTxn, revision, effects);
}

/** Looks up an RPC. Returns undefined if it writes no keys. */
function writingOf<In, A>(rpc: Rpc<In, A>): WritingRpc<In, A> | undefined {
  // `add` stores each description under the RPC with the same types. The request of a raw call is the text that is
  // sent, and `add` reads that text.
  return (byRpc.get(rpc) ?? byPath.get(rpc.path)) as WritingRpc<In, A> | undefined;
}

/** Returns the ranges in which an RPC may write keys. */
export function rangesOf<In>(rpc: Rpc<In, unknown>, request: In): readonly KeyRange[] {
  return writingOf(rpc)?.ranges(request) ?? [];
}

/** Reports the effects of a write that has a response. */
export function reportEffects<In, A>(rpc: Rpc<In, A>, request: In, response: A, effects: WriteEffects): void {
  writingOf(rpc)?.report(request, response, effects);
}
