import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client } from '../../../src/index.js';
import { startEtcd, type EtcdServer } from '../../support/etcd/index.js';
import { collect } from './support/collect.js';
import { QUICK } from './support/scene.js';
import { has } from './support/transports.js';
import { startTcpProxy, type TcpProxy } from '../../support/faultProxies/tcpProxy.js';
import { PATIENT } from '../../support/patient.js';
import { waitFor } from '../../support/waitFor.js';

/** The store is replaced: another data folder under the same address, as after a wipe or a restore. */
let server: EtcdServer;
let etcd: Client;

const start = async (clientPort?: number): Promise<void> => {
  server = await startEtcd({ own: true, name: 'same', clientPort });
};
const put = (client: Client, from: number, to: number): Promise<unknown> =>
  Promise.all(Array.from({ length: to - from }, (_, index) => firstValueFrom(client.kv.put(`a/${from + index}`, 'x'))));

describe.each(['websocket', 'chunked'] as const)('over %s, after the store is wiped', (transport) => {
  beforeEach(async () => {
    await start();
    etcd = createClient({ endpoints: server.endpoint, streams: { ...QUICK, transport } });
  });
  afterEach(async () => {
    await etcd.close();
    await server.stop();
  });

  test('a watch fails with the reason, and a live range is listed again', async () => {
    await put(etcd, 0, 20);
    const watch = collect(etcd.watch({ prefix: 'a/' }));
    const live = collect(etcd.live({ prefix: 'a/' }));
    const state = collect(etcd.liveState({ prefix: 'a/' }));
    await waitFor('it is live', () => live.values.length === 1);
    await firstValueFrom(etcd.watchBatches({ prefix: 'a/' }));
    await put(etcd, 20, 25);
    await waitFor('both have seen all', () => watch.values.length === 5 && live.values.at(-1)?.state.size === 25);
    await server.stop();
    await start(Number(new URL(server.endpoint).port));
    await put(etcd, 100, 103);
    await waitFor('the watch has ended', () => watch.error !== undefined);
    expect(watch.error).toMatchObject({ reason: expect.stringMatching(/^(FutureRev|ClusterIDMismatch)$/) as unknown });
    const keys = (map: ReadonlyMap<string, unknown> | undefined): string[] => [...(map?.keys() ?? [])].sort();
    await waitFor('what is live is what is there', () => keys(live.values.at(-1)?.state).join() === 'a/100,a/101,a/102');
    const resync = live.values.find(({ type }) => type === 'resync');
    expect(resync?.changes.filter(({ type }) => type === 'delete')).toHaveLength(25);
    await put(etcd, 103, 104);
    await waitFor('it goes on', () => keys(state.values.at(-1)?.value).join() === 'a/100,a/101,a/102,a/103');
    expect([live.error, state.values.at(-1)?.status]).toEqual([undefined, 'live']);
  });
});

