import { defer, map, type Observable } from 'rxjs';
import { kvRpcs } from '../codec/kv.js';
import type { Safety } from '../codec/rpc.js';
import { AmbiguousWriteError, isEtcdError } from '../errors/index.js';
import { GatheredReads } from './internal/getBatcher.js';
import type { BytesLike } from '../model/bytes.js';
import { BOOLEAN, isObject, type OptionKinds } from '../model/validate.js';
import type { KeyValue } from '../model/keyValue.js';
import {
  isReadOnly,
  type DeleteOptions,
  type Op,
  type PutOptions,
  type RangeOptions,
  type ReadOptions,
  type TxnResult,
  type TxnSpec,
} from '../model/op.js';
import { DELETE_OPTIONS, PUT_OPTIONS, RANGE_OPTIONS, READ_OPTIONS } from '../model/opOptions.js';
import { toKeyRange, type Range } from '../model/range.js';
import type { DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader } from '../model/responses.js';
import { pages, type PagesOptions } from './internal/pages.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, READ_CALL, type Caller, type CallOptions, type ReadCallOptions } from '../transport/call.js';
import { toTxnRequest, toTxnResult } from './internal/txn.js';

/** The answer to a compaction. */
export interface CompactionResponse {
  readonly header: ResponseHeader;
}

/** etcd's KV service. Every method gives a cold Observable: one subscription, one call, one value. */
export interface Kv {
  /**
   * The key with its value, or undefined where there is none (`KV.Range`).
   *
   * ```ts
   * etcd.kv.get('app/color').subscribe((kv) => console.log(kv?.value));
   * ```
   */
  get(key: BytesLike, options?: ReadOptions & ReadCallOptions): Observable<KeyValue | undefined>;

  /** Whether the key is there (`KV.Range`, without its value). */
  exists(key: BytesLike, options?: ReadOptions & ReadCallOptions): Observable<boolean>;

  /** How many keys are in the range (`KV.Range`, none of them sent). */
  count(range: Range, options?: ReadOptions & ReadCallOptions): Observable<number>;

  /**
   * The keys of a range with their values (`KV.Range`): in one answer, so ask for {@link Kv.pages} where there may be many.
   *
   * ```ts
   * etcd.kv.range({ prefix: 'app/' }, { limit: 100 }).subscribe(({ kvs }) => …);
   * ```
   */
  range(range: Range, options?: RangeOptions & ReadCallOptions): Observable<RangeResponse>;

  /**
   * The keys of a range of any size, in the order of their keys, a page at a time (`KV.Range`, as often as it takes). All pages show the store at one
   * revision, that of the first. The next page is asked for when the subscriber has taken the last: when its `next` returns, or when what
   * `consume` gave for it completes. `InvalidArgument` for a `pageSize` that is no whole number from 1, and for options of {@link Kv.range} that would change what a page is.
   * `Compacted` where that revision is compacted away meanwhile.
   */
  pages(range: Range, options?: PagesOptions & ReadCallOptions): Observable<RangeResponse>;

  /**
   * Writes a key (`KV.Put`). It is sent at most once: `AmbiguousWrite` where nobody knows whether it was carried out.
   *
   * ```ts
   * etcd.kv.put('app/color', 'red').subscribe(({ header }) => console.log(header.revision));
   * ```
   */
  put(key: BytesLike, value: BytesLike, options?: PutOptions & CallOptions): Observable<PutResponse>;

  /** Deletes the keys of a range (`KV.DeleteRange`), at most once. None to delete is no error: `deleted` is 0. */
  delete(range: Range, options?: DeleteOptions & CallOptions): Observable<DeleteRangeResponse>;

  /**
   * If all compares hold the ops of `success`, else those of `failure`, at one revision (`KV.Txn`); at most 128 ops. Sent at most once, unless nothing in
   * it writes. The types of the results follow the ops of the branch that ran.
   *
   * ```ts
   * etcd.kv
   *   .txn({ compare: [key('a').version.equals(0)], success: [put('a', '1')], failure: [get('a')] })
   *   .subscribe((result) => console.log(result.succeeded ? 'created' : result.responses[0]?.value));
   * ```
   */
  txn<const S extends readonly Op[] = readonly [], const F extends readonly Op[] = readonly []>(
    spec: TxnSpec<S, F>,
    options?: ReadCallOptions,
  ): Observable<TxnResult<S, F>>;

