import { expect, test } from '@jest/globals';
import { KeyValue } from '../../../../src/model/keyValue.js';
import { BATCH_SIZE, ReadSizes } from '../../../../src/services/internal/getBatcher.js';

const pairOf = (size: number): KeyValue =>
  new KeyValue({ key64: '', value64: 'A'.repeat(size), createRevision: 1, modRevision: 1, version: 1, lease: undefined });

test('a pair is expected to have some kilobytes before the first read, and then the size of the others', () => {
  const sizes = new ReadSizes();
  expect(sizes.of('a')).toBe(BATCH_SIZE / 16);
  sizes.note('a', undefined);
  expect(sizes.of('b')).toBe(0);
  for (let index = 0; index < 100; index++) sizes.note(`b${index}`, pairOf(1_000));
  expect(sizes.of('c')).toBeGreaterThan(990);
  expect(sizes.of('c')).toBeLessThanOrEqual(1_000);
});

test('the size of a large pair is remembered by its key, as text or as bytes, until it is small', () => {
  const sizes = new ReadSizes();
  sizes.note('small', pairOf(10));
  sizes.note('large', pairOf(1_000_000));
  for (let index = 0; index < 200; index++) sizes.note('small', pairOf(10));
  expect(sizes.of('large')).toBe(1_000_000);
  expect(sizes.of(Buffer.from('large'))).toBe(1_000_000);
  expect(sizes.of('small')).toBeLessThan(100);
  sizes.note('large', pairOf(20));
  expect(sizes.of('large')).toBeLessThan(100);
});

test('the sizes of a thousand keys are remembered, and the one read longest ago is dropped', () => {
  const sizes = new ReadSizes();
  sizes.note('first', pairOf(50_000));
  sizes.note('second', pairOf(60_000));
  for (let index = 0; index < 998; index++) sizes.note(`other ${index}`, pairOf(8_000));
  sizes.note('first', pairOf(50_000));
  sizes.note('one more', pairOf(8_000));
  expect(sizes.of('first')).toBe(50_000);
  expect(sizes.of('second')).toBeLessThan(9_000);
});

test('keys of a response that was too large are read individually from then on', () => {
  const sizes = new ReadSizes();
  sizes.note('a', pairOf(10));
  sizes.noteTooLarge('a');
  expect(sizes.of('a')).toBe(BATCH_SIZE);
});

test('an invalid key has an unknown size, and is left to the codec', () => {
  const sizes = new ReadSizes();
  sizes.note('a', pairOf(10));
  sizes.note('b', pairOf(10_000));
  for (const key of [5, null, undefined, {}]) expect(sizes.of(key as never)).toBeLessThan(10_000);
});
