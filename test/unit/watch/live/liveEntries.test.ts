import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { KeyValue } from '../../../../src/model/keyValue.js';
import type { WatchEvent } from '../../../../src/model/events.js';
import type { LiveEntries } from '../../../../src/watch/live/liveRange.js';
import { del, kv, put } from '../../../operators/support.js';
import { entriesOf, resultOf } from '../support.js';

const valuesOf = (state: ReadonlyMap<string, KeyValue>): Record<string, string> =>
  Object.fromEntries([...state].map(([key, { value }]) => [key, value] as const).sort(([a], [b]) => (a < b ? -1 : 1)));
const shown = ({ type, kv: { key, value }, prevKv, revision }: WatchEvent): string =>
  `${type} ${key}=${value}@${revision}${prevKv === undefined ? '' : ` was ${prevKv.value}@${prevKv.modRevision}`}`;

describe('entries', () => {
  test('are the result of the events, each with the previous value', () => {
    const before = entriesOf([kv('a', '1', 2), kv('b', '1', 3)]);
    const { entries, changes } = before.apply([put('a', '2', 7), put('c', '1', 7), del('b', 7), del('x', 7)]);
    expect(valuesOf(entries.snapshot)).toEqual({ a: '2', c: '1' });
    expect(changes.map(shown)).toEqual(['put a=2@7 was 1@2', 'put c=1@7', 'delete b=@7 was 1@3', 'delete x=@7']);
  });

  test('stay unchanged when others are derived from them', () => {
    const before = entriesOf([kv('a', '1', 2)]);
    const { snapshot } = before;
    before.apply([put('a', '2', 7), put('b', '1', 7)]);
    expect([valuesOf(snapshot), valuesOf(before.snapshot)]).toEqual([{ a: '1' }, { a: '1' }]);
  });

  test('distinguish keys that are not UTF-8 and have the same text', () => {
    const keys = [new Uint8Array([0x61, 0xff]), new Uint8Array([0x61, 0xfe]), new Uint8Array([0x61, 0xef, 0xbf, 0xbd])];
    const entries = entriesOf(keys.map((key, index) => kv(key, String(index), index + 2)));
    expect([...entries.snapshot.values()].map(({ keyBytes }) => [...keyBytes])).toEqual(
      expect.arrayContaining(keys.map((key) => [...key])),
    );
    const [first = new Uint8Array()] = keys;
    expect(entries.apply([del(first, 9)]).entries.snapshot.size).toBe(2);
  });

  test('derive the changes from one state to a later one: deletions have the revision at which they were found', () => {
    const before = entriesOf([kv('a', '1', 2), kv('b', '1', 3), kv('same', '1', 4)]);
    const later = entriesOf([kv('a', '2', 12), kv('c', '1', 15), kv('same', '1', 4)]);
    const changes = resultOf(before.changesTo(later, 20));
    expect(changes.map(shown).sort()).toEqual(['delete b=@20 was 1@3', 'put a=2@12 was 1@2', 'put c=1@15']);
    expect(changes.find(({ type }) => type === 'delete')?.kv.toJSON()).toEqual({
      key: 'b',
      value: '',
      createRevision: 0,
      modRevision: 20,
      version: 0,
    });
  });

  test('detect that a key was deleted and created again with the same value', () => {
    const before = entriesOf([kv('a', '1', 2)]);
    expect(resultOf(before.changesTo(entriesOf([kv('a', '1', 9)]), 20)).map(shown)).toEqual(['put a=1@9 was 1@2']);
  });

  test('detect a key that another store has at the same revision with another value', () => {
    const before = entriesOf([kv('a', '1', 2), kv('same', '1', 3)]);
    const later = entriesOf([kv('a', '2', 2), kv('same', '1', 3)]);
    expect(resultOf(before.changesTo(later, 5)).map(shown)).toEqual(['put a=2@2 was 1@2']);
  });

  test('become the new list by the derived changes, from any earlier state', () => {
    const states = fc.uniqueArray(fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd', 'e'), revision: fc.integer({ min: 1, max: 9 }) }), {
      selector: ({ key }) => key,
    });
    const listed = (list: readonly { readonly key: string; readonly revision: number }[]): LiveEntries =>
      entriesOf(list.map(({ key, revision }) => kv(key, `${key}@${revision}`, revision)));
    fc.assert(
      fc.property(states, states, (one, other) => {
        const [before, later] = [listed(one), listed(other)];
        const changes = resultOf(before.changesTo(later, 10));
        expect(valuesOf(before.apply(changes).entries.snapshot)).toEqual(valuesOf(later.snapshot));
        // It reports nothing that did not happen.
        for (const { kv: changed, prevKv } of changes) expect(changed.modRevision).not.toBe(prevKv?.modRevision);
      }),
    );
  });
});

describe('a snapshot', () => {
  const { snapshot } = entriesOf([kv('a', '1', 2), kv('b', '2', 3)]);

  test('reads as a Map does', () => {
    expect([snapshot.size, snapshot.has('a'), snapshot.has('x'), snapshot.get('b')?.value, snapshot.get('x')]).toEqual([
      2,
      true,
      false,
      '2',
      undefined,
    ]);
    expect([...snapshot.keys()]).toEqual(['a', 'b']);
    expect([...snapshot.values()].map(({ value }) => value)).toEqual(['1', '2']);
    expect([...snapshot.entries()].map(([key, { value }]) => key + value)).toEqual(['a1', 'b2']);
    expect(new Map(snapshot).size).toBe(2);
  });

  test('calls back with value, key and itself, and with the given `this`', () => {
    const calls: unknown[] = [];
    snapshot.forEach(function (this: unknown, { value }, key, map) {
      calls.push([this, value, key, map === snapshot]);
    }, 'me');
    expect(calls).toEqual([['me', '1', 'a', true], ['me', '2', 'b', true]]); // prettier-ignore
  });

  test('can be iterated in part, and again', () => {
    const [first] = snapshot.keys();
    expect([first, [...snapshot.keys()].length]).toEqual(['a', 2]);
  });
});
