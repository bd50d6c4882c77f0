import { afterEach, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { put, type Client, type EtcdError, type ViewState } from 'rxetcd';
import { createTestEtcd, type TestServer } from 'rxetcd/testing';
import { waitFor } from '../../../support/waitFor.js';
import { watching, type Seen } from '../support.js';

const App = t.type({ name: t.string, db: t.type({ host: t.string, port: t.number }), hosts: t.array(t.string) });
type App = t.TypeOf<typeof App>;
const VALID = { 'app/name': 'n', 'app/db/host': 'a', 'app/db/port': '1', 'app/hosts/0': 'x' };

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

const last = <T>({ values }: Seen<T>): T | undefined => values.at(-1);
const has = (seen: Seen<ViewState<App>>, status: string): Promise<unknown> => waitFor(status, () => last(seen)?.status === status);

test('is loading at first, then shows the config in force and each change, and keeps unchanged objects', async () => {
  const etcd = made();
  write(VALID);
  const seen = watching(etcd.liveConfigState('app/', { codec: App }));
  await has(seen, 'live');
  const first = last(seen)?.value;
  expect(seen.values[0]).toEqual({ status: 'loading', value: undefined, error: undefined });
  expect(first).toEqual({ name: 'n', db: { host: 'a', port: 1 }, hosts: ['x'] });
  write({ 'app/db/port': '2' });
  await waitFor('the change', () => last(seen)?.value?.db.port === 2);
  expect(last(seen)?.value?.hosts).toBe(first?.hosts);
  expect(last(seen)?.value?.db).not.toBe(first?.db);
});

test('shows an invalid config with its keys beside the one in force, and never errors', async () => {
  const etcd = made();
  write(VALID);
  const seen = watching(etcd.liveConfigState('app/', { codec: App }));
  await has(seen, 'live');
  const inForce = last(seen)?.value;
  write({ 'app/db/port': 'many', 'app/name': 'm' });
  await has(seen, 'invalid');
  expect(last(seen)?.value).toBe(inForce);
  expect(last(seen)?.error).toMatchObject({
    reason: 'InvalidValue',
    failures: ['app/db/port: expected number, received string'],
  });
  write({ 'app/db/port': '1' });
  await has(seen, 'live');
  expect(last(seen)).toEqual({ status: 'live', value: { ...inForce, name: 'm' }, error: undefined });
  expect(seen.errors).toEqual([]);
});

test.each([
  ['no config', undefined, undefined],
  ['invalid defaults', { name: 7 }, undefined],
  ['the defaults', { name: 'd', db: { host: 'h', port: 0 }, hosts: [] }, { name: 'd', db: { host: 'h', port: 0 }, hosts: [] }],
])('has %s in force while the store never had a valid one, and continues', async (_, defaults, inForce) => {
  const etcd = made();
  write({ ...VALID, 'app/db/port': 'many' });
  const seen = watching(etcd.liveConfigState('app/', { codec: App, ...(defaults === undefined ? {} : { defaults }) }));
  await has(seen, 'invalid');
  expect(last(seen)?.value).toEqual(inForce);
  write({ 'app/db/port': '3' });
  await has(seen, 'live');
  expect(last(seen)?.value?.db.port).toBe(3);
});

test('is stale while the connection is lost, and then has the missed changes of several layers', async () => {
  const etcd = made();
  write(VALID);
  const seen = watching(etcd.liveConfigState(['app/', 'host/'], { codec: App }));
  await has(seen, 'live');
  server.disconnect();
  await has(seen, 'stale');
  expect(last(seen)?.value?.name).toBe('n');
  write({ 'app/name': 'm', 'host/db/port': '7' });
  server.connect();
  await waitFor('the change', () => last(seen)?.status === 'live' && last(seen)?.value?.name === 'm');
  expect(last(seen)?.value?.db).toEqual({ host: 'a', port: 7 });
});

test('shows no new state for a revision that does not change the config', async () => {
  const etcd = made();
  write({ ...VALID, 'host/name': 'h' });
  const seen = watching(etcd.liveConfigState(['app/', 'host/'], { codec: App }));
  await has(seen, 'live');
  const states = seen.values.length;
  for (const name of ['1', '2', '3']) write({ 'app/name': name });
  write({ 'host/name': 'i' });
  await waitFor('the change', () => last(seen)?.value?.name === 'i');
  expect(seen.values).toHaveLength(states + 1);
});

test.each([
  ['', { codec: App }, 'prefix of liveConfigState: expected a string that is not empty, received an empty string'],
  ['a/', {}, 'codec of liveConfigState: expected an io-ts codec or a Standard Schema'],
])('shows a mistake in %j with %j as a failure', async (prefix, options, message) => {
  const seen = watching(made().liveConfigState(prefix, options as never));
  await has(seen as Seen<ViewState<App>>, 'failed');
  const state: { readonly error: EtcdError | undefined } | undefined = last(seen);
  expect(state?.error).toMatchObject({ reason: 'InvalidArgument', message: expect.stringContaining(message) });
});
