import { map, type OperatorFunction } from 'rxjs';
import { checkArgument } from '../src/model/validate.js';
import type { Compare } from '../src/model/compare.js';
import { txn, type TxnSpec } from '../src/model/op.js';
import { FENCED, isFenced, type Fenced, type FencedTxn } from './internal/fencedTxn.js';
import { GUARD } from './internal/validators.js';

/** A condition, or what has one: the ownership of a lock, a leadership. */
export type Guard = Compare | { readonly guard: Compare };

/**
 * Puts txns behind a fence: they do nothing at all unless the guard holds. For one who owns a lock or leads: what it sent while it was the owner, and what arrives
 * when it no longer is, changes nothing then.
 *
 * ```text
 * source:  --{ compare: [c], success: [s], failure: [f] }--
 *          guardedBy(g)
 * result:  --{ compare: [g], success: [txn({ compare: [c], success: [s], failure: [f] })] }--
 * ```
 *
 * **How to tell that it was the guard.** The txn is put into another whose only condition is the guard. {@link commitTxn} takes it out again: it errors with `LockLost`
 * where the guard did not hold, and else emits the txn's own result, with the types of its own operations. Where you commit it with `etcd.kv.txn`, `succeeded`
 * says whether the guard held, and `responses[0]` is the txn's own result. Just one more condition in the txn itself would not tell which of them failed, and would
 * let the `failure` branch of one who is no longer the owner run.
 *
 * Several guards may follow each other: all must hold. A txn within a txn needs etcd 3.3 or newer.
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
 * // the guard of a txn no longer holds: nothing was done
 * ```
 *
 * @see {@link commitTxn}
 * @see {@link withLock}
 * @see {@link whileLeader}
 *
 * @param guard A compare, or what has one as `guard`: what `etcd.lock` and `campaign` emit.
 * @return A function that returns an Observable of txns behind the fence.
 */
export function guardedBy<X extends TxnSpec>(guard: Guard): OperatorFunction<X, Fenced<X>> {
  checkArgument('guardedBy', 'guard', guard, GUARD);
  const condition = 'guard' in guard ? guard.guard : guard;
  return map((spec) => fence(condition, spec) as Fenced<X>);
}

function fence(guard: Compare, spec: TxnSpec): FencedTxn {
  if (isFenced(spec)) return { ...spec, compare: [guard, ...(spec.compare ?? [])] };
  return { [FENCED]: true, compare: [guard], success: [txn(spec)], failure: [] };
}
