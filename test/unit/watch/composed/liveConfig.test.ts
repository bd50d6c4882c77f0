import { afterEach, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { del, put, type Client, type ConfigUpdate, type StandardSchema } from 'rxetcd';
import { createTestEtcd, type TestServer } from 'rxetcd/testing';
import { firstValueFrom } from 'rxjs';
import { waitFor } from '../../../support/waitFor.js';
import { watching, type Seen } from '../support.js';

const App = t.intersection([
  t.type({ name: t.string, db: t.type({ host: t.string, port: t.number }) }),
  t.partial({
    beta: t.boolean,
    limits: t.record(t.string, t.number),
    hosts: t.array(t.string),
    rules: t.array(t.type({ path: t.string, rate: t.union([t.number, t.null]) })),
  }),
]);
type App = t.TypeOf<typeof App>;

let server: TestServer;
function made(): Client {
  const test = createTestEtcd({ client: { streams: { initialBackoffMs: 1, maxBackoffMs: 5 } } });
  ({ server } = test);
  return test.etcd;
}
afterEach(() => server.close());

/** Writes keys in one txn. */
const write = (keys: Readonly<Record<string, string>>): unknown =>
  server.txn({ success: Object.entries(keys).map(([key, value]) => put(key, value)) });

const emitted = (seen: Seen<unknown>, count: number): Promise<unknown> =>
  waitFor(`${count} emissions`, () => seen.values.length >= count || seen.errors.length > 0);

/** Follows a config, and waits for its first emission. */
async function following(etcd: Client, prefix: string | readonly string[], defaults?: object): Promise<Seen<ConfigUpdate<App>>> {
  const seen = watching(etcd.liveConfig(prefix, { codec: App, ...(defaults === undefined ? {} : { defaults }) }));
  await emitted(seen, 1);
  return seen;
}

const DB = { 'app/name': '5', 'app/db/host': 'a', 'app/db/port': '5432' };

describe('liveConfig', () => {
  test('reads keys as the codec expects: text, numbers, booleans, JSON, and numbered keys as lists', async () => {
    const etcd = made();
    write({
      ...DB,
      'app/beta': 'true',
      'app/limits': '{"requests":10}',
      'app/hosts/10': 'k',
      'app/hosts/9': '9',
      'app/rules/0/path': '/',
      'app/rules/0/rate': 'null',
      'app/rules/1': '{"path":"/a","rate":3}',
    });
    const seen = await following(etcd, 'app/');
    expect(seen.errors).toEqual([]);
    expect(seen.values).toEqual([
      {
        type: 'snapshot',
        revision: 2,
        config: {
          name: '5',
          db: { host: 'a', port: 5432 },
          beta: true,
          limits: { requests: 10 },
          hosts: ['9', 'k'],
          rules: [
            { path: '/', rate: null },
            { path: '/a', rate: 3 },
          ],
        },
        changes: [],
        rejected: undefined,
      },
    ]);
  });

  test('emits each revision once, with the paths that changed', async () => {
    const etcd = made();
    write(DB);
    const seen = await following(etcd, 'app/');
    server.txn({ success: [put('app/db/port', '1'), put('app/db/host', 'b'), put('app/hosts/0', 'x'), put('app/beta', 'false')] });
    server.put('app/db/port', '1.0');
    server.txn({ success: [del('app/beta'), put('app/hosts/1', 'y')] });
    await emitted(seen, 3);
    expect(seen.values.slice(1).map(({ revision, changes }) => [revision, changes])).toEqual([
      [
        3,
        [
          { path: 'beta', before: undefined, after: false },
          { path: 'db/host', before: 'a', after: 'b' },
          { path: 'db/port', before: 5432, after: 1 },
          { path: 'hosts', before: undefined, after: ['x'] },
        ],
      ],
      [
        5,
        [
          { path: 'beta', before: false, after: undefined },
          { path: 'hosts/1', before: undefined, after: 'y' },
        ],
      ],
    ]);
  });

  test('keeps the last valid config in force, and names the keys of an invalid one', async () => {
    const etcd = made();
    write(DB);
    const seen = await following(etcd, 'app/');
    write({ 'app/db/port': 'many', 'app/db/host': 'b' });
    server.delete('app/name');
    server.put('app/db/port', '1');
    server.put('app/name', '5');
    await emitted(seen, 5);
    expect(seen.errors).toEqual([]);
    expect(seen.values.map(({ config, rejected }) => [config.db, rejected?.failures])).toEqual([
      [{ host: 'a', port: 5432 }, undefined],
      [{ host: 'a', port: 5432 }, ['app/db/port: expected number, received string']],
      [{ host: 'a', port: 5432 }, ['app/name: expected string, received nothing', 'app/db/port: expected number, received string']],
      [{ host: 'a', port: 5432 }, ['app/name: expected string, received nothing']],
      [{ host: 'b', port: 1 }, undefined],
    ]);
    expect(seen.values.at(-1)?.changes.map(({ path }) => path)).toEqual(['db/host', 'db/port']);
    expect(seen.values[1]?.rejected).toMatchObject({ reason: 'InvalidValue', key: 'app/' });
  });

  test('errors if there is neither a valid config nor valid defaults', async () => {
    const seen = await following(made(), 'app/', { db: { port: 1 } });
    expect(seen.values).toEqual([]);
    expect(seen.errors).toMatchObject([
      {
        reason: 'InvalidValue',
        failures: ['app/name: expected string, received nothing', 'app/db/host: expected string, received nothing'],
      },
    ]);
  });

  test('uses the defaults for missing keys, and while there has been no valid config', async () => {
    const etcd = made();
    server.put('app/db/port', 'many');
    const seen = await following(etcd, 'app/', { name: 'x', db: { host: 'a', port: 1 }, hosts: ['d'] });
    server.put('app/db/port', '2');
    server.put('app/hosts/0', 'e');
    await emitted(seen, 3);
    expect(seen.values.map(({ config, rejected }) => [config, rejected?.failures])).toEqual([
      [{ name: 'x', db: { host: 'a', port: 1 }, hosts: ['d'] }, ['app/db/port: expected number, received string']],
      [{ name: 'x', db: { host: 'a', port: 2 }, hosts: ['d'] }, undefined],
      [{ name: 'x', db: { host: 'a', port: 2 }, hosts: ['e'] }, undefined],
    ]);
  });

  test('layers prefixes: the later ones take precedence, and a txn over several is one emission', async () => {
    const etcd = made();
    write({ 'all/name': 'n', 'all/db/host': 'a', 'all/db/port': '1', 'all/limits/x': '1', 'prod/db/port': '2' });
    const seen = await following(etcd, ['all/', 'prod/', 'host/web-1/']);
    server.txn({ success: [put('host/web-1/db/port', '3'), put('all/db/host', 'b'), put('prod/limits', '{"y":2}')] });
    server.put('all/db/port', '7');
    server.txn({ success: [del('host/web-1/db/port'), del('prod/db/port')] });
    await emitted(seen, 3);
    expect(seen.values.map(({ config }) => config)).toEqual([
      { name: 'n', db: { host: 'a', port: 2 }, limits: { x: 1 } },
      { name: 'n', db: { host: 'b', port: 3 }, limits: { y: 2 } },
      { name: 'n', db: { host: 'b', port: 7 }, limits: { y: 2 } },
    ]);
  });

  test('accepts a Standard Schema', async () => {
    const etcd = made();
    write(DB);
    const schema: StandardSchema<number> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => {
          const port: unknown = Reflect.get(Reflect.get(Object(value), 'db') as object, 'port');
          return typeof port === 'number'
            ? { value: port }
            : { issues: [{ message: 'a port is a number', path: ['db', { key: 'port' }] }] };
        },
      },
    };
    const seen = watching(etcd.liveConfig('app/', { codec: schema }));
    await emitted(seen, 1);
    server.put('app/db/port', 'many');
    await emitted(seen, 2);
    expect(seen.values.map(({ config, rejected }) => [config, rejected?.failures])).toEqual([
      [5432, undefined],
      [5432, ['app/db/port: a port is a number']],
    ]);
  });

  test('rejects a value above other keys of the same layer', async () => {
    const etcd = made();
    write(DB);
    const seen = await following(etcd, 'app/');
    server.put('app/db', '{}');
    await emitted(seen, 2);
    expect(seen.values[1]?.rejected?.failures).toEqual([
      'app/db/host: expected no value above it, but a key above it has one',
      'app/db/port: expected no value above it, but a key above it has one',
    ]);
  });

  test('accepts another separator, in a namespace, and names of built-in object properties', async () => {
    const etcd = made();
    write({ 'ns/app.__proto__.x': '1', 'ns/app.a/b': '2' });
    const codec = t.record(t.string, t.union([t.number, t.record(t.string, t.number)]));
    const seen = watching(etcd.namespace('ns/').liveConfig('app.', { codec, separator: '.' }));
    await emitted(seen, 1);
    expect(seen.errors).toEqual([]);
    expect(Object.entries(seen.values[0]?.config ?? {})).toEqual([
      ['__proto__', { x: 1 }],
      ['a/b', 2],
    ]);
    expect(Reflect.get({}, 'x')).toBeUndefined();
  });

  test.each([
    ['', { codec: App }, 'prefix of liveConfig: expected a string that is not empty, received an empty string'],
    [[], { codec: App }, 'prefix of liveConfig: expected at least one prefix'],
    ['a/', {}, 'codec of liveConfig: expected an io-ts codec or a Standard Schema'],
    ['a/', { codec: App, separator: '' }, 'separator of liveConfig: expected a string that is not empty'],
    ['a/', { codec: App, defaults: 7 }, 'defaults of liveConfig: expected an object'],
  ])('rejects %j with %j', async (prefix, options, message) => {
    const seen = watching(made().liveConfig(prefix as string, options as never));
    await waitFor('an error', () => seen.errors.length > 0);
    expect(seen.errors[0]).toMatchObject({ reason: 'InvalidArgument', message: expect.stringContaining(message) });
  });
});

