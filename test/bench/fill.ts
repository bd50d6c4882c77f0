import { lastValueFrom, map, mergeMap, range } from 'rxjs';
import { put, type Client } from '../../src/index.js';

/** What every value is made of: 256 bytes, as many a config or address has. */
export const VALUE = 'abcdefgh'.repeat(32);

const OPS = 100;

/** The key of a number, as long for each. */
export const keyOf = (prefix: string, index: number): string => `${prefix}${String(index).padStart(6, '0')}`;

/** Writes so many keys, a hundred a revision; gives the revision before the first. */
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

/** The revision of the store. */
export const revisionOf = (etcd: Client, prefix: string): Promise<number> =>
  lastValueFrom(etcd.kv.range({ prefix }, { limit: 1 }).pipe(map(({ header }) => header.revision)));
