import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  type RequestOpOut,
  TxnRequest,
  type TxnRequestOut,
  TxnResponse,
} from '../../codec/kv.js';
import type { Access } from './auth.js';
import type { Core } from './core.js';
import { type Endpoint, unary } from './endpoint.js';
import { keyOf, keySpan, spanOf } from './keys.js';
import { readRange } from './ranges.js';
import { checkKey, checkPutForm, checkTxnForm } from './requestChecks.js';
import { refusal } from './refusal.js';
import type { DeleteRange, Put } from './writer.js';

/** The number of bytes that etcd counts for a put, in addition to its key and value. */
const PUT_OVERHEAD = 256;

/** Creates the RPCs for keys. */
export function kvService({ mvcc, writer, leases, space, traits, limits }: Core): Readonly<Record<string, Endpoint>> {
  const checkSize = (bytes: number): void => {
    if (bytes > limits.maxRequestBytes) throw refusal('RequestTooLarge');
  };
  /**
   * Checks the permission for a put. If the put has a lease, the client also needs permission to write all keys of the
   * lease.
   */
  const mayPut = (access: Access, { key, lease, prevKv }: Put): void => {
    const span = keySpan(keyOf(key));
    access.write(span);
    for (const attached of leases.get(lease)?.keys ?? []) access.write(keySpan(attached));
    if (prevKv) access.read(span);
  };
  const mayDelete = (access: Access, request: DeleteRange): void => {
    access.write(spanOf(request));
    if (request.prevKv) access.read(spanOf(request));
  };
  const mayTxn = (access: Access, { compare, success, failure }: TxnRequestOut): void => {
    for (const comparison of compare) access.read(spanOf(comparison));
    for (const { requestRange, requestPut, requestDeleteRange, requestTxn } of [...success, ...failure]) {
      if (requestRange !== undefined) access.read(spanOf(requestRange));
      if (requestPut !== undefined) mayPut(access, requestPut);
      if (requestDeleteRange !== undefined) mayDelete(access, requestDeleteRange);
      if (requestTxn !== undefined) mayTxn(access, requestTxn);
    }
  };

  return {
    '/kv/range': unary(RangeRequest, RangeResponse, (request, { header, access }) => {
      checkKey(request.key);
      access().read(spanOf(request));
      const result = readRange(mvcc, request);
      return { header: header(), ...result };
    }),

    '/kv/put': unary(PutRequest, PutResponse, (request, { header, access }) => {
      checkPutForm(request);
      checkSize(putSize(request));
      access().known();
      space.reserve(putCost(request));
      mayPut(access(), request);
      // A separate put checks the lease before the key. In a txn the lease is checked last.
      leases.check(request.lease);
      writer.checkPut(request);
      const before = mvcc.transaction(() => writer.put(request));
      return { header: header(), prevKv: request.prevKv ? before : undefined };
    }),

    '/kv/deleterange': unary(DeleteRangeRequest, DeleteRangeResponse, (request, { header, access }) => {
      checkKey(request.key);
      mayDelete(access(), request);
      space.checkCorrupt();
      const deleted = mvcc.transaction(() => writer.delete(spanOf(request)));
      return { header: header(), deleted: deleted.length, prevKvs: request.prevKv ? deleted : [] };
    }),

    '/kv/txn': unary(TxnRequest, TxnResponse, (request, { header, access }) => {
      checkTxnForm(request, limits.maxTxnOps);
      checkSize(txnSum(request, putSize));
      access().known();
      if (!isReadOnly(request)) space.reserve(Math.max(costOf(request.success), costOf(request.failure)));
      mayTxn(access(), request);
      const result = mvcc.transaction(() => writer.txn(request));
      return { header: header(), ...result };
    }),

    '/kv/compaction': unary(CompactionRequest, CompactionResponse, ({ revision }, { header, access }) => {
      if (traits.needsUser) access().admin();
      else access().known();
      space.checkCorrupt();
      mvcc.compact(revision);
      return { header: header() };
    }),
  };
}

/**
 * Returns whether a txn only reads. Such txns are carried out even while data are corrupt. A nested txn counts as a
 * write.
 */
const isReadOnly = ({ success, failure }: TxnRequestOut): boolean =>
  [...success, ...failure].every(({ requestRange }) => requestRange !== undefined);

const putSize = ({ key, value }: Put): number => key.length + value.length;
const putCost = (put: Put): number => PUT_OVERHEAD + putSize(put);

/** Adds up a number of each put, such as its size, over the puts of both branches. */
const txnSum = ({ success, failure }: TxnRequestOut, of: (put: Put) => number): number =>
  [...success, ...failure].reduce(
    (sum, { requestPut, requestTxn }) =>
      sum + (requestPut === undefined ? 0 : of(requestPut)) + (requestTxn === undefined ? 0 : txnSum(requestTxn, of)),
    0,
  );

const costOf = (ops: readonly RequestOpOut[]): number => txnSum({ compare: [], success: ops, failure: [] }, putCost);
