import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { toBytes, type BytesLike } from '../../../src/model/bytes.js';
import { prefixEnd, toKeyRange, type KeyRange, type Range } from '../../../src/model/range.js';

/** Compares keys in etcd's order: by bytes, the shorter first. */
function compare(a: Uint8Array, b: Uint8Array): number {
  for (let index = 0; index < Math.min(a.length, b.length); index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

const isZero = (value: BytesLike): boolean => compare(toBytes(value), Uint8Array.of(0)) === 0;

/** Returns how etcd interprets key and range_end. */
function contains({ key, rangeEnd }: KeyRange, candidate: Uint8Array): boolean {
  const begins = compare(candidate, toBytes(key));
  if (rangeEnd === undefined) return begins === 0;
  return begins >= 0 && (isZero(rangeEnd) || compare(candidate, toBytes(rangeEnd)) < 0);
}

// Few different bytes, so that prefixes match; the lowest and highest are the usual places of errors.
const byte = fc.constantFrom(0x00, 0x01, 0x61, 0xfe, 0xff);
const key = fc.array(byte, { minLength: 1, maxLength: 4 }).map((list) => Uint8Array.from(list));

test('a key is in the range of a prefix if, and only if, it begins with it', () => {
  fc.assert(
    fc.property(
      key,
      fc.oneof(
        key,
        key.map((k) => Uint8Array.from([...k, 0xff])),
      ),
      (prefix, candidate) => {
        const begins = prefix.every((value, index) => candidate[index] === value);
        expect(contains(toKeyRange({ prefix }), candidate)).toBe(begins);
      },
    ),
    { numRuns: 2_000 },
  );
});

test('a range from one key to another includes the first, and excludes the second', () => {
  fc.assert(
    fc.property(key, key, key, (from, to, candidate) => {
      fc.pre(!isZero(to));
      const expected = compare(candidate, from) >= 0 && compare(candidate, to) < 0;
      expect(contains(toKeyRange({ from, to }), candidate)).toBe(expected);
    }),
    { numRuns: 2_000 },
  );
});

test('a range from one key on includes all later keys, and all includes every key', () => {
  fc.assert(
    fc.property(key, key, (from, candidate) => {
      expect(contains(toKeyRange({ from }), candidate)).toBe(compare(candidate, from) >= 0);
      expect(contains(toKeyRange({ all: true }), candidate)).toBe(true);
    }),
  );
});

test.each<[string, Range, KeyRange]>([
  ['text', 'a', { key: 'a' }],
  ['bytes', Uint8Array.of(1, 2), { key: Uint8Array.of(1, 2) }],
  ['a key', { key: 'a' }, { key: 'a' }],
  ['a prefix', { prefix: 'app/' }, { key: 'app/', rangeEnd: 'app0' }],
  [
    'a prefix that ends in 0xff',
    { prefix: Uint8Array.of(0x61, 0xff, 0xff) },
    { key: Uint8Array.of(0x61, 0xff, 0xff), rangeEnd: Uint8Array.of(0x62) },
  ],
  ['a prefix of 0xff bytes only', { prefix: Uint8Array.of(0xff) }, { key: Uint8Array.of(0xff), rangeEnd: '\0' }],
  ['from and to', { from: 'a', to: 'b' }, { key: 'a', rangeEnd: 'b' }],
  ['to and from', { to: 'b', from: 'a' }, { key: 'a', rangeEnd: 'b' }],
  ['from', { from: 'a' }, { key: 'a', rangeEnd: '\0' }],
  ['all', { all: true }, { key: '\0', rangeEnd: '\0' }],
])('%s is encoded as key and range_end', (_, range, expected) => {
  expect(toKeyRange(range)).toEqual(expected);
});

test.each([
  ['Uint8Array', Uint8Array.of(1, 2)],
  // Its own `slice` shares the memory.
  ['Buffer', Buffer.of(1, 2)],
])('the end of a prefix is a copy: the bytes of a %s are unchanged', (_, prefix) => {
  expect(prefixEnd(prefix)).toEqual(Uint8Array.of(1, 3));
  expect([...prefix]).toEqual([1, 2]);
});

describe('an invalid range is rejected as InvalidArgument', () => {
  test.each<[string, unknown, RegExp]>([
    ['an empty key', '', /an empty key/],
    ['an empty prefix, which would be every key', { prefix: '' }, /an empty prefix; use \{ all: true \}/],
    ['an empty from', { from: new Uint8Array(0) }, /an empty from/],
    ['an empty to', { from: 'a', to: '' }, /an empty to/],
    // etcd takes it as "no end": a delete of a range that holds nothing would delete all later keys.
    ['a zero byte as the end, which etcd takes for no end at all', { from: 'a', to: '\0' }, /use \{ from \}/],
    ['a zero byte as the end, in bytes', { from: 'a', to: Uint8Array.of(0) }, /use \{ from \}/],
    ['an end that is undefined, which would be no end at all', { from: 'a', to: undefined }, /received nothing in the field to/],
    ['nothing', undefined, /received nothing$/],
    ['null', null, /received null$/],
    ['a number', 7, /received number$/],
    ['a list', ['a'], /received the fields/],
    ['a number as a key', { key: 7 }, /received number in the field key/],
    ['two forms at a time', { key: 'a', prefix: 'b' }, /received the fields "key,prefix"/],
    ['all, but false', { all: false }, /received the fields "all"/],
    ['only an end', { to: 'b' }, /received the fields "to"/],
    ['no form at all', {}, /received the fields ""/],
  ])('%s', (_, range, message) => {
    expect(() => toKeyRange(range as Range)).toThrow(
      expect.objectContaining({ reason: 'InvalidArgument', message: expect.stringMatching(message) }),
    );
  });
});
