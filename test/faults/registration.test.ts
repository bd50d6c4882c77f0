import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { concat, firstValueFrom, last } from 'rxjs';
import type { Client, Registration } from '../../src/index.js';
import { startCuttingProxy, type CuttingProxy } from '../support/faultProxies/cuttingProxy.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { Clients } from './support.js';
import { waitFor } from '../support/waitFor.js';

const ROOT = { username: 'root', password: 'r00t' };
const SHOP = { username: 'shop', password: 'sh0p' };

const clients = new Clients();
let server: EtcdServer;
let proxy: CuttingProxy;
let root: Client;

beforeAll(async () => {
  server = await startEtcd({ own: true });
  proxy = await startCuttingProxy(server.endpoint);
  root = clients.make({ endpoints: server.endpoint, auth: ROOT });
  const { auth } = root;
  const setUp = concat(
    auth.userAdd('root', { password: ROOT.password }),
    auth.roleAdd('root'),
    auth.userGrantRole('root', 'root'),
    auth.userAdd('shop', { password: SHOP.password }),
    auth.roleAdd('shop'),
    auth.userGrantRole('shop', 'shop'),
    // The entries, and nothing beside them.
    auth.roleGrantPermission('shop', 'READWRITE', { prefix: 'shop/' }),
    auth.enable(),
  );
  await firstValueFrom(setUp.pipe(last()));
});
afterAll(async () => {
  await clients.close();
  await proxy.close();
  await server.stop();
});

test('a registration of a user who may write its entry alone outlives the loss of the answer to its put', async () => {
  const client = clients.make({ endpoints: proxy.endpoint, auth: SHOP });
  const seen: Registration[] = [];
  let failure: unknown;
  proxy.cutEach();
  const registered = client.services('shop').register('one', { addr: '10.0.0.7:8080' });
  const registration = registered.subscribe({ next: (event) => seen.push(event), error: (error: unknown) => (failure = error) });
  await waitFor('the registration is there, or over', () => failure !== undefined || seen.some(({ type }) => type === 'registered'));
  expect(failure).toBeUndefined();
  expect([...proxy.cuts].some((path) => path.endsWith('/kv/put'))).toBe(true);
  expect(seen).toMatchObject([
    { type: 'lost', error: { reason: 'AmbiguousWrite' } },
    { type: 'registered', key: 'shop/one' },
  ]);
  const entry = await firstValueFrom(root.kv.get('shop/one'));
  expect(entry?.lease).toBe(seen[1]?.type === 'registered' ? seen[1].lease : undefined);
  registration.unsubscribe();
  await client.close();
  expect(await firstValueFrom(root.kv.exists('shop/one'))).toBe(false);
});