describe.each(['websocket', 'chunked'] as const)('over %s, after the store is replaced by one with later revisions', (transport) => {
  let proxy: TcpProxy;
  let direct: Client;

  beforeEach(async () => {
    await start();
    proxy = await startTcpProxy(server.endpoint);
    etcd = createClient({ endpoints: proxy.endpoint, streams: { ...QUICK, transport } });
    direct = createClient({ ...PATIENT, endpoints: server.endpoint });
  });
  afterEach(async () => {
    await Promise.all([etcd.close(), direct.close()]);
    await proxy.close();
    await server.stop();
  });
  /** Replaces the store by another with the same id, at the same addresses, before any connected client can see it. */
  const replace = async (): Promise<void> => {
    await server.kill();
    await server.restart({ wipe: true });
    await put(direct, 100, 150);
  };

  test.each(['put', 'delete'] as const)('a watch whose last change was a %s fails with the reason', async (last) => {
    await put(etcd, 0, 5);
    const watch = collect(etcd.watch({ prefix: 'a/' }));
    await firstValueFrom(etcd.watchBatches({ prefix: 'a/' }));
    await put(etcd, 5, 8);
    if (last === 'delete') await firstValueFrom(etcd.kv.delete('a/7'));
    await waitFor('it has seen all', () => watch.values.at(-1)?.type === last && watch.values.length >= 3);
    await proxy.refuse();
    await replace();
    await proxy.accept();
    await waitFor('it has ended', () => watch.error !== undefined);
    expect(watch.error).toMatchObject({ reason: 'FutureRev', rpc: 'Watch.Watch' });
    expect(String(watch.error)).toContain('wiped or restored');
  });

  test('a live range is listed again, also in a namespace, and if nothing has changed since its list', async () => {
    await put(etcd, 0, 5);
    const live = collect(etcd.live({ prefix: 'a/' }));
    const inside = collect(etcd.namespace('a/').live({ all: true }));
    await waitFor('both are live', () => live.values.length === 1 && inside.values.length === 1);
    await firstValueFrom(etcd.watchBatches({ prefix: 'a/' }));
    await proxy.refuse();
    await replace();
    await proxy.accept();
    await waitFor('they are listed anew', () => [live, inside].every(({ values }) => values.at(-1)?.type === 'resync'));
    for (const { values } of [live, inside]) {
      expect(values.at(-1)?.state.size).toBe(50);
      expect(values.at(-1)?.changes.filter(({ type }) => type === 'delete')).toHaveLength(5);
    }
    expect([live.error, inside.error]).toEqual([undefined, undefined]);
  });

  test('a watch of the same store resumes, although what it received was changed, deleted or compacted since', async () => {
    await put(etcd, 0, 3);
    const names = ['a/0', 'a/1', 'a/2'] as const;
    const all = names.map((name) => collect(etcd.watch(name)));
    await Promise.all(names.map((name) => firstValueFrom(etcd.watchBatches(name))));
    await put(etcd, 0, 3);
    await waitFor('each has seen its change', () => all.every(({ values }) => values.length === 1));
    await proxy.refuse();
    await put(direct, 0, 1);
    await firstValueFrom(direct.kv.delete('a/1'));
    await proxy.accept();
    await put(direct, 2, 3);
    await waitFor('they go on', () => all.every(({ values, error }) => values.length === 2 || error !== undefined));
    expect(all.map(({ values, error }) => [values.at(-1)?.type, error])).toEqual([['put', undefined], ['delete', undefined], ['put', undefined]]); // prettier-ignore
    const { header } = await firstValueFrom(direct.kv.put('a/2', 'y'));
    await waitFor('it has come', () => all[2]?.values.length === 3);
    const last = collect(etcd.watch('a/2', { startRevision: header.revision }));
    await waitFor('it is there', () => last.values.length === 1 || last.error !== undefined);
    // The received events are compacted, and the next one is not.
    const { header: other } = await firstValueFrom(direct.kv.put('other', 'y'));
    await firstValueFrom(direct.kv.compact(other.revision));
    proxy.cut();
    await put(direct, 2, 3);
    await waitFor('it goes on', () => last.values.length === 2 || last.error !== undefined);
    // Before 3.5.16 the next revision may have lost its deletes.
    if (has(server, '3.5.16')) expect(last.error).toBeUndefined();
    else expect(last.error).toMatchObject({ reason: 'Compacted' });
  });
});

test('a live value is that of the new store if both stores have the same revision with other values', async () => {
  await start();
  const other = await startEtcd({ own: true });
  etcd = createClient({ endpoints: server.endpoint, streams: QUICK });
  const there = createClient({ ...PATIENT, endpoints: other.endpoint });
  const [{ header: here }, { header: behind }] = await Promise.all([
    firstValueFrom(etcd.kv.put('config', '1')),
    firstValueFrom(there.kv.put('config', '2')),
  ]);
  expect(here.revision).toBe(behind.revision);
  const config = collect(etcd.liveValue('config', { codec: t.number }));
  await waitFor('it is live', () => config.values.length === 1);
  await firstValueFrom(etcd.watchBatches('config'));
  etcd.setEndpoints(other.endpoint);
  await waitFor('it has moved', () => config.values.length === 2);
  expect(config.values).toEqual([1, 2]);
  await Promise.all([etcd.close(), there.close()]);
  await Promise.all([server.stop(), other.stop()]);
});

describe('a client that never reaches a server', () => {
  test.each([
    ['nobody listens', 'http://127.0.0.1:1', {}, 'Unreachable'],
    ['the token function fails', '', { auth: { token: () => Promise.reject(new Error('no')) } }, 'TokenUnavailable'],
    ['the path is wrong', '', { apiPrefix: '/nowhere' }, 'UnknownMethod'],
  ] as const)('reports the reason to its watches and views: %s', async (_, endpoint, more, reason) => {
    await start();
    etcd = createClient({ endpoints: endpoint === '' ? server.endpoint : endpoint, streams: QUICK, ...more });
    const states = collect(etcd.connection$);
    const watch = collect(etcd.watch('a'));
    const view = collect(etcd.liveState('a'));
    const live = collect(etcd.live('b'));
    const tells = (error: unknown): boolean => (error as { reason?: string } | undefined)?.reason === reason;
    await waitFor('the state says why', () => states.values.some((now) => now.status === 'reconnecting' && tells(now.cause)));
    await waitFor('the view says why', () => tells(view.values.at(-1)?.error));
    if (reason === 'Unreachable') expect([watch.error, live.error, view.values.at(-1)?.status]).toEqual([undefined, undefined, 'loading']);
    else
      await waitFor(
        'what only its user can mend ends',
        () => tells(watch.error) && tells(live.error) && view.values.at(-1)?.status === 'failed',
      );
    for (const each of [watch, view, live]) each.stop();
    await waitFor('nothing is watched', () => states.values.at(-1)?.status === 'idle');
    await etcd.close();
    await server.stop();
  });
});
