import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hasReason } from '../../../src/errors/index.js';
import { toBase64, toBytes, type BytesLike } from '../../../src/model/bytes.js';
import { KeyValue } from '../../../src/model/keyValue.js';
import { Prefix } from '../../../src/prefix/prefix.js';

/**
 * Returns whether a key is in the range of a request, by etcd's rules: one key, the keys from one up to another, or up
 * to the end.
 */
function isIn(
  key: Uint8Array,
  { key: from = '', rangeEnd = '' }: { readonly key?: BytesLike; readonly rangeEnd?: BytesLike | undefined },
): boolean {
  const [low, end, at] = [from, rangeEnd, key].map((bytes) => Buffer.from(toBytes(bytes)).toString('hex'));
  if (end === '') return at === low;
  return at! >= low! && (end === '00' || at! < end!);
}

const joined = (...parts: BytesLike[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...toBytes(part)]));

/** Few different bytes, so that keys, ends and prefixes often match; the lowest and highest are included. */
const byte = fc.constantFrom(0, 1, 0x61, 0x62, 0xfe, 0xff);
const bytes = (minLength: number) =>
  fc
    .uint8Array({ minLength, maxLength: 4 })
    .chain(({ length }) => fc.array(byte, { minLength: length, maxLength: length }).map((all) => Uint8Array.from(all)));
const range = fc.record({ key: bytes(1), rangeEnd: fc.option(bytes(1), { nil: undefined }) });

describe('the keys of a request in a namespace', () => {
  test('are exactly those of the namespace that their names select', () => {
    fc.assert(
      fc.property(bytes(1), range, bytes(1), (prefix, asked, key) => {
        expect(isIn(joined(prefix, key), new Prefix(prefix).around(asked))).toBe(isIn(key, asked));
      }),
      { numRuns: 2_000 },
    );
  });

  test('are never those outside of the namespace', () => {
    fc.assert(
      fc.property(bytes(1), range, bytes(1), (prefix, asked, key) => {
        const within = new Prefix(prefix);
        if (isIn(key, within.around(asked))) expect(within.begins(key)).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  test('keep the other fields, and are bytes', () => {
    expect(new Prefix('é/').around({ key: 'a', limit: 5 })).toEqual({ key: joined('é/', 'a'), limit: 5 });
  });

  test('do not become text if the prefix and the key each end in half a character', () => {
    expect(() => new Prefix('\ud83d')).toThrow('received text with half of a surrogate pair');
    expect(new Prefix('a/').around({ key: '\ude00' })).toEqual({ key: '\ude00' });
  });

  test.each([[''], [new Uint8Array(0)]])('are rejected with EmptyKey, as by the server, if the key is empty: %p', (key) => {
    let error: unknown;
    try {
      new Prefix('a/').around({ key });
    } catch (thrown) {
      error = thrown;
    }
    expect(hasReason(error, 'EmptyKey')).toBe(true);
  });

  test('are left to the codec if they are invalid, which names the field', () => {
    expect(new Prefix('a/').around({ key: 7 as unknown as string }).key).toBe(7);
  });
});

describe('a key in a response to a namespace', () => {
  test('is the key without the prefix, for any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.uint8Array(), fc.uint8Array(), (prefix, key, value) => {
        const whole = new KeyValue({
          key64: toBase64(joined(prefix, key)),
          value64: toBase64(value),
          createRevision: 2,
          modRevision: 3,
          version: 4,
          lease: undefined,
        });
        const [outer, inner] = [prefix.slice(0, 1), prefix.slice(1)];
        const inside = inner.length === 0 ? new Prefix(outer).inside(whole) : new Prefix(inner).inside(new Prefix(outer).inside(whole));
        expect(new Prefix(prefix).inside(whole).keyBytes).toEqual(key);
        expect(inside.keyBytes).toEqual(key);
        expect(inside.keyBytes.buffer.byteLength).toBe(key.length);
        expect(inside.valueBytes).toEqual(value);
        expect(inside).toMatchObject({ createRevision: 2, modRevision: 3, version: 4, lease: undefined });
      }),
    );
  });

  test('is decoded as text, also if the prefix ends within three bytes of base64', () => {
    for (const prefix of ['a', 'ab', 'abc', 'äb']) {
      const whole = new KeyValue({
        key64: toBase64(`${prefix}schlüssel`),
        value64: '',
        createRevision: 1,
        modRevision: 1,
        version: 1,
        lease: undefined,
      });
      expect(new Prefix(prefix).inside(whole).key).toBe('schlüssel');
    }
  });
});

test.each([[''], [new Uint8Array(0)], [undefined], [7]])('a prefix is not empty, and text or bytes: %p', (given) => {
  let error: unknown;
  try {
    new Prefix(given as string);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('a prefix does not change when its owner changes the bytes', () => {
  const given = Uint8Array.of(0x61);
  const prefix = new Prefix(given);
  given[0] = 0x62;
  expect(prefix.before('x')).toEqual(toBytes('ax'));
});

test('a prefix is copied when it is passed', () => {
  const given = Buffer.from('a/');
  const prefix = new Prefix(given);
  given.write('b');
  expect(prefix.before('k')).toEqual(toBytes('a/k'));
});
