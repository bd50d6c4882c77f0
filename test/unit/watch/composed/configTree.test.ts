import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { changesBetween, keepUnchanged } from '../../../../src/watch/composed/configTree.js';

/** A value of a class, whose content cannot be compared. */
class Hidden {
  readonly #content: number;
  constructor(content: number) {
    this.#content = content;
  }
  equals(other: Hidden): boolean {
    return this.#content === other.#content;
  }
}

/** Returns the differences between two configs. The result shares the unchanged parts with the value before. */
const changes = (before: unknown, after: unknown) => changesBetween(before, keepUnchanged(before, after), '/');

describe('keepUnchanged', () => {
  test('keeps the parts that are equal, and those around a change are new', () => {
    const before = { db: { host: 'a', port: 1 }, lists: [['a'], ['b']], rules: [{ path: '/' }] };
    const after = { db: { host: 'a', port: 2 }, lists: [['a'], ['c']], rules: [{ path: '/' }] };
    const kept = keepUnchanged(before, after) as typeof after;
    expect(kept).toEqual(after);
    expect(kept.db).not.toBe(before.db);
    expect(kept.rules).toBe(before.rules);
    expect([kept.lists === before.lists, kept.lists[0] === before.lists[0]]).toEqual([false, true]);
  });

  test.each([
    ['plain objects', { a: { b: [1, null, 'x'] } }, { a: { b: [1, null, 'x'] } }],
    ['objects without a prototype', Object.assign(Object.create(null), { a: 1 }), Object.assign(Object.create(null), { a: 1 })],
    ['dates', { at: new Date(5) }, { at: new Date(5) }],
    ['addresses', new URL('http://a/'), new URL('http://a/')],
    ['maps', new Map([['a', { b: 1 }]]), new Map([['a', { b: 1 }]])],
    ['sets', new Set([1, 2]), new Set([1, 2])],
    ['bytes', Uint8Array.of(1, 2), Uint8Array.of(1, 2)],
    ['big integers', { a: 5n }, { a: 5n }],
    ['NaN', [NaN], [NaN]],
  ])('keeps %s that are equal', (_, before, after) => {
    expect(keepUnchanged(before, after)).toBe(before);
    expect(changes(before, after)).toEqual([]);
  });

  test.each([
    ['dates', new Date(5), new Date(6)],
    ['maps', new Map([['a', 1]]), new Map([['a', 2]])],
    ['sets', new Set([1]), new Set([1, 2])],
    ['bytes', Uint8Array.of(1), Uint8Array.of(2)],
    ['big integers', 5n, 6n],
    ['a list and an object', ['a'], { 0: 'a' }],
    ['a text and a number', '5', 5],
    ['a missing name and an undefined value', {}, { a: undefined }],
    ['values with hidden contents', new Hidden(5), new Hidden(6)],
    ['values of different classes', new Date(5), new Date(5).toJSON()],
  ])('distinguishes different %s', (_, before, after) => {
    expect(keepUnchanged(before, after)).toBe(after);
  });

  test.each<[string, { at: unknown }, { at: unknown }]>([
    ['dates', { at: new Date(5) }, { at: new Date(6) }],
    ['sets', { at: new Set([1]) }, { at: new Set([2]) }],
    ['values with hidden contents', { at: new Hidden(5) }, { at: new Hidden(6) }],
    ['big integers', { at: 5n }, { at: 6n }],
    ['an empty list to an empty object', { at: [] }, { at: {} }],
  ])('reports a change of %s', (_, before, after) => {
    expect(changes(before, after)).toEqual([{ path: 'at', before: before.at, after: after.at }]);
  });

  test('leaves the new value as it is, and a frozen one frozen', () => {
    const before = { a: { x: 1 }, b: 1 };
    const after = Object.freeze({ a: { x: 1 }, b: 2 });
    const a = after.a;
    const kept = keepUnchanged(before, after) as typeof after;
    expect(after.a).toBe(a);
    expect([kept.a === before.a, Object.isFrozen(kept)]).toEqual([true, true]);
  });

  test('returns a value equal to the new one, and the previous object exactly if both are equal', () => {
    const json = fc.jsonValue({ maxDepth: 3 });
    fc.assert(
      fc.property(json, json, (before, after) => {
        const kept = keepUnchanged(before, after);
        expect(kept).toEqual(after);
        expect(keepUnchanged(before, structuredClone(before))).toBe(before);
        expect(changes(before, after).length === 0).toBe(Object.is(kept, before));
      }),
    );
  });
});
