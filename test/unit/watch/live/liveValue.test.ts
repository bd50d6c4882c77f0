import { describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import * as t from 'io-ts';
import { Subject } from 'rxjs';
import type { InvalidValueError } from '../../../../src/errors/index.js';
import type { LiveUpdate } from '../../../../src/watch/live/liveRange.js';
import { liveKey, liveValues } from '../../../../src/watch/live/live.js';
import { kv } from '../../../operators/support.js';
import { entriesOf, watching } from '../support.js';

const Config = t.type({ color: t.string });

/** A key whose updates the test makes: its value at a revision, or undefined without a value. */
function setUp() {
  const updates = new Subject<LiveUpdate>();
  const set = (value: string | undefined, revision: number): void =>
    updates.next({
      type: 'change',
      revision,
      state: entriesOf(value === undefined ? [] : [kv('k', value, revision)]).snapshot,
      changes: [],
    });
  return { updates, set, key$: liveKey(updates) };
}

describe('the value of a key', () => {
  test('is emitted with each change, and is undefined while the key is missing', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set(undefined, 1);
    set('{"color":"red"}', 2);
    set('{"color":"red"}', 3);
    set(undefined, 4);
    expect(seen.values).toEqual([undefined, { color: 'red' }, { color: 'red' }, undefined]);
  });

  test('is emitted if another store has another value at the same revision', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set('{"color":"red"}', 2);
    set('{"color":"blue"}', 2);
    expect(seen.values).toEqual([{ color: 'red' }, { color: 'blue' }]);
  });

  test('is not emitted again if a list contains the known value', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set('{"color":"red"}', 2);
    set('{"color":"red"}', 2);
    set(undefined, 3);
    set(undefined, 4);
    expect(seen.values).toEqual([{ color: 'red' }, undefined]);
  });

  test('is an error if it is invalid, without onInvalid', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set('{"color":1}', 2);
    expect(seen.errors).toMatchObject([{ reason: 'InvalidValue' }]);
  });

  test('stays the last valid one if onInvalid receives an invalid one', () => {
    const { set, key$ } = setUp();
    const invalid: InvalidValueError[] = [];
    const seen = watching(liveValues(key$, { codec: Config, onInvalid: (error) => invalid.push(error) }));
    set('{"color":"red"}', 2);
    set('{"color":1}', 3);
    set('no JSON', 4);
    set('{"color":"blue"}', 5);
    expect(seen.values).toEqual([{ color: 'red' }, { color: 'blue' }]);
    expect(invalid).toMatchObject([{ reason: 'InvalidValue' }, { reason: 'InvalidValue' }]);
    expect(seen.errors).toEqual([]);
  });

  test('is the fallback if the first value is invalid, until there is a valid one', () => {
    const { set, key$ } = setUp();
    const invalid: InvalidValueError[] = [];
    const fallback = { color: 'none' };
    const seen = watching(liveValues(key$, { codec: Config, onInvalid: (error) => invalid.push(error), fallback }));
    set('{"color":1}', 2);
    set('{"color":2}', 3);
    set('{"color":"red"}', 4);
    set('{"color":3}', 5);
    expect(seen.values).toEqual([fallback, { color: 'red' }]);
    expect(invalid).toHaveLength(3);
  });

  test('accepts a fallback only with onInvalid', () => {
    const { key$ } = setUp();
    expect(() => liveValues(key$, { codec: Config, fallback: { color: 'none' } })).toThrow(
      /expected the option onInvalid together with fallback/,
    );
  });
});

test('a live state is an object of its keys in JSON', () => {
  const state = entriesOf([kv('a', '1', 2), kv('__proto__', '2', 3)]).snapshot;
  expect(JSON.stringify({ state })).toMatch(
    /^\{"state":\{"a":\{"key":"a","value":"1",.*\},"__proto__":\{"key":"__proto__","value":"2",.*\}\}\}$/,
  );
  expect(inspect(state)).toMatch(/^Map\(2\) \{\s*'a' => /);
});
