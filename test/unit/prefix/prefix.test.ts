import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { hasReason } from '../../../src/errors/index.js';
import { toBase64, toBytes, type BytesLike } from '../../../src/model/bytes.js';
import { KeyValue } from '../../../src/model/keyValue.js';
import { Prefix } from '../../../src/prefix/prefix.js';
import { isIn } from '../../support/fakes/fakeStore.js';

const joined = (...parts: BytesLike[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...toBytes(part)]));

/** Few different bytes, so that keys, ends and prefixes meet; those at the borders are among them. */
const byte = fc.constantFrom(0, 1, 0x61, 0x62, 0xfe, 0xff);
const bytes = (minLength: number) =>
  fc
    .uint8Array({ minLength, maxLength: 4 })
    .chain(({ length }) => fc.array(byte, { minLength: length, maxLength: length }).map((all) => Uint8Array.from(all)));
const range = fc.record({ key: bytes(1), rangeEnd: fc.option(bytes(1), { nil: undefined }) });

describe('the keys of a request', () => {
  test('are just those of the namespace that it names by their names in there', () => {
    fc.assert(
      fc.property(bytes(1), range, bytes(1), (prefix, asked, key) => {
        expect(isIn(joined(prefix, key), new Prefix(prefix).around(asked))).toBe(isIn(key, asked));
      }),
      { numRuns: 2_000 },
    );
  });

  test('are never those of anybody else', () => {
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

  test('do not become text by a prefix of which each is half a character', () => {
    expect(() => new Prefix('\ud83d')).toThrow('received text with half of a surrogate pair');
    expect(new Prefix('a/').around({ key: '\ude00' })).toEqual({ key: '\ude00' });
  });

  test.each([[''], [new Uint8Array(0)]])('are refused by the name that the server has for it where there is none: %p', (key) => {
    let error: unknown;
    try {
      new Prefix('a/').around({ key });
    } catch (thrown) {
      error = thrown;
    }
    expect(hasReason(error, 'EmptyKey')).toBe(true);
  });

  test('what is no key is left to the codec, which names the field', () => {
    expect(new Prefix('a/').around({ key: 7 as unknown as string }).key).toBe(7);
  });
});

describe('a key that comes back', () => {
  test('is what it was before the prefix, whatever its bytes', () => {
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

  test('reads as text, also where the prefix ends within three bytes of base64', () => {
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

test('a prefix stays what it was when its owner changes the bytes', () => {
  const given = Uint8Array.of(0x61);
  const prefix = new Prefix(given);
  given[0] = 0x62;
  expect(prefix.before('x')).toEqual(toBytes('ax'));
});

test('a prefix is what it was when it was given, whatever becomes of its bytes', () => {
  const given = Buffer.from('a/');
  const prefix = new Prefix(given);
  given.write('b');
  expect(prefix.before('k')).toEqual(toBytes('a/k'));
});
