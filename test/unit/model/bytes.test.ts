import { afterAll, describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import * as withBuffer from '../../../src/model/bytes.js';

type Bytes = typeof withBuffer;

/** Loads the module as a runtime without Buffer does. */
function loadWithoutBuffer(): Bytes {
  const descriptor = Object.getOwnPropertyDescriptor(globalThis, 'Buffer');
  if (descriptor === undefined) throw new Error('this runtime has no Buffer to hide');
  let loaded: Bytes | undefined;
  Object.defineProperty(globalThis, 'Buffer', { value: undefined, configurable: true, writable: true });
  try {
    jest.isolateModules(() => {
      loaded = jest.requireActual<Bytes>('../../../src/model/bytes.js');
    });
  } finally {
    Object.defineProperty(globalThis, 'Buffer', descriptor);
  }
  if (loaded === undefined) throw new Error('the module did not load');
  return loaded;
}

const withoutBuffer = loadWithoutBuffer();
const text = fc.string({ unit: 'binary', maxLength: 40 });

describe.each<[string, Bytes]>([
  ['with Buffer', withBuffer],
  ['without Buffer', withoutBuffer],
])('%s', (_, { fromBase64, textFromBase64, toBase64, toBytes, toText }) => {
  test('bytes are decoded from base64 unchanged, into separate memory', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const decoded = fromBase64(toBase64(bytes));
        expect(decoded).toEqual(bytes);
        expect(Object.getPrototypeOf(decoded)).toBe(Uint8Array.prototype);
        expect(decoded.buffer.byteLength).toBe(bytes.length);
      }),
    );
  });

  test('text is decoded from base64 unchanged, including its byte order mark', () => {
    fc.assert(fc.property(text, (given) => expect(textFromBase64(toBase64(given))).toBe(given)));
    expect(textFromBase64(toBase64('\uFEFFa'))).toBe('\uFEFFa');
    expect(toText(toBytes('\uFEFFa'))).toBe('\uFEFFa');
  });

  test('a view of a larger array is encoded without the rest', () => {
    expect(toBase64(Uint8Array.of(1, 2, 3, 4, 5).subarray(1, 3))).toBe('AgM=');
  });

  test('a value of 1.5 MiB is encoded and decoded', () => {
    const large = new Uint8Array(1.5 * 1024 * 1024).map((_value, index) => index);
    expect(withBuffer.toBase64(fromBase64(toBase64(large)))).toBe(withBuffer.toBase64(large));
  });

  test('invalid UTF-8 becomes U+FFFD, and half a surrogate pair is rejected', () => {
    expect(textFromBase64(toBase64(Uint8Array.of(0x61, 0xff)))).toBe('a\uFFFD');
    expect(toText(Uint8Array.of(0xc3))).toBe('\uFFFD');
    expect(['\ud800', 'a\udc00', '\udc00\ud800', '\ud83d\ude00', 'é'].map(withBuffer.isBytesLike)).toEqual([
      false,
      false,
      false,
      true,
      true,
    ]);
  });
});

test('both implementations agree, for any text and any bytes', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)) }),
      fc.uint8Array({ maxLength: 60 }),
      (given, bytes) => {
        expect(withoutBuffer.toBase64(given)).toBe(withBuffer.toBase64(given));
        const base64 = withBuffer.toBase64(bytes);
        expect(withoutBuffer.toBase64(bytes)).toBe(base64);
        expect(withoutBuffer.textFromBase64(base64)).toBe(withBuffer.textFromBase64(base64));
      },
    ),
    { numRuns: 1_000 },
  );
});

test('strings and Uint8Arrays of any realm are accepted', () => {
  const foreign = jest.requireActual<typeof import('node:vm')>('node:vm').runInNewContext('new Uint8Array(2)') as unknown;
  for (const value of ['', 'a', new Uint8Array(1), Buffer.from('a'), foreign]) expect(withBuffer.isBytesLike(value)).toBe(true);
  for (const value of [undefined, null, 1, [1], {}, new Uint16Array(1), new ArrayBuffer(1), new DataView(new ArrayBuffer(1))]) {
    expect(withBuffer.isBytesLike(value)).toBe(false);
  }
});

afterAll(() => {
  expect(typeof Buffer).toBe('function');
});
