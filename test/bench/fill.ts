import { lastValueFrom, map, mergeMap, range } from 'rxjs';
import { put, type Client } from '../../src/index.js';

/** The content of every value: 256 bytes, about the size of a small config. */
export const VALUE = 'abcdefgh'.repeat(32);

const OPS = 100;

/** Returns the key with a number; all keys have the same length. */
export const keyOf = (prefix: string, index: number): string => `${prefix}${String(index).padStart(6, '0')}`;

/** Writes this many keys, a hundred per revision; returns the revision before the first. */
export async function fill(etcd: Client, prefix: string, count: number): Promise<number> {
  const before = await revisionOf(etcd, prefix);
  const txns = range(0, Math.ceil(count / OPS)).pipe(
    mergeMap((txn) => {
      const first = txn * OPS;
      const puts = Array.from({ length: Math.min(OPS, count - first) }, (_, op) => put(keyOf(prefix, first + op), VALUE));
      return etcd.kv.txn({ success: puts });
    }, 8),
  );
  await lastValueFrom(txns);
  return before;
}

/** Returns the revision of the store. */
export const revisionOf = (etcd: Client, prefix: string): Promise<number> =>
  lastValueFrom(etcd.kv.range({ prefix }, { limit: 1 }).pipe(map(({ header }) => header.revision)));