  /**
   * Forgets what was before a revision (`KV.Compact`), at most once. With `physical` it answers when the space is free.
   * `Compacted` where it is already, `FutureRev` for a revision to come.
   */
  compact(revision: number, options?: { readonly physical?: boolean } & CallOptions): Observable<CompactionResponse>;
}

/**
 * The KV service over a caller.
 *
 * @param gather gets that are asked for together travel together, within so much time; without it each goes by itself
 */
export function kvService(caller: Caller, gather?: { readonly requestTimeoutMs: number }): Kv {
  const gathered = gather && {
    linearizable: new GatheredReads(caller, {}, gather.requestTimeoutMs),
    serializable: new GatheredReads(caller, { serializable: true }, gather.requestTimeoutMs),
  };
  const range: Kv['range'] = (which, options = {}) =>
    withOptions('kv.range', options, RANGE, (request, call) => caller.unary(kvRpcs.range, { ...toKeyRange(which), ...request }, call));
  const countOf = (method: string, which: Range, options: ReadOptions & ReadCallOptions = {}): Observable<number> =>
    withOptions(method, options, READ, (request, call) =>
      caller.unary(kvRpcs.range, { ...toKeyRange(which), ...request, countOnly: true }, call).pipe(map(({ count }) => count)),
    );

  return {
    range,
    get: (key, options = NONE) => {
      if (gathered !== undefined && isPlain(options)) {
        return (options.serializable === true ? gathered.serializable : gathered.linearizable).get(key);
      }
      // As most are: to take options apart that are not there would cost a call more than to encode it.
      if (options === NONE) return caller.unary(kvRpcs.get, { key });
      return withOptions('kv.get', options, READ, (request, call) => caller.unary(kvRpcs.get, { key, ...request }, call));
    },
    exists: (key, options) => countOf('kv.exists', { key }, options).pipe(map((count) => count > 0)),
    count: (which, options) => countOf('kv.count', which, options),
    pages: (which, options) => pages(range, which, options),

    put: (key, value, options = NONE) => {
      if (options === NONE) return caller.unary(kvRpcs.put, { key, value });
      return withOptions('kv.put', options, PUT, (request, call) => caller.unary(kvRpcs.put, { key, value, ...request }, call));
    },

    delete: (which, options = {}) =>
      withOptions('kv.delete', options, DELETE, (request, call) =>
        caller.unary(kvRpcs.deleteRange, { ...toKeyRange(which), ...request }, call),
      ),

    txn: (spec, options) =>
      defer(() => {
        const request = toTxnRequest(spec);
        const rpc = isReadOnly(spec) ? kvRpcs.readTxn : kvRpcs.txn;
        return caller.unary(rpc, request, options).pipe(map((answer) => understood(rpc, () => toTxnResult(spec, answer))));
      }),

    compact: (revision, options = {}) =>
      withOptions('kv.compact', options, { ...CALL, physical: BOOLEAN }, (request, call) =>
        caller.unary(kvRpcs.compact, { revision, ...request }, call),
      ),
  };
}

const READ: OptionKinds<ReadOptions & ReadCallOptions> = { ...READ_CALL, ...READ_OPTIONS };
const RANGE: OptionKinds<RangeOptions & ReadCallOptions> = { ...READ_CALL, ...RANGE_OPTIONS };
const PUT: OptionKinds<PutOptions & CallOptions> = { ...CALL, ...PUT_OPTIONS };
const DELETE: OptionKinds<DeleteOptions & CallOptions> = { ...CALL, ...DELETE_OPTIONS };

/** Given for options that were left out. */
const NONE: CallOptions = Object.freeze({});

/** Nothing is asked of a get that another, asked for at the same time, would not want. */
function isPlain(options: ReadOptions & ReadCallOptions): boolean {
  if (options === NONE) return true;
  // What is none has no names, either.
  if (!isObject(options)) return false;
  for (const name in options) {
    if (name !== 'serializable' && (options[name as keyof typeof options] !== undefined || !Object.hasOwn(READ, name))) return false;
  }
  return options.serializable === undefined || typeof options.serializable === 'boolean';
}

/** What was written is not undone by an answer that is not understood. */
function understood<T>({ safety }: { readonly safety: Safety }, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw safety === 'write' && isEtcdError(error) ? new AmbiguousWriteError(error) : error;
  }
}
