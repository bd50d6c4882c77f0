import { defer, map, reduce, type Observable } from 'rxjs';
import { handOver, LazyModule } from '../util/rx.js';
import { kvRpcs } from '../codec/kv.js';
import { understood } from '../codec/message.js';
import { GetBatcher, ReadSizes } from './internal/getBatcher.js';
import { type BytesLike, capturedBytes } from '../model/bytes.js';
import { captured, readNow } from '../model/captured.js';
import { BOOLEAN, isObject, type OptionKinds } from '../model/validate.js';
import type { KeyValue } from '../model/keyValue.js';
import {
  DELETE_OPTIONS,
  type DeleteOptions,
  NO_OPTIONS,
  type Op,
  PUT_OPTIONS,
  type PutOptions,
  RANGE_OPTIONS,
  type RangeOptions,
  READ_OPTIONS,
  type ReadOptions,
  type TxnResult,
  type TxnSpec,
} from '../model/op.js';
import { toKeyRange, type Range } from '../model/range.js';
import type { DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader } from '../model/responses.js';
import type { pages, PagesOptions, RangeReads } from './internal/pages.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, READ_CALL, type Caller, type CallOptions, type ReadCallOptions } from '../transport/call.js';
import { compileTxn } from './internal/txn.js';

/** The response to a compaction. */
export interface CompactionResponse {
  readonly header: ResponseHeader;
}

/**
 * etcd's KV service. Every method returns a cold Observable. All methods except `pages` emit one value for each
 * subscription. `pages` and `entries` send one request for each page.
 */
export interface KvService {
  /**
   * Reads a key with its value (`KV.Range`, or `KV.Txn` for several gets together). Emits undefined if the key does not
   * exist.
   *
   * ```ts
   * etcd.kv.get('app/color').subscribe((kv) => console.log(kv?.value));
   * ```
   */
  get(key: BytesLike, options?: ReadOptions & ReadCallOptions): Observable<KeyValue | undefined>;

  /** Emits whether a key exists (`KV.Range`, without its value). */
  exists(key: BytesLike, options?: ReadOptions & ReadCallOptions): Observable<boolean>;

  /** Counts the keys of a range (`KV.Range`, without the keys themselves). */
  count(range: Range, options?: ReadOptions & ReadCallOptions): Observable<number>;

  /**
   * Reads the keys of a range with their values (`KV.Range`), in one response. Use {@link KvService.pages} for a range
   * that may have many keys.
   *
   * ```ts
   * etcd.kv.range({ prefix: 'app/' }, { limit: 100 }).subscribe(({ kvs }) => …);
   * ```
   */
  range(range: Range, options?: RangeOptions & ReadCallOptions): Observable<RangeResponse>;

  /**
   * Reads a range of any size, in the order of its keys, one page at a time (one `KV.Range` for each page). Unless
   * `pageSize` is set, pages grow up to about 8 MiB, as etcd counts the rest of the range for each page. All pages show
   * the store at the revision of the first page. The next page is requested when the subscriber's `next` returns, or
   * when the Observable that `consume` returned for the page completes. Errors with `InvalidArgument` if `pageSize` is
   * not a whole number from 1, and for options of {@link KvService.range} that would change the pages. Errors with
   * `Compacted` if the revision of the first page is compacted before the last page is read.
   */
  pages(range: Range, options?: PagesOptions & ReadCallOptions): Observable<RangeResponse>;

  /**
   * Reads the keys of a range with their values as texts, at one revision, in pages (`KV.Range`).
   *
   * ```ts
   * etcd.kv.entries({ prefix: 'app/' }).subscribe((entries) => console.log(entries['app/color']));
   * ```
   */
  entries(range: Range, options?: ReadOptions & ReadCallOptions): Observable<Readonly<Record<string, string>>>;

  /**
   * Writes a key (`KV.Put`), at most once. Errors with `AmbiguousWrite` if the write was sent and its outcome is
   * unknown.
   *
   * ```ts
   * etcd.kv.put('app/color', 'red').subscribe(({ header }) => console.log(header.revision));
   * ```
   */
  put(key: BytesLike, value: BytesLike, options?: PutOptions & CallOptions): Observable<PutResponse>;

  /** Deletes the keys of a range (`KV.DeleteRange`), at most once. An empty range is not an error: `deleted` is 0. */
  delete(range: Range, options?: DeleteOptions & CallOptions): Observable<DeleteRangeResponse>;

  /**
   * Runs the operations of `success` if all compares are true, otherwise those of `failure`, at one revision
   * (`KV.Txn`). By default, etcd accepts at most 128 compares in a txn, and at most 128 operations in each branch. The
   * txn is sent at most once, unless it only reads. The type of each result follows from its operation.
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
   * Discards the history before a revision (`KV.Compact`), at most once. With `physical` the server responds only after
   * it has freed the space. Errors with `Compacted` if that revision is compacted already, and with `FutureRev` if the
   * store has not reached that revision yet.
   */
  compact(revision: number, options?: { readonly physical?: boolean } & CallOptions): Observable<CompactionResponse>;
}

