import fc from 'fast-check';

/** A secret that must not appear in any error. */
export const SECRET = 'hush-hush';

/** Values that a program in JavaScript may pass. */
export const junk: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(undefined, null, true, NaN, -1, 0.5, Infinity, 2 ** 60, '', '\ud800', 'a\udc00', 7n, Symbol('s'), () => 1),
  fc.constantFrom<unknown>(new Date(0), new Map(), new Set(['a']), new Uint16Array(2), Object.create(null), [undefined], [null], Array(1)),
  fc.constantFrom<unknown>({ key: undefined }, { prefix: null }, { from: 'a', to: undefined }, { all: false }, { toString: undefined }),
  fc.record({ secret: fc.constant(SECRET), bogus: fc.anything() }),
  fc.array(fc.constantFrom<unknown>(1, null, SECRET, {})).filter((list) => !list.every((item) => item === SECRET) || list.length === 0),
);
