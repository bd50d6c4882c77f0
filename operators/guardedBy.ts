import { map, type OperatorFunction } from 'rxjs';
import { captured } from '../src/model/captured.js';
import { checkArgument } from '../src/model/validate.js';
import { type Compare, txn, type TxnSpec } from '../src/model/op.js';
import { FENCED, isFenced, type Fenced, type FencedTxn } from './internal/fencedTxn.js';
import { GUARD } from './internal/validators.js';

/** A compare, or an object that has a `guard`, such as the ownership of a lock or a leadership. */
export type Guard = Compare | { readonly guard: Compare };

/**
 * Adds a guard to txns. A guarded txn does nothing unless its guard is true. Use it with the guard of a lock or a
 * leadership that you own. A txn that arrives after the ownership has ended then changes nothing.
 *
 * ```text
 * source:  --{ compare: [c], success: [s], failure: [f] }--
 *          guardedBy(g)
 * result:  --{ compare: [g], success: [txn({ compare: [c], success: [s], failure: [f] })] }--
 * ```
 *
 * **How to tell that the guard failed.** The txn is nested in another txn whose only compare is the guard. {@link
 * commitTxn} unwraps the result. If the guard was false, `commitTxn` errors with `LockLost`. If the guard was true, it
 * emits the result of the inner txn, with the types of the inner operations. If you commit the outer txn with
 * `etcd.kv.txn`, `succeeded` shows whether the guard was true, and `responses[0]` is the result of the inner txn. If
 * the guard were one more compare of the txn itself, it would be unknown which compare failed. Also, the `failure`
 * branch would run for a caller that is no longer the owner.
 *
 * Several guards can be added; all of them must be true. A nested txn needs etcd 3.3 or newer.
 *
 * ## Example
 *
 * ```ts
 * import { put, txn } from 'rxetcd';
 *
 * jobs$.pipe(
 *   withLock(etcd.lock('jobs'), (job, ownership) =>
 *     of(txn({ success: [put(`done/${job}`, 'yes')] })).pipe(guardedBy(ownership), commitTxn(etcd.kv)),
 *   ),
 * ).subscribe({
 *   next: ({ header }) => console.log('done at', header.revision),
 *   error: (error: Error) => console.log(error.message),
 * });
 *
 * // jobs$ emits a; then b, and the lock's key is deleted before its txn arrives
 * // Logs:
 * // done at 3
 * // the txn was not carried out: its guard is no longer true
 * ```
 *
 * @see {@link commitTxn}
 * @see {@link withLock}
 * @see {@link whileLeader}
 *
 * @param guard A compare, or an object whose field `guard` is a compare. The handles that `etcd.lock` and `campaign`
 * emit are such objects.
 * @return A function that returns an Observable of guarded txns.
 */
export function guardedBy<X extends TxnSpec>(guard: Guard): OperatorFunction<X, Fenced<X>> {
  checkArgument('guardedBy', 'guard', guard, GUARD);
  const condition = captured('guard' in guard ? guard.guard : guard);
  return map((spec) => fence(condition, spec) as Fenced<X>);
}

function fence(guard: Compare, spec: TxnSpec): FencedTxn {
  if (isFenced(spec)) return { ...spec, compare: [guard, ...(spec.compare ?? [])] };
  return { [FENCED]: true, compare: [guard], success: [txn(spec)], failure: [] };
}