describe('putConfig', () => {
  const stored = (): Record<string, string> =>
    Object.fromEntries(server.range({ prefix: 'app/' }).kvs.map(({ key, value }): [string, string] => [key, value]));
  const CONFIG: App = {
    name: 'n',
    db: { host: 'a', port: 1 },
    beta: false,
    limits: {},
    hosts: ['x', 'y'],
    rules: [{ path: '/', rate: null }],
  };

  test('writes what liveConfig reads', async () => {
    const etcd = made();
    const { puts, deletes, revision } = await firstValueFrom(etcd.putConfig('app/', CONFIG));
    expect(stored()).toEqual({
      'app/name': 'n',
      'app/db/host': 'a',
      'app/db/port': '1',
      'app/beta': 'false',
      'app/limits': '{}',
      'app/hosts/0': 'x',
      'app/hosts/1': 'y',
      'app/rules/0/path': '/',
      'app/rules/0/rate': 'null',
    });
    expect([puts.length, deletes, revision]).toEqual([9, [], 2]);
    expect((await firstValueFrom(etcd.liveConfig('app/', { codec: App }))).config).toEqual(CONFIG);
  });

  test('writes only what differs, in one txn', async () => {
    const etcd = made();
    await firstValueFrom(etcd.putConfig('app/', CONFIG));
    const { puts, deletes, revision } = await firstValueFrom(
      etcd.putConfig('app/', { ...CONFIG, beta: undefined, db: { host: 'a', port: 2 }, hosts: ['x'] }),
    );
    expect([puts, deletes, revision]).toEqual([['app/db/port'], ['app/beta', 'app/hosts/1'], 3]);
    expect(await firstValueFrom(etcd.putConfig('app/', { ...CONFIG, beta: undefined, db: { host: 'a', port: 2 }, hosts: ['x'] }))).toEqual({
      revision: 3,
      puts: [],
      deletes: [],
    });
    expect(server.revision).toBe(3);
  });

  test.each([
    ['a change', () => server.put('app/name', 'other')],
    ['a new key', () => server.put('app/new', '1')],
    ['a deletion', () => server.delete('app/hosts/0')],
  ])('does not overwrite %s after the revision that it is based on', async (_, change) => {
    const etcd = made();
    const { revision } = await firstValueFrom(etcd.putConfig('app/', CONFIG));
    change();
    const before = stored();
    for (const config of [CONFIG, { ...CONFIG, beta: true }])
      await expect(firstValueFrom(etcd.putConfig('app/', config, { revision }))).rejects.toMatchObject({ reason: 'Conflict' });
    expect(stored()).toEqual(before);
    expect((await firstValueFrom(etcd.putConfig('app/', CONFIG))).revision).toBe(server.revision);
  });

  test.each([
    [{ 'a/b': 1 }, 'names without /'],
    [{ a: () => 1 }, 'a value that JSON can represent'],
    [7, 'an object'],
  ])('rejects %j', async (config, message) => {
    const seen = watching(made().putConfig('app/', config as object));
    await waitFor('an error', () => seen.errors.length > 0);
    expect(seen.errors[0]).toMatchObject({ reason: 'InvalidArgument', message: expect.stringContaining(message) });
  });
});
