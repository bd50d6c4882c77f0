import { describe, expect, test } from '@jest/globals';
import { lastValueFrom, of, throwError, toArray, type Observable } from 'rxjs';
import { EtcdError } from '../../../../src/errors/index.js';
import { toBase64, toText } from '../../../../src/model/bytes.js';
import type { ClusterId, MemberId } from '../../../../src/model/ids.js';
import { KeyValue } from '../../../../src/model/keyValue.js';
import type { RangeOptions } from '../../../../src/model/op.js';
import { toKeyRange, type Range } from '../../../../src/model/range.js';
import type { RangeResponse } from '../../../../src/model/responses.js';
import { pages, type PagesOptions, type RangeReads } from '../../../../src/services/internal/pages.js';

/** Only codecs create branded ids, and these tests do not check the ids. */
const header = { clusterId: '1' as ClusterId, memberId: '1' as MemberId, revision: 7, raftTerm: 1 };
const KEYS_AT_FIRST = 1_000;

/** Serves keys with values of this size, and rejects a response with more than `most` bytes of values. */
function store(valueBytes: readonly number[], most = Infinity) {
  const keyOf = (index: number): string => String(index).padStart(7, '0');
  const values = new Map<number, string>();
  const kvAt = (index: number): KeyValue => {
    const bytes = valueBytes[index] ?? 0;
    const value64 = values.get(bytes) ?? toBase64('v'.repeat(bytes));
    values.set(bytes, value64);
    return new KeyValue({ key64: toBase64(keyOf(index)), value64, createRevision: 2, modRevision: 3, version: 1, lease: undefined });
  };
  const asked: number[] = [];
  /** The number of keys that the server counts: for each page, those left in the range. */
  let counted = 0;
  const longs: boolean[] = [];
  const readRange = (long: boolean, range: Range, { limit = 0 }: RangeOptions): Observable<RangeResponse> => {
    longs.push(long);
    const { key } = toKeyRange(range);
    const start = typeof key === 'string' ? 0 : Number(toText(key).slice(0, 7)) + 1;
    const end = Math.min(valueBytes.length, start + limit);
    asked.push(limit);
    counted += valueBytes.length - start;
    const bytes = valueBytes.slice(start, end).reduce((sum, each) => sum + each, 0);
    if (bytes > most) return throwError(() => new EtcdError('ResponseTooLarge', 'scripted', {}));
    const kvs = Array.from({ length: end - start }, (_, index) => kvAt(start + index));
    return of({ header, kvs, more: end < valueBytes.length, count: valueBytes.length - start });
  };
  const reads: RangeReads = {
    usual: (range, options) => readRange(false, range, options),
    long: (range, options) => readRange(true, range, options),
  };
  const read = async (options?: PagesOptions, maxResponseBytes?: number): Promise<number[]> => {
    const answers = await lastValueFrom(pages(reads, { from: ' ' }, options, { maxResponseBytes }).pipe(toArray()));
    // As text, which compares faster than lists of this length.
    expect(answers.flatMap(({ kvs }) => kvs.map(({ key }) => key)).join()).toBe(valueBytes.map((_, index) => keyOf(index)).join());
    return answers.map(({ kvs }) => kvs.length);
  };
  return { asked, longs, read, counted: () => counted };
}

const all = (count: number, bytes: number): number[] => new Array<number>(count).fill(bytes);

describe('pages', () => {
  test('grow, so that the keys counted by the server grow no faster than the keys themselves', async () => {
    const [few, many] = [store(all(20_000, 64)), store(all(200_000, 64))];
    await few.read();
    await many.read();
    expect(few.asked[0]).toBe(KEYS_AT_FIRST);
    // With pages of a constant size the server would count a hundred times as many.
    expect(many.counted() / few.counted()).toBeLessThan(10 ** 1.5);
    expect(many.asked.length).toBeLessThan(10);
  });

  test('have at most four times the keys of the page before', async () => {
    const sizes = await store(all(50_000, 64)).read();
    expect(sizes.slice(0, 3)).toEqual([1_000, 4_000, 16_000]);
  });

  test('have some megabytes, however long the values are', async () => {
    for (const bytes of [10, 1_000, 20_000]) {
      const sizes = await store(all(4_000, bytes)).read();
      // No page before the first shows the size of its values.
      for (const size of sizes.slice(1)) expect(size * bytes).toBeLessThanOrEqual(8 * 2 ** 20);
    }
  });

  test('shrink if values become longer, and grow if they become shorter', async () => {
    const sizes = await store([...all(2_000, 10), ...all(4_000, 10_000), ...all(20_000, 10)]).read();
    expect(Math.min(...sizes.slice(2, -1))).toBeLessThan(1_000);
    expect(Math.max(...sizes)).toBeGreaterThan(2_000);
  });

  test('stay below maxResponseBytes, without a rejected response', async () => {
    const most = 1_000_000;
    const sizes = await store(all(20_000, 200), most / 2).read(undefined, most);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(20_000);
    expect(Math.max(...sizes)).toBeGreaterThan(1_000);
  });

  test('learn from a rejection how much the server can send, and are seldom rejected afterwards', async () => {
    const { asked, read } = store(all(100_000, 200), 500_000);
    const sizes = await read();
    expect(asked.length - sizes.length).toBeLessThan(asked.length / 4);
    // Half of what fits, or more.
    expect(sizes.reduce((sum, size) => sum + size, 0) / sizes.length).toBeGreaterThan(1_000);
  });

  test('do not stay short because of a single long value', async () => {
    const { read } = store([...all(1_500, 10), 400_000, ...all(100_000, 10)], 400_100);
    const sizes = await read();
    expect(sizes.length).toBeLessThan(60);
    expect(Math.max(...sizes)).toBeGreaterThan(10_000);
  });

  test('have the requested size, whatever their bytes', async () => {
    for (const bytes of [0, 10, 20_000]) expect(await store(all(2_500, bytes)).read({ pageSize: 1_000 })).toEqual([1_000, 1_000, 500]);
  });

  test('have at most the requested number of keys, and that number again after a long value', async () => {
    const sizes = await store([...all(15, 10), ...all(10, 100_000), ...all(400, 10)], 400_000).read({ pageSize: 10 });
    expect(Math.max(...sizes)).toBe(10);
    expect(sizes.slice(-5, -1)).toEqual([10, 10, 10, 10]);
  });

  test('are predicted to be long by the previous page, so that the server is not sent a second request meanwhile', async () => {
    const { longs, read } = store(all(40_000, 64));
    await read();
    expect(longs).toEqual([false, false, true, true]);
  });

  test('without values stay shorter, as the server still reads the values', async () => {
    const sizes = await store(all(60_000, 0)).read({ keysOnly: true });
    expect(Math.max(...sizes)).toBe(10_000);
  });
});
