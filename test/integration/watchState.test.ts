import { describe, expect, test } from '@jest/globals';
import type { Client, WatchOptions, WatchState } from 'rxetcd';
import type { Observable } from 'rxjs';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { waitForValue } from '../support/waitFor.js';
import { withEtcd } from './support/fixture.js';
import { only } from './support/outcomes.js';
import { quick, watching } from './support/watching.js';

const fixture = withEtcd();

/** The states of a watch without consecutive repetitions: a connection may fail more than once. */
const statuses = (states: readonly WatchState[]): string[] =>
  states.map(({ status }) => status).filter((status, index, all) => status !== all[index - 1]);

const reached = (states: readonly WatchState[], wanted: WatchState['status'], from = 0): Promise<unknown> =>
  waitForValue(
    () => states.slice(from).some(({ status }) => status === wanted),
    (isReached) => isReached,
  );

describe('onState', () => {
  test.each<[string, (etcd: Client, options: WatchOptions) => Observable<unknown>]>([
    ['watch', (etcd, options) => etcd.watch('state', options)],
    ['watchBatches', (etcd, options) => etcd.watchBatches('state', options)],
    ['watchOnce', (etcd, options) => etcd.watchOnce('state', options)],
    ['watch in a namespace', (etcd, options) => etcd.namespace('st').watch('ate', options)],
    ['watch with a connection of its own', (etcd, options) => etcd.watch('state', { ...options, progressNotify: true })],
  ])('of %s is called when its connection is cut, and when it resumes', async (name, watch) => {
    const proxy = await startTcpProxy(fixture.server.endpoint);
    const transport = name.includes('of its own') ? 'chunked' : 'auto';
    const etcd = fixture.client({ endpoints: proxy.endpoint, streams: { ...quick, transport } });
    const states: WatchState[] = [];
    const seen = watching(watch(etcd, { onState: (state) => states.push(state) }));
    await reached(states, 'connected');
    const beforeCut = states.length;
    proxy.cut();
    await reached(states, 'reconnecting', beforeCut);
    await reached(states, 'connected', beforeCut);
    expect(states[0]).toEqual({ status: 'connecting' });
    expect(states[beforeCut]).toMatchObject({ status: 'reconnecting', cause: { name: 'EtcdError', reason: 'ConnectionLost' } });
    expect(statuses(states.slice(beforeCut)).slice(0, 2)).toEqual(['reconnecting', 'connected']);
    expect(states.find(({ status }) => status === 'connected')).toMatchObject({ endpoint: proxy.endpoint });
    await only(fixture.etcd.kv.put('state', name));
    await waitForValue(() => JSON.stringify(seen.values), (values) => values.includes(name)); // prettier-ignore
    seen.leave();
    expect(seen.errors).toEqual([]);
    await etcd.close();
    await proxy.close();
  });

  test('has the cause while no server can be reached', async () => {
    const etcd = fixture.client({ endpoints: 'http://127.0.0.1:1', streams: quick });
    const states: WatchState[] = [];
    const seen = watching(etcd.watch('nowhere', { onState: (state) => states.push(state) }));
    await reached(states, 'reconnecting');
    expect(states.slice(0, 2)).toMatchObject([{ status: 'connecting' }, { status: 'reconnecting', cause: { reason: 'Unreachable' } }]);
    seen.leave();
    await etcd.close();
  });
});
