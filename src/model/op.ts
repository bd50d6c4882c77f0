import type { BytesLike } from './bytes.js';
import type { Compare } from './compare.js';
import type { LeaseId } from './ids.js';
import type { KeyValue } from './keyValue.js';
import type { Range } from './range.js';
import type { DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader } from './responses.js';

/** What a put may ask for besides. */
export interface PutOptions {
  /** The lease that the key hangs on from now; without it, none. */
  readonly lease?: LeaseId;
  /** Answer with what was there before. */
  readonly prevKv?: boolean;
  /** Leave the value as it is, and change only the lease; the value given must be empty. `KeyNotFound` where there is no key. */
  readonly ignoreValue?: boolean;
  /** Leave the lease as it is. `KeyNotFound` where there is no key. */
  readonly ignoreLease?: boolean;
}

/** Where and how a read is answered. */
export interface ReadOptions {
  /** As of this revision; by default the newest. `Compacted` where it is gone, `FutureRev` where it is yet to come. */
  readonly revision?: number;
  /** Let one member answer out of its own store, which may lag behind: quicker, and works without a quorum. */
  readonly serializable?: boolean;
}

/** Which of the keys in a range, in what order, and how much of them. */
export interface RangeOptions extends ReadOptions {
  /** At most so many keys; 0 for all. */
  readonly limit?: number;
  readonly sortOrder?: 'NONE' | 'ASCEND' | 'DESCEND';
  readonly sortTarget?: 'KEY' | 'VERSION' | 'CREATE' | 'MOD' | 'VALUE';
  /** Keys without their values. */
  readonly keysOnly?: boolean;
  /** Only their number. */
  readonly countOnly?: boolean;
  /** Only keys last changed at this revision or later. */
  readonly minModRevision?: number;
  /** Only keys last changed at this revision or earlier. */
  readonly maxModRevision?: number;
  /** Only keys created at this revision or later. */
  readonly minCreateRevision?: number;
  /** Only keys created at this revision or earlier. */
  readonly maxCreateRevision?: number;
}

/** What a delete may ask for besides. */
export interface DeleteOptions {
  /** Answer with what was deleted. */
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

/** What a txn is made of: if every compare holds, the ops of `success`, else those of `failure`; all at one revision, or none. */
export interface TxnSpec<S extends readonly Op[] = readonly Op[], F extends readonly Op[] = readonly Op[]> {
  /** All must hold; without any they do. */
  readonly compare?: readonly Compare[];
  readonly success?: S;
  readonly failure?: F;
}

export interface TxnOp<S extends readonly Op[] = readonly Op[], F extends readonly Op[] = readonly Op[]> extends TxnSpec<S, F> {
  readonly op: 'txn';
}

/** An operation of a txn, as {@link put}, {@link get}, {@link range}, {@link del} and {@link txn} make it. */
export type Op = PutOp | GetOp | RangeOp | DeleteOp | TxnOp;

/** What an operation answers. */
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

/** What a branch answers: a result for each of its operations, in their order. */
export type ResultsOf<Ops extends readonly Op[]> = { readonly [I in keyof Ops]: ResultOf<Ops[I]> };

/** What a txn answers: `succeeded` tells which branch ran, and `responses` has that branch's types. */
export type TxnResult<S extends readonly Op[], F extends readonly Op[]> =
  | { readonly header: ResponseHeader; readonly succeeded: true; readonly responses: ResultsOf<S> }
  | { readonly header: ResponseHeader; readonly succeeded: false; readonly responses: ResultsOf<F> };

/** Stands for options that were left out, in which there is nothing to look for: a txn may have thousands of operations. */
export const NO_OPTIONS: PutOptions & ReadOptions = Object.freeze({});

/** Writes a key, in a txn. */
export function put(key: BytesLike, value: BytesLike, options: PutOptions = NO_OPTIONS): PutOp {
  return { op: 'put', key, value, options };
}

/** Reads a key, in a txn; answers it, or undefined. */
export function get(key: BytesLike, options: ReadOptions = NO_OPTIONS): GetOp {
  return { op: 'get', key, options };
}

/** Reads a range, in a txn. */
export function range(which: Range, options: RangeOptions = {}): RangeOp {
  return { op: 'range', range: which, options };
}

/** Deletes a range, in a txn: `delete` is a word of JavaScript's. */
export function del(which: Range, options: DeleteOptions = {}): DeleteOp {
  return { op: 'delete', range: which, options };
}

/** A txn within a txn (etcd 3.3 and newer). */
export function txn<const S extends readonly Op[] = readonly [], const F extends readonly Op[] = readonly []>(
  spec: TxnSpec<S, F>,
): TxnOp<S, F> {
  return { op: 'txn', ...spec };
}

/** True where nothing in it writes: such a txn may be repeated like any read. */
export function isReadOnly(spec: TxnSpec): boolean {
  const reads = (op: Op): boolean => op.op === 'get' || op.op === 'range' || (op.op === 'txn' && isReadOnly(op));
  return (spec.success ?? []).every(reads) && (spec.failure ?? []).every(reads);
}
