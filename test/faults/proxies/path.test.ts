import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { Client } from '../../../src/index.js';
import { configOf } from '../../support/proxies/docs.js';
import type { Proxy } from '../../support/proxies/proxy.js';
import { collect, describeProxies, ProxiedEtcd } from './support.js';
import { waitFor } from '../../support/waitFor.js';

describeProxies('an etcd under a path of a proxy', () => {
  let etcd: ProxiedEtcd;
  let proxy: Proxy;
  beforeAll(async () => {
    etcd = await ProxiedEtcd.start();
    proxy = await etcd.proxy('nginx', configOf('nginx under a path'));
  });
  afterAll(() => etcd.stop());
  const clients: Client[] = [];
  afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));

  const asEndpoint = (): Client => etcd.client(`${proxy.endpoint}/etcd`);
  const asEndpointWithSlash = (): Client => etcd.client(`${proxy.endpoint}/etcd/`);
  const asOption = (): Client =>
    etcd.client(proxy.endpoint, { apiPrefix: etcd.server.version.startsWith('3.3.') ? '/etcd/v3beta' : '/etcd/v3' });

  test.each<[string, () => Client]>([
    ['in its endpoint', asEndpoint],
    ['in its endpoint, with a slash at its end', asEndpointWithSlash],
    ['in the option apiPrefix', asOption],
  ])('a client with the path %s uses it for calls, watches, leases, version, health and metrics', async (_, make) => {
    const client = make();
    clients.push(client);
    const events = collect(client.watch('path'));
    const lease = collect(client.lease({ ttl: 5 }));
    await waitFor('the watch and the lease are there', () => lease.values.length > 0);
    const value = String(Math.random());
    await firstValueFrom(client.kv.put('path', value));
    await waitFor('the watch sees it', () => events.values.some(({ kv }) => kv.value === value));
    expect(await firstValueFrom(client.version())).toMatchObject({ etcdserver: etcd.server.version });
    expect(await firstValueFrom(client.health())).toMatchObject({ health: true });
    expect(await firstValueFrom(client.metricsText())).toContain('etcd_server_has_leader 1');
    expect((await firstValueFrom(client.metrics())).length).toBeGreaterThan(10);
    const [endpoint = ''] = client.endpoints();
    expect((await firstValueFrom(client.kv.get('path', { endpoint })))?.value).toBe(value);
    events.stop();
    lease.stop();
  });

  test('an endpoint that was down is checked under its path', async () => {
    const client = etcd.client(`${proxy.endpoint}/etcd`);
    clients.push(client);
    await firstValueFrom(client.kv.put('path', 'before'));
    client.setEndpoints([`${proxy.endpoint}/etcd`, `${proxy.endpoint}/elsewhere`]);
    expect(client.endpoints()).toEqual([`${proxy.endpoint}/etcd`, `${proxy.endpoint}/elsewhere`]);
    for (let round = 0; round < 4; round += 1)
      expect((await firstValueFrom(client.kv.get('path', { endpoint: `${proxy.endpoint}/etcd` })))?.value).toBe('before');
  });
});
