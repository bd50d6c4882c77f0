import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  isBase64,
  array,
  bool,
  bytes,
  clusterIdCodec,
  enumeration,
  int32,
  int64,
  leaseIdCodec,
  maybe,
  memberIdCodec,
  string,
  uint64,
} from '../../../src/codec/scalars.js';
import { INVALID } from '../../../src/codec/descriptors.js';
import { leaseId } from '../../../src/model/ids.js';
import { sent } from './sent.js';

describe('int64', () => {
  it('decodes decimal strings and numbers', () => {
    expect(int64.read('0')).toBe(0);
    expect(int64.read('-1')).toBe(-1);
    expect(int64.read(42)).toBe(42);
    expect(int64.read('007')).toBe(7);
    expect(int64.read(String(Number.MAX_SAFE_INTEGER))).toBe(Number.MAX_SAFE_INTEGER);
    expect(int64.read(String(Number.MIN_SAFE_INTEGER))).toBe(Number.MIN_SAFE_INTEGER);
  });

  it('returns every safe integer unchanged, as a string and as a number', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), (value) => {
        expect(int64.read(String(value))).toBe(value);
        expect(int64.read(value)).toBe(value);
        expect(int64.read(sent(int64.write(value)))).toBe(value);
      }),
    );
  });

  it('rejects a number that is not exact, instead of rounding it', () => {
    for (const input of ['9007199254740992', '9007199254740993', '-9007199254740993', '9223372036854775807', 2 ** 53])
      expect(int64.read(input)).toBe(INVALID);
    expect(int64.write(2 ** 53)).toBe(INVALID);
  });

  it('rejects anything but a decimal integer', () => {
    for (const input of [
      '',
      ' ',
      ' 1',
      '1 ',
      '+1',
      '1.0',
      '1e3',
      '0x10',
      '1_000',
      '-',
      'NaN',
      '١',
      1.5,
      NaN,
      Infinity,
      null,
      true,
      [],
      {},
    ]) {
      expect(int64.read(input)).toBe(INVALID);
    }
    fc.assert(
      fc.property(fc.string(), (text) => (int64.read(text) === INVALID) !== (/^-?\d+$/.test(text) && Number.isSafeInteger(Number(text)))),
    );
  });

  it('encodes a decimal string, and rejects other numbers', () => {
    expect(sent(int64.write(-5))).toBe('-5');
    expect(int64.write(1.5)).toBe(INVALID);
    expect(int64.write(NaN)).toBe(INVALID);
  });
});

describe('uint64 and int32', () => {
  it('rejects a negative uint64', () => {
    expect(uint64.read('12')).toBe(12);
    expect(uint64.read('-12')).toBe(INVALID);
    expect(uint64.write(-1)).toBe(INVALID);
  });

  it('encodes an int32 as a number', () => {
    expect(int32.read(4294967295)).toBe(4294967295);
    expect(sent(int32.write(7))).toBe(7);
    expect(int32.write(0.5)).toBe(INVALID);
  });
});

describe('ids', () => {
  it('keep all 64 bits', () => {
    expect(leaseIdCodec.read('7587869404026273798')).toBe('7587869404026273798');
    expect(memberIdCodec.read('18446744073709551615')).toBe('18446744073709551615');
    expect(sent(leaseIdCodec.write(leaseId('7587869404026273798')))).toBe('7587869404026273798');
  });

  it('reject a value out of range, a number, or no integer', () => {
    expect(leaseIdCodec.read('9223372036854775808')).toBe(INVALID);
    expect(memberIdCodec.read('18446744073709551616')).toBe(INVALID);
    for (const input of [5, '', 'abc', '0x5', '1.0', null]) expect(clusterIdCodec.read(input)).toBe(INVALID);
  });

  it('reject a negative member or cluster, however short', () => {
    expect(memberIdCodec.read('-5')).toBe(INVALID);
    expect(clusterIdCodec.read('-1')).toBe(INVALID);
    expect(leaseIdCodec.read('-5')).toBe('-5');
  });
});

