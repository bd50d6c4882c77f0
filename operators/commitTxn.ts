import { map, type Observable, type OperatorFunction } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { captured } from '../src/model/captured.js';
import { checkArgument, FUNCTION } from '../src/model/validate.js';
import type { TxnSpec } from '../src/model/op.js';
import { concatRead } from './internal/concatRead.js';
import { isFenced, type Committed } from './internal/fencedTxn.js';
import { TXN_TARGET } from './internal/validators.js';
import type { TxnTarget } from './internal/putTarget.js';

/**
 * Commits a txn for each value, one after the other, and emits its result. The type of the result is derived from the
 * operations of each branch.
 *
 * ```text
 * source:  --1--2-------|
 *          commitTxn(kv, build)
 * result:  -----{1}--{2}|
 * ```
 *
 * A txn with a compare that is false is not an error: `succeeded` is false, and `responses` are those of `failure`. A
 * txn of {@link guardedBy} with a guard that is false errors with `LockLost`.
 *
 * If the source is faster than the server, its values wait in memory. A txn that writes is sent at most once. If its
 * outcome is unknown, the stream errors with `AmbiguousWrite`. After any error, later values are ignored.
 *
 * ## Example
 *
 * Count visits, and record the first visitor
 *
 * ```ts
 * import { get, key, put } from 'rxetcd';
 *
 * visits$.pipe(
 *   commitTxn(etcd.kv, (name: string) => ({
 *     compare: [key('first').missing()],
 *     success: [put('first', name)],
 *     failure: [put(`after/${name}`, ''), get('first')],
 *   })),
 * ).subscribe((result) => {
 *   console.log(result.succeeded ? 'the first' : `after ${result.responses[1]?.value}`);
 * });
 *
 * // visits$ emits ann and bob
 * // Logs:
 * // the first
 * // after ann
 * ```
 *
 * @see {@link guardedBy}
 * @see {@link compareAndSet}
 *
 * @param kv The target of the commits: `etcd.kv`.
 * @return A function that returns an Observable of the results.
 */
export function commitTxn<X extends TxnSpec>(kv: TxnTarget): OperatorFunction<X, Committed<X>>;
/**
 * Builds a txn for each value and commits it, one after the other. The other signature expects values that are txns
 * already.
 *
 * @param kv The target of the commits: `etcd.kv`.
 * @param build A function that returns the txn for a value.
 * @return A function that returns an Observable of the results.
 */
export function commitTxn<T, const X extends TxnSpec>(
  kv: TxnTarget,
  build: (value: T, index: number) => X,
): OperatorFunction<T, Committed<X>>;
export function commitTxn(
  kv: TxnTarget,
  build: (value: never, index: number) => TxnSpec = (spec) => spec,
): OperatorFunction<never, unknown> {
  checkArgument('commitTxn', 'kv', kv, TXN_TARGET);
  checkArgument('commitTxn', 'build', build, FUNCTION);
  // Each txn is built after the result of the previous one, as its compares may depend on that result.
  return concatRead(
    (value: never, index) => ({ value: captured(value), index }),
    ({ value, index }) => commit(kv, build(value, index)),
  );
}

function commit(kv: TxnTarget, spec: TxnSpec): Observable<unknown> {
  if (!isFenced(spec)) return kv.txn(spec);
  return kv.txn(spec).pipe(
    map(({ succeeded, responses }) => {
      if (!succeeded) throw new EtcdError('LockLost', 'the txn was not carried out: its guard is no longer true');
      return responses[0];
    }),
  );
}
