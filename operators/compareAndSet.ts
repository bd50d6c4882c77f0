import { map, type Observable, type OperatorFunction } from 'rxjs';
import type { BytesLike } from '../src/model/bytes.js';
import { captured } from '../src/model/captured.js';
import { checkArgument } from '../src/model/validate.js';
import { type Compare, get, key as on, put } from '../src/model/op.js';
import type { LeaseId } from '../src/model/ids.js';
import type { KeyValue } from '../src/model/keyValue.js';
import type { ResponseHeader } from '../src/model/responses.js';
import { concatRead } from './internal/concatRead.js';
import { TXN_TARGET } from './internal/validators.js';
import type { TxnTarget } from './internal/putTarget.js';

/**
 * The state that a write requires:
 * - `{ modRevision }`, such as a `KeyValue`: the key has not changed since that revision
 * - `{ value }`: the key has exactly this value
 * - `undefined`: the key does not exist
 */
export type ExpectedState = { readonly modRevision: number } | { readonly value: BytesLike } | undefined;

/** A write that is carried out only if the key is in the expected state. */
export interface ConditionalPut {
  readonly key: BytesLike;
  /** The state that the key must have before the write. */
  readonly expected: ExpectedState;
  readonly value: BytesLike;
  /** The lease that the key is attached to from now on; by default none. */
  readonly lease?: LeaseId;
}

/** The result of a {@link ConditionalPut}. The put itself is in `change`. */
export type CompareAndSetResult<C extends ConditionalPut = ConditionalPut> =
  | {
      readonly succeeded: true;
      readonly header: ResponseHeader;
      readonly change: C;
      /** The key's `modRevision` after the write: a later write can use it as `expected`. */
      readonly modRevision: number;
    }
  | {
      readonly succeeded: false;
      readonly header: ResponseHeader;
      readonly change: C;
      /** The current state of the key; undefined if the key does not exist. */
      readonly current: KeyValue | undefined;
    };

/**
 * Writes each key of the source only if its state is as expected, one after the other, each in one txn. Emits whether
 * the key was written and, if it was not, its current state.
 *
 * ```text
 * source:  --{a, expected: @5}-------{a, expected: @5}---|
 *          compareAndSet(kv)
 * result:  -----{succeeded: true}-------{succeeded: false, current: a@7}|
 * ```
 *
 * The result of `etcd.kv.get` can be passed as `expected`: a `KeyValue` that must be unchanged, or undefined if the key
 * must not exist. A revision is the stronger condition: with `{ value }`, a value counts as unchanged even if it was
 * changed and then changed back. The result contains the item as `change`, with all its fields.
 *
 * If the source is faster than the server, its values wait in memory. Each write is sent at most once. After
 * `AmbiguousWrite` you may send the same change again, if `expected` is a `modRevision`. If the first write was carried
 * out, the second one is then rejected. `current` has your own value, unless another client has written to the key
 * since.
 *
 * ## Example
 *
 * ```ts
 * etcd.kv.get('app/color').pipe(
 *   map((kv) => ({ key: 'app/color', expected: kv, value: kv?.value === 'red' ? 'blue' : 'red' })),
 *   compareAndSet(etcd.kv),
 * ).subscribe((result) => {
 *   console.log(result.succeeded ? `written at ${result.modRevision}` : `found ${result.current?.value}`);
 * });
 *
 * // subscribed to twice; the second time another client puts green between the read and the write
 * // Logs:
 * // written at 2
 * // found green
 * ```
 *
 * @see {@link commitTxn}
 * @see {@link putTo}
 *
 * @param kv The target of the writes: `etcd.kv`.
 * @return A function that returns an Observable of the results.
 */
export function compareAndSet<C extends ConditionalPut>(kv: TxnTarget): OperatorFunction<C, CompareAndSetResult<C>> {
  checkArgument('compareAndSet', 'kv', kv, TXN_TARGET);
  const run = (change: C): Observable<CompareAndSetResult<C>> => {
    const { key, expected, value, lease } = change;
    const write = put(key, value, lease === undefined ? {} : { lease });
    return kv.txn({ compare: [conditionOf(key, expected)], success: [write], failure: [get(key)] }).pipe(
      map((result): CompareAndSetResult<C> => {
        const { header } = result;
        return result.succeeded
          ? { succeeded: true, header, change, modRevision: header.revision }
          : { succeeded: false, header, change, current: result.responses[0] };
      }),
    );
  };
  return concatRead(captured<C>, run);
}

function conditionOf(key: BytesLike, expected: ExpectedState): Compare {
  if (expected === undefined) return on({ key }).missing();
  // A `KeyValue` has both a revision and a value. Only its revision is compared.
  return 'modRevision' in expected ? on({ key }).modRevision.equals(expected.modRevision) : on({ key }).value.equals(expected.value);
}