describe('bytes', () => {
  it('returns any bytes unchanged', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (value) => {
        expect(bytes.read(sent(bytes.write(value)))).toEqual(value);
        expect(sent(bytes.write(value))).toBe(Buffer.from(value).toString('base64'));
      }),
    );
  });

  it('encodes text as UTF-8', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) =>
        expect(sent(bytes.write(text))).toBe(Buffer.from(text, 'utf8').toString('base64')),
      ),
    );
  });

  it('rejects anything but padded standard base64, short and long', () => {
    for (const long of ['', 'QUJD'.repeat(50), 'QUJD'.repeat(5_000)]) {
      for (const end of ['Q', 'QU', 'QUI', 'Q===', '====', 'QU=D', '=UJD', 'QU J', 'QU!=', 'QUJD\n', 'QUI=QUJD'])
        expect(isBase64(long + end)).toBe(false);
      for (const end of ['', 'QUJD', 'QUI=', 'QQ==']) expect(isBase64(long + end)).toBe(true);
    }
    for (const input of ['QU-_', 'Łabc', 5, null, {}]) expect(bytes.read(input)).toBe(INVALID);
    expect(bytes.write(5 as never)).toBe(INVALID);
  });
});

describe('base64 of any length', () => {
  const lengths = fc.oneof(fc.nat(200), fc.integer({ min: 16_370, max: 16_400 }), fc.integer({ min: 49_100, max: 49_200 }));
  const base64Of = (length: number): string => Buffer.alloc(length, 'etcd').toString('base64');

  it('is accepted with padding at any valid position', () => {
    fc.assert(fc.property(lengths, (length) => expect(isBase64(base64Of(length))).toBe(true)));
  });

  it('is rejected with an invalid character at any position', () => {
    const wrong = fc.constantFrom(' ', '\n', '!', '=', '\0', 'é', 'Ł');
    fc.assert(
      fc.property(lengths, fc.nat(), wrong, (length, at, character) => {
        const text = base64Of(length + 1).replace(/=+$/, 'AA'.slice(0, 2 - (length % 3)));
        const place = at % (text.length - 2);
        expect(isBase64(text.slice(0, place) + character + text.slice(place + 1))).toBe(false);
        // An inserted character: the text is one character longer.
        expect(isBase64(text.slice(0, place) + character + text.slice(place))).toBe(false);
      }),
    );
  });
});

describe('enumeration', () => {
  const Order = enumeration('Order', ['NONE', 'UP', 'DOWN']);

  it('decodes names, and the numbers that a gateway may send for them', () => {
    expect(Order.read('DOWN')).toBe('DOWN');
    expect(Order.read(1)).toBe('UP');
    expect(Order.absent()).toBe('NONE');
  });

  it('rejects other names and numbers', () => {
    for (const input of ['down', 'constructor', 'length', '1', 3, -1, 0.5, null]) expect(Order.read(input)).toBe(INVALID);
  });

  it('encodes names only', () => {
    expect(sent(Order.write('UP'))).toBe('UP');
    expect(Order.write('SIDEWAYS' as never)).toBe(INVALID);
    expect(Order.write(1 as never)).toBe(INVALID);
  });
});

describe('string, bool, array and maybe', () => {
  it('reject another type', () => {
    expect(string.read(1)).toBe(INVALID);
    expect(string.write(1 as never)).toBe(INVALID);
    expect(bool.read('true')).toBe(INVALID);
    expect(bool.write('true' as never)).toBe(INVALID);
    expect(array(string).read({ length: 0 })).toBe(INVALID);
    expect(array(string).write('ab' as never)).toBe(INVALID);
    expect(array(string).write(['a', 1 as never])).toBe(INVALID);
  });

  it('encode any text in ASCII', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(string.write(text)).toMatch(/^[\x20-\x7e]*$/);
        expect(sent(string.write(text))).toBe(text);
      }),
    );
  });

  it('decode and encode lists in order', () => {
    expect(array(int64).read(['3', '1'])).toEqual([3, 1]);
    expect(sent(array(int64).write([3, 1]))).toEqual(['3', '1']);
    expect(array(int64).read(['3', null])).toBe(INVALID);
  });

  it('are undefined for an omitted optional field', () => {
    expect(maybe(string).absent()).toBeUndefined();
    expect(maybe(string).read('a')).toBe('a');
  });
});
