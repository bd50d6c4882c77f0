import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  toKeyRange,
  type Range,
  binaryKey,
  holds,
  isPoint,
  keyBytes,
  rangeOf,
  spanOf,
  without,
  type Span,
} from '../../../src/model/range.js';

const key = fc.uint8Array({ minLength: 1, maxLength: 3 }).map((bytes) => binaryKey(bytes));
const span = fc.tuple(key, fc.option(key, { nil: undefined })).map(([from, to]): Span => ({ from, to }));

describe('spans of keys', () => {
  test('keep the bytes and the order of keys', () => {
    expect(keyBytes(binaryKey(Uint8Array.of(0, 0x7f, 0xff)))).toEqual(Uint8Array.of(0, 0x7f, 0xff));
    expect(binaryKey('é')).toBe('\u00c3\u00a9');
    // By UTF-16 the order would be reversed.
    expect(binaryKey('\u{1f600}') > binaryKey('\uffee')).toBe(true);
  });

  test.each<[Range, string, boolean]>([
    ['a', 'a', true],
    ['a', 'ab', false],
    [{ prefix: 'a/' }, 'a/b', true],
    [{ prefix: 'a/' }, 'a0', false],
    [{ from: 'b' }, 'zzz', true],
    [{ from: 'b' }, 'a', false],
    [{ from: 'b', to: 'd' }, 'd', false],
    [{ all: true }, 'a', true],
  ])('of %j: whether it contains %s', (range, one, held) => {
    expect(holds(spanOf(range), binaryKey(one))).toBe(held);
  });

  test('are converted back to the ranges that they were made of', () => {
    for (const range of ['a', { prefix: 'a/' }, { from: 'a' }, { from: 'a', to: 'b' }] as const) {
      expect(spanOf(rangeOf(spanOf(range)))).toEqual(spanOf(range));
    }
    expect(isPoint(spanOf('a'))).toBe(true);
    expect(isPoint(spanOf({ prefix: 'a' }))).toBe(false);
    expect(toKeyRange(rangeOf(spanOf('a')))).toEqual({ key: Uint8Array.of(97) });
  });

  test('without some keys contain all the others, each once', () => {
    fc.assert(
      fc.property(span, fc.array(key), fc.array(key), (whole, cut, probes) => {
        const rest = without(whole, cut);
        for (const probe of [...probes, ...cut, whole.from]) {
          const times = rest.filter((part) => holds(part, probe)).length;
          expect(times).toBe(holds(whole, probe) && !cut.includes(probe) ? 1 : 0);
        }
      }),
    );
  });
});
