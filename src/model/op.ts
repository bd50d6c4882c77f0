import { type BytesLike, capturedBytes } from './bytes.js';
import { captured } from './captured.js';
import type { LeaseId } from './ids.js';
import type { Range } from './range.js';
import { BOOLEAN, FROM_ZERO, LEASE, oneOf, type OptionKinds } from './validate.js';
import type { KeyValue } from './keyValue.js';
import type { DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader } from './responses.js';

/** The options of a put. */
export interface PutOptions {
  /** The lease that the key is attached to; by default none. */
  readonly lease?: LeaseId;
  /** Whether to return the previous key and value. */
  readonly prevKv?: boolean;
  /**
   * Whether to keep the value, and change only the lease. The value that is passed must be empty. Errors with
   * `KeyNotFound` if the key does not exist.
   */
  readonly ignoreValue?: boolean;
  /** Whether to keep the lease. Errors with `KeyNotFound` if the key does not exist. */
  readonly ignoreLease?: boolean;
}

/** The options of a read. */
export interface ReadOptions {
  /**
   * The revision to read at; by default the newest one. Errors with `Compacted` if the revision is compacted, and with
   * `FutureRev` if the store has not reached it.
   */
  readonly revision?: number;
  /** Whether a member may respond with its own state, which may be old. This is faster, and works without a quorum. */
  readonly serializable?: boolean;
}

/** The options of a range: filters, order, and the fields to return. */
export interface RangeOptions extends ReadOptions {
  /** The maximum number of keys to return; 0 for all. */
  readonly limit?: number;
  readonly sortOrder?: 'NONE' | 'ASCEND' | 'DESCEND';
  readonly sortTarget?: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';
  /** Whether to return keys without their values. */
  readonly keysOnly?: boolean;
  /** Whether to return only the number of keys. */
  readonly countOnly?: boolean;
  /** A filter for keys whose last change was at this revision or later. */
  readonly minModRevision?: number;
  /** A filter for keys whose last change was at this revision or earlier. */
  readonly maxModRevision?: number;
  /** A filter for keys that were created at this revision or later. */
  readonly minCreateRevision?: number;
  /** A filter for keys that were created at this revision or earlier. */
  readonly maxCreateRevision?: number;
}

/** The options of a delete. */
export interface DeleteOptions {
  /** Whether to return the deleted keys and values. */
  readonly prevKv?: boolean;
}

export interface PutOp {
  readonly op: 'put';
  readonly key: BytesLike;
  readonly value: BytesLike;
  readonly options: PutOptions;
}

export interface GetOp {
  readonly op: 'get';
  readonly key: BytesLike;
  readonly options: ReadOptions;
}

export interface RangeOp {
  readonly op: 'range';
  readonly range: Range;
  readonly options: RangeOptions;
}

export interface DeleteOp {
  readonly op: 'delete';
  readonly range: Range;
  readonly options: DeleteOptions;
}

/**
 * A txn. If all compares are true, it runs the operations of `success`; if not, it runs those of `failure`. Either all
 * operations of the branch are carried out, at one revision, or none of them.
 */
export interface TxnSpec<S extends readonly Op[] = readonly Op[], F extends readonly Op[] = readonly Op[]> {
  /** The compares, which must all be true for `success` to run. If there are none, `success` runs. */
  readonly compare?: readonly Compare[];
  readonly success?: S;
  readonly failure?: F;
}

export interface TxnOp<S extends readonly Op[] = readonly Op[], F extends readonly Op[] = readonly Op[]> extends TxnSpec<S, F> {
  readonly op: 'txn';
}

/**
 * An operation of a txn. The functions {@link put}, {@link get}, {@link range}, {@link del} and {@link txn} create it.
 */
export type Op = PutOp | GetOp | RangeOp | DeleteOp | TxnOp;

/** The result of an operation. */
export type ResultOf<O> = O extends PutOp
  ? PutResponse
  : O extends GetOp
    ? KeyValue | undefined
    : O extends RangeOp
      ? RangeResponse
      : O extends DeleteOp
        ? DeleteRangeResponse
        : O extends TxnOp<infer S, infer F>
          ? TxnResult<S, F>
          : never;

/** The results of a branch: one for each of its operations, in their order. */
export type ResultsOf<Ops extends readonly Op[]> = { readonly [I in keyof Ops]: ResultOf<Ops[I]> };

/** The result of a txn. `succeeded` shows which branch ran, and `responses` has the types of that branch. */
export type TxnResult<S extends readonly Op[], F extends readonly Op[]> =
  | { readonly header: ResponseHeader; readonly succeeded: true; readonly responses: ResultsOf<S> }
  | { readonly header: ResponseHeader; readonly succeeded: false; readonly responses: ResultsOf<F> };

/**
 * The default of `options`. The code compares with this object, which saves reading the options of thousands of
 * operations.
 */
export const NO_OPTIONS: PutOptions & ReadOptions = Object.freeze({});

const ownOptions = <O>(options: O): O => (options === NO_OPTIONS ? options : captured(options));

/** Creates an operation of a txn that writes a key. */
export function put(key: BytesLike, value: BytesLike, options: PutOptions = NO_OPTIONS): PutOp {
  return { op: 'put', key: capturedBytes(key), value: capturedBytes(value), options: ownOptions(options) };
}

/**
 * Creates an operation of a txn that reads a key. Its result is the key with its value; undefined if the key does not
 * exist.
 */
export function get(key: BytesLike, options: ReadOptions = NO_OPTIONS): GetOp {
  return { op: 'get', key: capturedBytes(key), options: ownOptions(options) };
}