/** Loads the code for pages on demand. Many programs do not need it. */
export const pagesModule = new LazyModule(() => import('./internal/pages.js'));

/** Reads the pages of a range. The module with the code is loaded when the first page is read. */
export const pagesOf: typeof pages = (...given) => handOver(pagesModule.module$, (module) => module.pages(...given));

/**
 * Creates two functions that read ranges as `kv.range` does: one for responses that are known to be long, and one for
 * all other responses.
 */
export function rangeReads(caller: Caller): RangeReads {
  const readBy =
    (rpc: typeof kvRpcs.range): KvService['range'] =>
    (which, options = {}) => {
      const given = captured(which);
      return withOptions('kv.range', options, RANGE, (request, call) => caller.unary(rpc, { ...toKeyRange(given), ...request }, call));
    };
  return { usual: readBy(kvRpcs.range), long: readBy(kvRpcs.longRange) };
}

/**
 * Creates the KV service over a caller.
 *
 * @param gather the timeout of gets that are sent together in a batch; undefined if each get is sent alone
 * @param maxResponseBytes the longest response that the client accepts; pages are shorter
 */
export function kvService(caller: Caller, gather?: { readonly requestTimeoutMs: number }, maxResponseBytes?: number): KvService {
  const sizes = new ReadSizes();
  const gathered = gather && {
    linearizable: new GetBatcher(caller, NO_OPTIONS, gather.requestTimeoutMs, sizes),
    serializable: new GetBatcher(caller, { serializable: true }, gather.requestTimeoutMs, sizes),
  };
  const ranges = rangeReads(caller);
  const countOf = (method: string, which: Range, options: ReadOptions & ReadCallOptions = {}): Observable<number> => {
    const given = captured(which);
    return withOptions(method, options, READ, (request, call) =>
      caller.unary(kvRpcs.range, { ...toKeyRange(given), ...request, countOnly: true }, call).pipe(map(({ count }) => count)),
    );
  };

  return {
    range: ranges.usual,
    get: (given, options = NONE) => {
      const key = capturedBytes(given);
      if (gathered !== undefined && isPlain(options)) {
        return (options.serializable === true ? gathered.serializable : gathered.linearizable).get(key);
      }
      // Most gets have no options. Splitting the options would cost more than encoding the request.
      if (options === NONE) return caller.unary(kvRpcs.get, { key });
      return withOptions('kv.get', options, READ, (request, call) => caller.unary(kvRpcs.get, { key, ...request }, call));
    },
    exists: (key, options) => countOf('kv.exists', { key }, options).pipe(map((count) => count > 0)),
    count: (which, options) => countOf('kv.count', which, options),
    pages: (which, options) => pagesOf(ranges, captured(which), captured(options), { maxResponseBytes }),

    entries: (which, options) => {
      const read = pagesOf(ranges, captured(which), captured(options), { maxResponseBytes });
      return read.pipe(
        reduce<RangeResponse, (readonly [string, string])[]>((all, { kvs }) => all.concat(kvs.map(({ key, value }) => [key, value])), []),
        map((all) => Object.fromEntries(all)),
      );
    },

    put: (givenKey, givenValue, options = NONE) => {
      const key = capturedBytes(givenKey);
      const value = capturedBytes(givenValue);
      if (options === NONE) return caller.unary(kvRpcs.put, { key, value });
      return withOptions('kv.put', options, PUT, (request, call) => caller.unary(kvRpcs.put, { key, value, ...request }, call));
    },

    delete: (which, options = {}) => {
      const given = captured(which);
      return withOptions('kv.delete', options, DELETE, (request, call) =>
        caller.unary(kvRpcs.deleteRange, { ...toKeyRange(given), ...request }, call),
      );
    },

    txn: (spec, options) => {
      const call = captured(options);
      // The txn is compiled at once, and not on subscription, so that it need not be copied. It may have thousands of
      // operations.
      const compiled = readNow(() => compileTxn(spec));
      return defer(() => {
        const { request, readOnly, resultOf } = compiled();
        const rpc = readOnly ? kvRpcs.readTxn : kvRpcs.txn;
        return caller.unary(rpc, request, call).pipe(map((response) => understood(rpc, () => resultOf(response))));
      });
    },

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

/** The options of a get or put to which no options were passed. */
const NONE: CallOptions = Object.freeze({});

/** Returns whether a get with these options may be sent together with others. */
function isPlain(options: ReadOptions & ReadCallOptions): boolean {
  if (options === NONE) return true;
  // Options that are not an object have no properties to check. The call itself rejects them.
  if (!isObject(options)) return false;
  for (const name in options) {
    if (name !== 'serializable' && (options[name as keyof typeof options] !== undefined || !Object.hasOwn(READ, name))) return false;
  }
  return options.serializable === undefined || typeof options.serializable === 'boolean';
}
