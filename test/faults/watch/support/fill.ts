import { firstValueFrom, from, lastValueFrom, mergeMap, toArray } from 'rxjs';
import { put, type Client } from '../../../../src/index.js';
import type { Written } from '../../../support/watchGuarantees.js';

export interface FillOptions {
  readonly prefix: string;
  readonly revisions: number;
  /** The number of keys per revision. */
  readonly keys?: number;
  /** The number of characters per value. */
  readonly size?: number;
}

/** Writes revisions, many of them concurrently. @returns what was written */
export async function fill(
  client: Client,
  { prefix, revisions, keys = 1, size = 8 }: FillOptions,
): Promise<Map<number, readonly Written[]>> {
  const value = 'x'.repeat(size);
  const write = async (index: number): Promise<readonly [number, readonly Written[]]> => {
    const changes = Array.from({ length: keys }, (_, key): Written => ({ type: 'put', key: `${prefix}${index}/${key}`, value }));
    const { header } = await firstValueFrom(client.kv.txn({ success: changes.map((change) => put(change.key, change.value)) }));
    return [header.revision, changes];
  };
  const indices = Array.from({ length: revisions }, (_, index) => index);
  return new Map(await lastValueFrom(from(indices).pipe(mergeMap(write, 32), toArray())));
}
