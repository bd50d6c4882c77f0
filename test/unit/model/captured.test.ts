import { describe, expect, test } from '@jest/globals';
import { runInNewContext } from 'node:vm';
import { capturedBytes } from '../../../src/model/bytes.js';
import { captured, capturesItself, capturing } from '../../../src/model/captured.js';

function fail(): never {
  throw new Error('it cannot be read');
}

describe('a copy of an argument', () => {
  test.each<[what: string, make: () => unknown]>([
    ['bytes', () => new Uint8Array([1, 2])],
    ['a range', () => ({ from: new Uint8Array([1]), to: 'b' })],
    ['a list of lists', () => [[1, [2]], { a: [3] }]],
    ['a hole', () => Array<unknown>(2)],
    ['an object without a prototype', () => Object.assign(Object.create(null) as object, { a: [1] })],
    ['a name that is a trap', () => JSON.parse('{"__proto__":{"a":[1]}}') as unknown],
    ['a symbol', () => ({ [Symbol.for('fence')]: true, a: 1 })],
  ])('of %s is equal, and another object', (_, make) => {
    const given = make();
    expect(captured(given)).not.toBe(given);
    expect(captured(given)).toEqual(given);
    expect(Object.getOwnPropertyNames(captured(given))).toEqual(Object.getOwnPropertyNames(given));
  });

  test('with repeated or circular references is made once for each object', () => {
    let graph: object = { a: new Uint8Array([1]) };
    for (let level = 0; level < 40; level += 1) graph = { left: graph, right: [graph, graph] };
    const circle: Record<string, unknown> = { graph };
    Object.assign(circle, { self: circle, all: [circle, circle] });
    const copy = captured(circle);
    expect(copy).not.toBe(circle);
    expect(copy['self']).toBe(copy);
    expect(copy['all']).toEqual([copy, copy]);
  });

  test('shares no bytes with a Buffer, nor with an array of another realm', () => {
    const others = runInNewContext('new Uint8Array([1, 2])') as Uint8Array;
    for (const given of [Buffer.from([1, 2]), others]) {
      const copy = capturedBytes(given);
      given.fill(0);
      expect([...copy]).toEqual([1, 2]);
    }
  });

  test('keeps holes, so that they are rejected', () => {
    expect(0 in captured(Array<unknown>(1))).toBe(false);
  });

  test('keeps objects with behaviour: functions, signals, dates, classes, codecs without a class', () => {
    const given = {
      f: () => 1,
      signal: new AbortController().signal,
      at: new Date(),
      list: new Map(),
      codec: { decode: () => 1, state: {} },
    };
    const copy = captured(given);
    for (const name of Object.keys(given) as (keyof typeof given)[]) expect(copy[name]).toBe(given[name]);
  });
});

test.each<[what: string, make: () => object]>([
  ['a getter that throws', () => Object.defineProperty({}, 'a', { enumerable: true, get: fail })],
  ['a proxy that throws', () => new Proxy({}, { ownKeys: fail })],
  [
    'a circle',
    () => {
      const circle: Record<string, unknown> = {};
      circle['a'] = circle;
      return circle;
    },
  ],
  ['endless nesting', () => Array.from({ length: 20_000 }).reduce<object>((inner) => ({ inner }), {})],
])('copying %s does not throw', (_, make) => {
  expect(() => captured(make())).not.toThrow();
});

describe('methods that copy their arguments', () => {
  test('do so at any depth, also with the functions that they return', () => {
    const kept: unknown[] = [];
    const keep = (...given: unknown[]): void => void kept.push(...given);
    const api = capturing({
      keep,
      inner: { keep },
      make: () => ({ keep }),
      all: Object.assign((...given: unknown[]) => keep(...given), { keep }),
    });
    const given = [[1]];
    for (const { keep: method } of [api, api.inner, api.make(), api.all]) method(given);
    api.all(given);
    given[0]?.push(2);
    expect(kept).toEqual(Array<unknown>(5).fill([[1]]));
  });

  test('leave objects alone that copy for themselves', () => {
    const by = capturesItself((given: object) => given);
    const given = {};
    expect(capturing({ by, inner: capturesItself({ same: (what: object) => what }) }).by(given)).toBe(given);
    expect(capturing(capturing({ by }))).toEqual({ by });
  });
});
