import { describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { updated, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

describe('liveValue', () => {
  const Config = t.type({ color: t.string });
  const red = '{"color":"red"}';

  test('emits the decoded value, and undefined while the key is missing', async () => {
    const { liveValue, kv } = fixture.client();
    const seen = watching(liveValue('value/typed', { codec: Config }));
    await waitForValue(() => seen.values.length, (count) => count === 1); // prettier-ignore
    await only(kv.put('value/typed', red));
    await only(kv.put('value/typed', '{"color":"blue"}'));
    await only(kv.delete('value/typed'));
    await waitForValue(() => seen.values.length, (count) => count === 4); // prettier-ignore
    const colors: (string | undefined)[] = seen.values.map((config) => config?.color);
    expect(colors).toEqual([undefined, 'red', 'blue', undefined]);
  });

  test('fails at an invalid value, or passes it to onInvalid and keeps the last valid one', async () => {
    const { liveValue, kv } = fixture.client();
    await only(kv.put('value/bad', red));
    const reported: string[] = [];
    const strict = watching(liveValue('value/bad', { codec: Config }));
    const patient = watching(liveValue('value/bad', { codec: Config, onInvalid: ({ reason }) => reported.push(reason) }));
    await waitForValue(() => patient.values.length + strict.values.length, (count) => count === 2); // prettier-ignore
    await only(kv.put('value/bad', '{"color":1}'));
    await only(kv.put('value/bad', 'no JSON'));
    await only(kv.put('value/bad', '{"color":"blue"}'));
    await waitForValue(() => patient.values.length, (count) => count === 2); // prettier-ignore
    expect([strict.values, patient.values]).toEqual([[{ color: 'red' }], [{ color: 'red' }, { color: 'blue' }]]);
    expect(strict.errors).toMatchObject([{ reason: 'InvalidValue' }]);
    expect([reported, patient.errors]).toEqual([['InvalidValue', 'InvalidValue'], []]);
  });

  test('as a state is loading, live, invalid beside the last valid value, and live again', async () => {
    const { liveValueState, kv } = fixture.client();
    await only(kv.put('value/state', red));
    const seen = watching(liveValueState('value/state', { codec: Config }));
    expect(seen.values).toEqual([{ status: 'loading', value: undefined, error: undefined }]);
    await updated(seen, ({ status }) => status === 'live');
    await only(kv.put('value/state', '{}'));
    await updated(seen, ({ status }) => status === 'invalid');
    await only(kv.delete('value/state'));
    await updated(seen, ({ status }) => status === 'live');
    expect(seen.values.map(({ status, value, error }) => [status, value?.color, error?.reason])).toEqual([
      ['loading', undefined, undefined],
      ['live', 'red', undefined],
      ['invalid', 'red', 'InvalidValue'],
      ['live', undefined, undefined],
    ]);
    expect(new Set(seen.values).size).toBe(4);
  });
});
