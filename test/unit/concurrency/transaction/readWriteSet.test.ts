import { describe, expect, test } from '@jest/globals';
import { toBase64, toText } from '../../../../src/model/bytes.js';
import type { Compare, Op } from '../../../../src/model/op.js';
import { KeyValue } from '../../../../src/model/keyValue.js';
import { toKeyRange, binaryKey, spanOf } from '../../../../src/model/range.js';
import { ReadSet, WriteSet } from '../../../../src/concurrency/transaction/readWriteSet.js';

const kv = (key: string, modRevision: number): KeyValue =>
  new KeyValue({ key64: toBase64(key), value64: '', createRevision: 1, modRevision, version: 1, lease: undefined });

const shownRange = (range: Compare['range']): string => {
  const { key, rangeEnd } = toKeyRange(range);
  return rangeEnd === undefined ? toText(key) : `${toText(key)}..${toText(rangeEnd)}`;
};
const shown = (compares: readonly Compare[]): string[] =>
  compares.map(({ range, target, result, value }) => `${target} ${shownRange(range)} ${result} ${String(value)}`);
const shownOps = (ops: readonly Op[]): string[] =>
  ops.map((op) =>
    op.op === 'put' ? `put ${toText(op.key)}=${toText(op.value)}` : op.op === 'delete' ? `delete ${shownRange(op.range)}` : op.op,
  );

describe('the read set of a transaction', () => {
  test('is valid by the revisions of its keys, by the absence of others, and by no newer key in a range', () => {
    const reads = new ReadSet();
    expect(reads.first).toBeUndefined();
    expect(reads.add(spanOf('a'), [kv('a', 5)], 10)).toBe(true);
    expect(reads.add(spanOf('b'), [], 11)).toBe(true);
    expect(reads.add(spanOf({ prefix: 'c/' }), [kv('c/1', 7)], 12)).toBe(true);
    expect(reads.first).toBe(10);
    expect(shown(reads.compares())).toEqual(['MOD a EQUAL 5', 'MOD b EQUAL 0', 'MOD c/1 EQUAL 7', 'MOD c/..c0 LESS 13']);
  });

  test('returns keys and ranges that were read before', () => {
    const reads = new ReadSet();
    reads.add(spanOf({ prefix: 'c/' }), [kv('c/1', 7)], 12);
    expect(reads.find(binaryKey('c/1'))?.kv?.modRevision).toBe(7);
    expect(reads.find(binaryKey('c/2'))).toEqual({ kv: undefined });
    expect(reads.find(binaryKey('d'))).toBeUndefined();
    expect(reads.findAll(spanOf({ prefix: 'c/' }))?.map(({ key }) => key)).toEqual(['c/1']);
    expect(reads.findAll(spanOf({ prefix: 'c/1' }))).toBeUndefined();
  });

  test.each([
    ['a key that has changed', [kv('c/1', 8)]],
    ['a deleted key', []],
    ['a new key', [kv('c/1', 7), kv('c/2', 13)]],
  ])('conflicts with a later read that shows %s', (_, later) => {
    const reads = new ReadSet();
    reads.add(spanOf({ prefix: 'c' }), [kv('c/1', 7)], 12);
    expect(reads.add(spanOf({ prefix: 'c/' }), later, 13)).toBe(false);
  });
});

describe('the write set of a transaction', () => {
  test('has the last write of each key, and no key twice', () => {
    const writes = new WriteSet();
    writes.put('a', '1', undefined);
    writes.put('a', '2', undefined);
    writes.put('d/1', 'gone', undefined);
    writes.delete(spanOf({ prefix: 'd/' }));
    writes.put('d/2', 'stays', undefined);
    expect(shownOps(writes.ops())).toEqual(['put a=2', 'put d/2=stays', 'delete d/..d/2', 'delete d/2\0..d0']);
    expect(writes.find(binaryKey('d/1'))).toEqual({ kv: undefined });
    expect(writes.find(binaryKey('d/2'))?.kv).toMatchObject({ value: 'stays', modRevision: 0, version: 0 });
    expect(writes.find(binaryKey('e'))).toBeUndefined();
  });

  test('is merged with the store in the order of the keys', () => {
    const writes = new WriteSet();
    writes.delete(spanOf('d/1'));
    writes.put('d/0', 'new', undefined);
    writes.put('e', 'elsewhere', undefined);
    expect(writes.over(spanOf({ prefix: 'd/' }), [kv('d/1', 3), kv('d/9', 4)]).map(({ key }) => key)).toEqual(['d/0', 'd/9']);
  });

  test('is valid if there is no newer write, except to keys that were read', () => {
    const writes = new WriteSet();
    writes.put('read', '1', undefined);
    writes.put('blind', '1', undefined);
    writes.delete(spanOf('d'));
    expect(shown(writes.compares(9, (key) => key === 'read'))).toEqual(['MOD blind LESS 10', 'MOD d LESS 10']);
  });
});
