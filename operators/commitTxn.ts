import { concatMap, map, type Observable, type OperatorFunction } from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { checkArgument, FUNCTION } from '../src/model/validate.js';
import type { TxnSpec } from '../src/model/op.js';
import { isFenced, type Committed } from './internal/fencedTxn.js';
import { TXN_TARGET } from './internal/validators.js';
import type { TxnTarget } from './internal/putTarget.js';

/**
 * Commits a txn for each value, one after the other, and emits its result. The types of the result follow the operations, per branch.
 *
 * ```text
 * source:  --1--2-------|
 *          commitTxn(kv, build)
 * result:  -----{1}--{2}|
 * ```
 *
 * A txn whose conditions do not hold is no error: `succeeded` is false, and `responses` are those of `failure`. Txns of {@link guardedBy} are: where their
 * guard does not hold they end the stream with `LockLost`, and else give their own result.
 *
 * A source that is quicker than the server is kept waiting in memory. Each is sent at most once. `AmbiguousWrite` ends the stream where nobody knows whether one was carried out; the values after it are not looked at.
 *
 * ## Example
 *
 * Count visits, and who came first
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
 * @param kv What to commit to: `etcd.kv`.
 * @param build A function that gives the txn for a value; without it, values are txns.
 * @return A function that returns an Observable of the results.
 */
export function commitTxn<X extends TxnSpec>(kv: TxnTarget): OperatorFunction<X, Committed<X>>;
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
  return concatMap((value, index) => commit(kv, build(value, index)));
}

function commit(kv: TxnTarget, spec: TxnSpec): Observable<unknown> {
  if (!isFenced(spec)) return kv.txn(spec);
  return kv.txn(spec).pipe(
    map(({ succeeded, responses }) => {
      if (!succeeded) throw new EtcdError('LockLost', 'the guard of a txn no longer holds: nothing was done');
      return responses[0];
    }),
  );
}
