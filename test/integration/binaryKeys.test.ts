import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import * as t from 'io-ts';
import { firstValueFrom, take, toArray } from 'rxjs';
import { idToHex } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { Holder } from './support/holding.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
afterEach(() => holder.letGo());

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const beneath = (folder: string, rest: Uint8Array): Uint8Array => Uint8Array.of(...text(folder), ...rest);

test('keys and values of any bytes are returned unchanged by reads and watches', async () => {
  const { kv, watch } = fixture.etcd;
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(
      Uint8Array.of(),
      Uint8Array.of(0),
      Uint8Array.of(0xff, 0xff),
      Uint8Array.of(0xc3, 0x28),
      Uint8Array.of(0xed, 0xa0, 0x80),
      text('__proto__'),
    ),
  );
  await fc.assert(
    fc.asyncProperty(bytes, bytes, async (rest, value) => {
      const key = beneath('bytes/', rest);
      const { header } = await only(kv.put(key, value));
      const read = await only(kv.get(key));
      const [event] = await firstValueFrom(watch({ key }, { startRevision: header.revision }).pipe(take(1), toArray()));
      for (const found of [read, event?.kv])
        expect([found?.keyBytes, found?.valueBytes].map((part) => [...(part ?? [])])).toEqual([[...key], [...value]]);
      expect((await only(kv.delete(key))).deleted).toBe(1);
    }),
    { numRuns: 15 },
  );
});

test('a value of the maximum size is returned whole by a read and a watch; a larger one is rejected', async () => {
  const { kv, watch } = fixture.etcd;
  const value = new Uint8Array(1.5 * 1024 * 1024 - 1_000).map((_, index) => (index * 31 + (index >> 8)) % 256);
  const { header } = await only(kv.put('large/value', value));
  const event = await firstValueFrom(watch('large/value', { startRevision: header.revision }));
  for (const found of [await only(kv.get('large/value')), event.kv])
    expect(Buffer.compare(found?.valueBytes ?? new Uint8Array(), value)).toBe(0);
  await failureWith('RequestTooLarge', kv.put('large/value', new Uint8Array(1.5 * 1024 * 1024 + 1)));
  await only(kv.delete('large/value'));
});

test("JSON with JavaScript's own property names is an ordinary value, and changes no prototype", async () => {
  const { kv } = fixture.etcd;
  const hostile = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"a":1}';
  await only(kv.put('json/__proto__', hostile));
  const json = (await only(kv.get('json/__proto__')))?.json(t.type({ a: t.number }));
  expect(json).toMatchObject({ _tag: 'Right', right: { a: 1 } });
  expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
});

describe('a name of a lock or an election', () => {
  const names = [
    '..',
    '../../etc',
    '/',
    './.',
    'a/../b',
    './.',
    ' ',
    '\0',
    'a\0b',
    'line\nbreak',
    '漢字 😀',
    'e\u0301',
    '%2e%2e%2f',
    '__proto__',
    'constructor',
    '"',
    '\\',
    'x'.repeat(10_000),
  ];

  test.each(names.map((name) => [name.length > 100 ? `${name.length} letters` : name, name]))(
    'may be %j, and is only the beginning of its keys',
    async (_, rest) => {
      const { etcd } = fixture;
      for (const name of [`names/${rest}`, rest]) {
        const held = holder.hold(etcd.lock(name, { ttl: 30 }));
        const { key, lease } = await held.first();
        expect(key).toBe(`${name}/${idToHex(lease)}`);
        await failureWith('Locked', etcd.tryLock(name, { ttl: 30 }));
        held.leave();
        await waitForValue(
          () => only(etcd.kv.exists(key)),
          (exists) => !exists,
        );
      }
      const election = etcd.election(`names/${rest}`);
      const leading = holder.hold(election.campaign('me', { ttl: 30 }));
      const { key } = await leading.first();
      expect(key.startsWith(`names/${rest}/`)).toBe(true);
      expect((await firstValueFrom(election.leader$))?.value).toBe('me');
      leading.leave();
      await waitForValue(
        () => only(etcd.kv.exists(key)),
        (exists) => !exists,
      );
    },
  );

  test('that is empty or missing is rejected before anything is sent', async () => {
    const { etcd } = fixture;
    for (const name of ['', undefined, 7] as unknown as string[]) {
      await failureWith('InvalidArgument', etcd.lock(name, { ttl: 30 }));
      expect(() => etcd.election(name)).toThrow('name of an election: expected a string that is not empty');
    }
  });
});
