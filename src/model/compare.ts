import type { BytesLike } from './bytes.js';
import type { LeaseId } from './ids.js';
import type { Range } from './range.js';

type Result = 'EQUAL' | 'NOT_EQUAL' | 'GREATER' | 'LESS';

/** A condition of a txn on a key, or on every key of a range (etcd 3.3 and newer). Made by {@link key}. */
export type Compare = { readonly range: Range; readonly result: Result } & (
  | { readonly target: 'VERSION' | 'CREATE' | 'MOD'; readonly value: number }
  | { readonly target: 'VALUE'; readonly value: BytesLike }
  | { readonly target: 'LEASE'; readonly value: LeaseId }
);

/** What can be said of a number, a value or a lease. */
export interface Comparison<V> {
  equals(value: V): Compare;
  notEquals(value: V): Compare;
  greater(value: V): Compare;
  less(value: V): Compare;
}

/** What can be said of a key. */
export interface KeyComparisons {
  /** The number of changes since it was created; 0 where there is no such key. */
  readonly version: Comparison<number>;
  /** The revision at which it was created; 0 where there is no such key. */
  readonly createRevision: Comparison<number>;
  /** The revision of its last change; 0 where there is no such key. */
  readonly modRevision: Comparison<number>;
  /** Its value, compared byte by byte. Never holds for a key that is not there. */
  readonly value: Comparison<BytesLike>;
  /** The lease it hangs on (etcd 3.3 and newer). */
  readonly lease: Comparison<LeaseId>;
  /** It is there. */
  exists(): Compare;
  /** It is not there. */
  missing(): Compare;
}

/**
 * A condition on a key for a txn's `compare`; on a range it must hold for every key in it.
 *
 * ```ts
 * etcd.kv.txn({ compare: [key('a').version.equals(0)], success: [put('a', '1')] });
 * ```
 */
export function key(range: Range): KeyComparisons {
  const numbers = (target: 'VERSION' | 'CREATE' | 'MOD'): Comparison<number> =>
    comparison((result, value) => ({ range, target, result, value }));
  return {
    version: numbers('VERSION'),
    createRevision: numbers('CREATE'),
    modRevision: numbers('MOD'),
    value: comparison((result, value) => ({ range, target: 'VALUE', result, value })),
    lease: comparison((result, value) => ({ range, target: 'LEASE', result, value })),
    exists: () => ({ range, target: 'VERSION', result: 'GREATER', value: 0 }),
    missing: () => ({ range, target: 'VERSION', result: 'EQUAL', value: 0 }),
  };
}

function comparison<V>(make: (result: Result, value: V) => Compare): Comparison<V> {
  return {
    equals: (value) => make('EQUAL', value),
    notEquals: (value) => make('NOT_EQUAL', value),
    greater: (value) => make('GREATER', value),
    less: (value) => make('LESS', value),
  };
}
