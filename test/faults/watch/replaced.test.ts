import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client } from '../../../src/index.js';
import { startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { collect } from './support/collect.js';
import { QUICK } from './support/scene.js';
import { until } from '../../support/waitFor.js';

/** The store is not the one that it was: another data folder under the same address, as after a wipe or a restore. */
let server: EtcdServer;
let etcd: Client;

const start = async (clientPort?: number): Promise<void> => {
  server = await startEtcd({ own: true, name: 'same', clientPort });
};
const put = (client: Client, from: number, to: number): Promise<unknown> =>
  Promise.all(Array.from({ length: to - from }, (_, index) => firstValueFrom(client.kv.put(`a/${from + index}`, 'x'))));

describe.each(['websocket', 'chunked'] as const)('over %s, where the store is wiped', (carrier) => {
  beforeEach(async () => {
    await start();
    etcd = createClient({ endpoints: server.endpoint, streams: { ...QUICK, carrier } });
  });
  afterEach(async () => {
    await etcd.close();
    await server.stop();
  });

  test('a watch says so and ends, and what is live is listed anew', async () => {
    await put(etcd, 0, 20);
    const watch = collect(etcd.watch({ prefix: 'a/' }));
    const live = collect(etcd.live({ prefix: 'a/' }));
    const state = collect(etcd.liveState({ prefix: 'a/' }));
    await until('it is live', () => live.values.length === 1);
    await firstValueFrom(etcd.watchBatches({ prefix: 'a/' }));
    await put(etcd, 20, 25);
    await until('both have seen all', () => watch.values.length === 5 && live.values.at(-1)?.state.size === 25);
    await server.stop();
    await start(Number(new URL(server.endpoint).port));
    await put(etcd, 100, 103);
    await until('the watch has ended', () => watch.error !== undefined);
    expect(watch.error).toMatchObject({ reason: expect.stringMatching(/^(FutureRev|ClusterIDMismatch)$/) as unknown });
    const keys = (map: ReadonlyMap<string, unknown> | undefined): string[] => [...(map?.keys() ?? [])].sort();
    await until('what is live is what is there', () => keys(live.values.at(-1)?.state).join() === 'a/100,a/101,a/102');
    const resync = live.values.find(({ type }) => type === 'resync');
    expect(resync?.changes.filter(({ type }) => type === 'delete')).toHaveLength(25);
    await put(etcd, 103, 104);
    await until('it goes on', () => keys(state.values.at(-1)?.value).join() === 'a/100,a/101,a/102,a/103');
    expect([live.error, state.values.at(-1)?.status]).toEqual([undefined, 'live']);
  });
});

test('where another store has another value at the same revision, a live value is that of this store', async () => {
  await start();
  const other = await startEtcd({ own: true });
  etcd = createClient({ endpoints: server.endpoint, streams: QUICK });
  const there = createClient({ endpoints: other.endpoint });
  const [{ header: here }, { header: behind }] = await Promise.all([
    firstValueFrom(etcd.kv.put('config', '1')),
    firstValueFrom(there.kv.put('config', '2')),
  ]);
  expect(here.revision).toBe(behind.revision);
  const config = collect(etcd.liveValue('config', { codec: t.number }));
  await until('it is live', () => config.values.length === 1);
  await firstValueFrom(etcd.watchBatches('config'));
  etcd.setEndpoints(other.endpoint);
  await until('it has moved', () => config.values.length === 2);
  expect(config.values).toEqual([1, 2]);
  await Promise.all([etcd.close(), there.close()]);
  await Promise.all([server.stop(), other.stop()]);
});

describe('a client that never finds a server', () => {
  test.each([
    ['nobody listens', 'http://127.0.0.1:1', {}, 'Unreachable'],
    ['the token function fails', '', { auth: { token: () => Promise.reject(new Error('no')) } }, 'TokenUnavailable'],
    ['the path is wrong', '', { apiPrefix: '/nowhere' }, 'UnknownMethod'],
  ] as const)('says so to its watches and views: %s', async (_, endpoint, more, reason) => {
    await start();
    etcd = createClient({ endpoints: endpoint === '' ? server.endpoint : endpoint, streams: QUICK, ...more });
    const states = collect(etcd.connection$);
    const watch = collect(etcd.watch('a'));
    const view = collect(etcd.liveState('a'));
    const live = collect(etcd.live('b'));
    const tells = (error: unknown): boolean => (error as { reason?: string } | undefined)?.reason === reason;
    await until('the state says why', () => states.values.some((now) => now.status === 'reconnecting' && tells(now.cause)));
    await until('the view says why', () => tells(view.values.at(-1)?.error));
    if (reason === 'Unreachable') expect([watch.error, live.error, view.values.at(-1)?.status]).toEqual([undefined, undefined, 'loading']);
    else
      await until(
        'what only its user can mend ends',
        () => tells(watch.error) && tells(live.error) && view.values.at(-1)?.status === 'failed',
      );
    for (const each of [watch, view, live]) each.stop();
    await until('nothing is watched', () => states.values.at(-1)?.status === 'idle');
    await etcd.close();
    await server.stop();
  });
});
