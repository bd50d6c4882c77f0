import { describe, expect, it } from '@jest/globals';
import { inspect } from 'node:util';
import { Map as ImmutableMap } from 'immutable';
import { Snapshot } from '../../../src/model/immutableMapView.js';
import { mapKey, textOfKey, type MapKey } from '../../../src/model/persistentMap.js';

const LONG = 'services/a-name-of-more-than-sixteen-characters';
const texts = Array.from({ length: 2_000 }, (_, index) => (index % 2 === 0 ? `k${index}` : `${LONG}/${index}`));

describe('keys of a persistent map', () => {
  const entries = ImmutableMap<MapKey, number>(texts.map((text, index) => [mapKey(text), index]));

  it('find the value of each text, short or long', () => {
    expect(entries.size).toBe(texts.length);
    expect(texts.map((text) => entries.get(mapKey(text)))).toEqual(texts.map((_, index) => index));
    expect(entries.has(mapKey(`${LONG}/0`))).toBe(false);
  });

  it('replace the value of an equal text, and delete it', () => {
    const changed = entries.set(mapKey(`${LONG}/1`), -1).delete(mapKey(`${LONG}/3`));
    expect(changed.size).toBe(texts.length - 1);
    expect([changed.get(mapKey(`${LONG}/1`)), changed.get(mapKey(`${LONG}/3`))]).toEqual([-1, undefined]);
    expect([entries.get(mapKey(`${LONG}/1`)), entries.get(mapKey(`${LONG}/3`))]).toEqual([1, 3]);
  });

  it('have the text that they were made of', () => {
    expect([...entries.keys()].map(textOfKey).toSorted()).toEqual([...texts].sort());
  });
});

describe('a snapshot', () => {
  const state: ReadonlyMap<string, number> = new Snapshot(
    ImmutableMap<MapKey, number>([
      [mapKey('short'), 1],
      [mapKey(LONG), 2],
    ]),
  );
  const content = { short: 1, [LONG]: 2 };

  it('has texts as its keys, however it is read', () => {
    expect([state.get(LONG), state.get('short'), state.has(LONG), state.has(`${LONG}!`)]).toEqual([2, 1, true, false]);
    expect(Object.fromEntries(state)).toEqual(content);
    expect([...state.entries()]).toEqual(Object.entries(content));
    expect([...state.keys()]).toEqual(Object.keys(content));
    const visited: [string, number][] = [];
    state.forEach((value, key) => visited.push([key, value]));
    expect(visited).toEqual(Object.entries(content));
    expect(JSON.parse(JSON.stringify(state))).toEqual(content);
    expect(inspect(state)).toContain(`'${LONG}' => 2`);
  });
});
