import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { idToHex, leaseId, memberId } from '../../../src/model/ids.js';

test('any 63-bit number is a lease id, and is converted to hexadecimal and back', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), (id) => {
      expect(leaseId(id)).toBe(id.toString());
      expect(leaseId(id.toString())).toBe(id.toString());
      expect(BigInt(`0x${idToHex(leaseId(id))}`)).toBe(id);
    }),
  );
});

test.each<[string | number | bigint, string]>([
  [0, '0'],
  [42, '42'],
  ['007', '7'],
  [Number.MAX_SAFE_INTEGER, '9007199254740991'],
  ['9223372036854775807', '9223372036854775807'],
])('%p is the lease id %s', (given, expected) => {
  expect(leaseId(given)).toBe(expected);
});

test('a member id has up to 64 bits, a lease id up to 63', () => {
  expect(memberId('18446744073709551615')).toBe('18446744073709551615');
  expect(idToHex(memberId('18446744073709551615'))).toBe('ffffffffffffffff');
  expect(() => memberId('18446744073709551616')).toThrow(expect.objectContaining({ reason: 'InvalidArgument' }));
  expect(() => leaseId('9223372036854775808')).toThrow(expect.objectContaining({ reason: 'InvalidArgument' }));
});

test.each([-1, '-5', 1.5, NaN, Infinity, 2 ** 53, '', ' 1', '1 ', '1\n', '0x10', '1e3', '１', 'abc', '1_000'])(
  '%p is no lease id',
  (given) => {
    expect(() => leaseId(given)).toThrow(
      expect.objectContaining({ reason: 'InvalidArgument', message: expect.stringContaining('lease id: expected a decimal integer') }),
    );
  },
);

test('the hexadecimal form of an id is that of etcdctl: lower case, without leading zeros', () => {
  expect(idToHex(leaseId('7587862094297316619'))).toBe('694d805f5f3e3d0b');
  expect(idToHex(leaseId(0))).toBe('0');
});
