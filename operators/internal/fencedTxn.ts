import { isObject } from '../../src/model/validate.js';
import type { Op, TxnOp, TxnResult, TxnSpec } from '../../src/model/op.js';

/**
 * The mark of a txn that `guardedBy` has made. Without the mark, a txn that a caller has written by hand could look the
 * same. The mark is a symbol, so that the server and `kv.txn` see an ordinary txn. All copies of the package share the
 * symbol.
 */
export const FENCED: unique symbol = Symbol.for('rxetcd.fencedTxn');

/**
 * A guarded txn. Its compares are the guards, and the inner txn is the only operation of its success branch. So
 * `succeeded: false` means that a guard was false, and that nothing was done. The result of the inner txn shows whether
 * its own compares were true.
 */
export interface FencedTxn<S extends readonly Op[] = readonly Op[], F extends readonly Op[] = readonly Op[]> extends TxnSpec<
  readonly [TxnOp<S, F>],
  readonly []
> {
  readonly [FENCED]: true;
}

/** Returns whether a txn was made by `guardedBy`. */
export function isFenced<X extends TxnSpec>(spec: X): spec is X & FencedTxn {
  // A program in JavaScript can pass any value; an invalid txn is rejected when it is committed.
  return isObject(spec) && FENCED in spec;
}

/** The operations of a branch; none if the branch is omitted. */
type Branch<X extends TxnSpec, K extends 'success' | 'failure'> = K extends keyof X
  ? Exclude<X[K], undefined> extends infer Ops extends readonly Op[]
    ? Ops
    : readonly []
  : readonly [];

/** The type of a guarded txn. If the txn is guarded already, its type is unchanged. */
export type Fenced<X extends TxnSpec> = X extends FencedTxn ? X : FencedTxn<Branch<X, 'success'>, Branch<X, 'failure'>>;

/**
 * The result of a committed txn, with the results of the branch that ran. For a guarded txn it is the result of the
 * inner txn.
 */
export type Committed<X extends TxnSpec> =
  X extends FencedTxn<infer S, infer F> ? TxnResult<S, F> : TxnResult<Branch<X, 'success'>, Branch<X, 'failure'>>;
