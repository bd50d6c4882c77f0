import { concatMap, map, type OperatorFunction } from 'rxjs';
import type { BytesLike } from '../src/model/bytes.js';
import { checkArgument } from '../src/model/validate.js';
import { key as on, type Compare } from '../src/model/compare.js';
import type { LeaseId } from '../src/model/ids.js';
import type { KeyValue } from '../src/model/keyValue.js';
import { get, put } from '../src/model/op.js';
import type { ResponseHeader } from '../src/model/responses.js';
import { TXN_TARGET } from './internal/validators.js';
import type { TxnTarget } from './internal/putTarget.js';

/**
 * What has to be there for a write:
 * - `{ modRevision }`, which any `KeyValue` is: the key, unchanged since then
 * - `{ value }`: the key, with just this value
 * - `undefined`: no such key
 */
export type Expected = { readonly modRevision: number } | { readonly value: BytesLike } | undefined;

/** A write that is carried out only if nobody was there before. */
export interface ConditionalPut {
  readonly key: BytesLike;
  /** What has to be there. */
  readonly expected: Expected;
  readonly value: BytesLike;
  /** The lease that the key hangs on from now; without it, none. */
  readonly lease?: LeaseId;
}

/** What came of a {@link ConditionalPut}, which is in `change`. */
export type CompareAndSetResult<C extends ConditionalPut = ConditionalPut> =
  | {
      readonly succeeded: true;
      readonly header: ResponseHeader;
      readonly change: C;
      /** What the key's `modRevision` is now: what the next write may expect. */
      readonly modRevision: number;
    }
  | {
      readonly succeeded: false;
      readonly header: ResponseHeader;
      readonly change: C;
      /** What is there instead; undefined where there is no such key. */
      readonly current: KeyValue | undefined;
    };

/**
 * Writes each key of the source only if it is as expected, one after the other, each at one stroke on the server. Emits whether it was written,
 * and where it was not, what is there instead.
 *
 * ```text
 * source:  --{a, expected: @5}-------{a, expected: @5}---|
 *          compareAndSet(kv)
 * result:  -----{succeeded: true}-------{succeeded: false, current: a@7}|
 * ```
 *
 * What `etcd.kv.get` gives is an expectation as it is: a `KeyValue` that must be unchanged, or undefined where the key must not be there. A
 * revision is the stronger one: a value that was changed and changed back passes for unchanged. Fields of your own that an item has are in the result's `change`.
 *
 * A source that is quicker than the server is kept waiting in memory. Each is sent at most once. After `AmbiguousWrite` the same change may be tried again by you: where it was carried out, it is refused, and `current` shows your
 * own value.
 *
 * ## Example
 *
 * ```ts
 * etcd.kv.get('app/color').pipe(
 *   map((kv) => ({ key: 'app/color', expected: kv, value: kv?.value === 'red' ? 'blue' : 'red' })),
 *   compareAndSet(etcd.kv),
 * ).subscribe((result) => {
 *   console.log(result.succeeded ? `written at ${result.modRevision}` : `somebody wrote ${result.current?.value}`);
 * });
 *
 * // subscribed to twice; the second time somebody else puts green between the read and the write
 * // Logs:
 * // written at 2
 * // somebody wrote green
 * ```
 *
 * @see {@link commitTxn}
 * @see {@link putTo}
 *
 * @param kv What to write to: `etcd.kv`.
 * @return A function that returns an Observable of the results.
 */
export function compareAndSet<C extends ConditionalPut>(kv: TxnTarget): OperatorFunction<C, CompareAndSetResult<C>> {
  checkArgument('compareAndSet', 'kv', kv, TXN_TARGET);
  return concatMap((change) => {
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
  });
}

function conditionOf(key: BytesLike, expected: Expected): Compare {
  if (expected === undefined) return on({ key }).missing();
  // A KeyValue has a value as well.
  return 'modRevision' in expected ? on({ key }).modRevision.equals(expected.modRevision) : on({ key }).value.equals(expected.value);
}
