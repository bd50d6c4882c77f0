import { isObject } from '../../src/model/validate.js';
import type { Op, TxnOp, TxnResult, TxnSpec } from '../../src/model/op.js';

/**
 * Tells it from a txn that was written like this. A symbol, as to a server and to `kv.txn` it is one like any other; of
 * all copies of the package.
 */
export const FENCED: unique symbol = Symbol.for('rxetcd.fencedTxn');

/**
 * A txn behind a fence: the compares are the guards, and the txn is the only operation where they hold. So
 * `succeeded: false` means that a guard did not hold, and that nothing was done; whether the txn's own compares held is
 * in its own result.
 */
export interface FencedTxn<S extends readonly Op[] = readonly Op[], F extends readonly Op[] = readonly Op[]> extends TxnSpec<
  readonly [TxnOp<S, F>],
  readonly []
> {
  readonly [FENCED]: true;
}

/** Tells whether a txn was made by `guardedBy`. */
export function isFenced<X extends TxnSpec>(spec: X): spec is X & FencedTxn {
  // A program in JavaScript can give anything; what is no txn is refused where it is committed.
  return isObject(spec) && FENCED in spec;
}

/** The operations of a branch; one that is left out has none. */
type Branch<X extends TxnSpec, K extends 'success' | 'failure'> = K extends keyof X
  ? Exclude<X[K], undefined> extends infer Ops extends readonly Op[]
    ? Ops
    : readonly []
  : readonly [];

/** A txn behind a fence; one that is behind another already stays as it is. */
export type Fenced<X extends TxnSpec> = X extends FencedTxn ? X : FencedTxn<Branch<X, 'success'>, Branch<X, 'failure'>>;

/** The result of a committed txn: the result of the branch that ran; of a txn behind a fence, that of the txn. */
export type Committed<X extends TxnSpec> =
  X extends FencedTxn<infer S, infer F> ? TxnResult<S, F> : TxnResult<Branch<X, 'success'>, Branch<X, 'failure'>>;