/** Creates an operation of a txn that reads a range. */
export function range(which: Range, options: RangeOptions = {}): RangeOp {
  return { op: 'range', range: captured(which), options: captured(options) };
}

/** Creates an operation of a txn that deletes a range. (`delete` is a reserved word.) */
export function del(which: Range, options: DeleteOptions = {}): DeleteOp {
  return { op: 'delete', range: captured(which), options: captured(options) };
}

/** Creates a nested txn (etcd 3.3 and newer). */
export function txn<const S extends readonly Op[] = readonly [], const F extends readonly Op[] = readonly []>(
  spec: TxnSpec<S, F>,
): TxnOp<S, F> {
  return { op: 'txn', ...captured(spec) };
}

/** Returns whether a txn only reads. If so, it may be retried like any read. */
export function isReadOnly(spec: TxnSpec): boolean {
  const reads = (op: Op): boolean => op.op === 'get' || op.op === 'range' || (op.op === 'txn' && isReadOnly(op));
  return (spec.success ?? []).every(reads) && (spec.failure ?? []).every(reads);
}

/** The permitted options of reads and writes, both for separate calls and in a txn. */

export const PUT_OPTIONS: OptionKinds<PutOptions> = { lease: LEASE, prevKv: BOOLEAN, ignoreValue: BOOLEAN, ignoreLease: BOOLEAN };

export const DELETE_OPTIONS: OptionKinds<DeleteOptions> = { prevKv: BOOLEAN };

export const READ_OPTIONS: OptionKinds<ReadOptions> = { revision: FROM_ZERO, serializable: BOOLEAN };

export const RANGE_OPTIONS: OptionKinds<RangeOptions> = {
  ...READ_OPTIONS,
  limit: FROM_ZERO,
  sortOrder: oneOf('NONE', 'ASCEND', 'DESCEND'),
  sortTarget: oneOf('KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE'),
  keysOnly: BOOLEAN,
  countOnly: BOOLEAN,
  minModRevision: FROM_ZERO,
  maxModRevision: FROM_ZERO,
  minCreateRevision: FROM_ZERO,
  maxCreateRevision: FROM_ZERO,
};

type Result = 'EQUAL' | 'NOT_EQUAL' | 'GREATER' | 'LESS';

/**
 * A compare of a txn: a condition on a key, or on every key of a range (etcd 3.3 and newer). {@link key} creates it.
 */
export type Compare = { readonly range: Range; readonly result: Result } & (
  | { readonly target: 'VERSION' | 'CREATE' | 'MOD'; readonly value: number }
  | { readonly target: 'VALUE'; readonly value: BytesLike }
  | { readonly target: 'LEASE'; readonly value: LeaseId }
);

/** The ways in which a number, a value or a lease can be compared. */
export interface Comparison<V> {
  equals(value: V): Compare;
  notEquals(value: V): Compare;
  greater(value: V): Compare;
  less(value: V): Compare;
}

/** The properties of a key that can be compared. */
export interface KeyComparisons {
  /** The number of changes since the key was created; 0 if it does not exist. */
  readonly version: Comparison<number>;
  /** The revision at which the key was created; 0 if it does not exist. */
  readonly createRevision: Comparison<number>;
  /** The revision of the last change of the key; 0 if it does not exist. */
  readonly modRevision: Comparison<number>;
  /** The value, compared byte by byte. The compare is never true if the key does not exist. */
  readonly value: Comparison<BytesLike>;
  /** The lease that the key is attached to (etcd 3.3 and newer). */
  readonly lease: Comparison<LeaseId>;
  /** Creates a compare that is true if the key exists. */
  exists(): Compare;
  /** Creates a compare that is true if the key does not exist. */
  missing(): Compare;
}

/**
 * Creates compares on a key, for the `compare` of a txn. A compare on a range is true if it is true for every key in
 * the range.
 *
 * ```ts
 * etcd.kv.txn({ compare: [key('a').version.equals(0)], success: [put('a', '1')] });
 * ```
 */
export function key(given: Range): KeyComparisons {
  return new RangeComparisons(captured(given));
}

/** Creates the comparisons of a property when the property is accessed, as a compare uses only one of them. */
class RangeComparisons implements KeyComparisons {
  constructor(private readonly range: Range) {}

  get version(): Comparison<number> {
    return this.numbers('VERSION');
  }

  get createRevision(): Comparison<number> {
    return this.numbers('CREATE');
  }

  get modRevision(): Comparison<number> {
    return this.numbers('MOD');
  }

  get value(): Comparison<BytesLike> {
    const { range } = this;
    return comparison((result, value) => ({ range, target: 'VALUE', result, value: capturedBytes(value) }));
  }

  get lease(): Comparison<LeaseId> {
    const { range } = this;
    return comparison((result, value) => ({ range, target: 'LEASE', result, value }));
  }

  readonly exists = (): Compare => ({ range: this.range, target: 'VERSION', result: 'GREATER', value: 0 });
  readonly missing = (): Compare => ({ range: this.range, target: 'VERSION', result: 'EQUAL', value: 0 });

  private numbers(target: 'VERSION' | 'CREATE' | 'MOD'): Comparison<number> {
    const { range } = this;
    return comparison((result, value) => ({ range, target, result, value }));
  }
}

function comparison<V>(make: (result: Result, value: V) => Compare): Comparison<V> {
  return {
    equals: (value) => make('EQUAL', value),
    notEquals: (value) => make('NOT_EQUAL', value),
    greater: (value) => make('GREATER', value),
    less: (value) => make('LESS', value),
  };
}
