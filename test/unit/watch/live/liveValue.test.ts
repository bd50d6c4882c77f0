import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { Subject } from 'rxjs';
import type { InvalidValueError } from '../../../../src/errors/index.js';
import type { LiveUpdate } from '../../../../src/watch/live/liveRange.js';
import { LiveEntries } from '../../../../src/watch/liveEntries.js';
import { liveKey, liveValues } from '../../../../src/watch/liveValue.js';
import { kv } from '../../../operators/support.js';
import { watching } from '../support.js';

const Config = t.type({ color: t.string });

/** A key whose updates the test makes: its value at a revision, or undefined for none. */
function setUp() {
  const updates = new Subject<LiveUpdate>();
  const set = (value: string | undefined, revision: number): void =>
    updates.next({
      type: 'change',
      revision,
      state: LiveEntries.of(value === undefined ? [] : [kv('k', value, revision)]).snapshot,
      changes: [],
    });
  return { updates, set, key$: liveKey(updates) };
}

describe('the value of a key', () => {
  test('comes with each change, and is undefined while there is none', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set(undefined, 1);
    set('{"color":"red"}', 2);
    set('{"color":"red"}', 3);
    set(undefined, 4);
    expect(seen.values).toEqual([undefined, { color: 'red' }, { color: 'red' }, undefined]);
  });

  test('comes where another store has another one at the same revision', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set('{"color":"red"}', 2);
    set('{"color":"blue"}', 2);
    expect(seen.values).toEqual([{ color: 'red' }, { color: 'blue' }]);
  });

  test('does not come again where a list brings what is known', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set('{"color":"red"}', 2);
    set('{"color":"red"}', 2);
    set(undefined, 3);
    set(undefined, 4);
    expect(seen.values).toEqual([{ color: 'red' }, undefined]);
  });

  test('is an error where it is bad, and nobody wants to be told', () => {
    const { set, key$ } = setUp();
    const seen = watching(liveValues(key$, { codec: Config }));
    set('{"color":1}', 2);
    expect(seen.errors).toMatchObject([{ reason: 'InvalidValue' }]);
  });

  test('stays the last good one where a bad one is told', () => {
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
});
