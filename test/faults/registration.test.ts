import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { BehaviorSubject, concat, firstValueFrom, last, type Observable, type Subscription } from 'rxjs';
import type { Client } from '../../src/index.js';
import { startCuttingProxy, type CuttingProxy } from '../support/faultProxies/cuttingProxy.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { Clients } from './support.js';
import { PATIENT } from '../support/patient.js';
import { waitFor } from '../support/waitFor.js';

const ROOT = { username: 'root', password: 'r00t' };
const SHOP = { username: 'shop', password: 'sh0p' };
const BLIND = { username: 'blind', password: 'bl1nd' };

const clients = new Clients();
let server: EtcdServer;
let proxy: CuttingProxy;
let root: Client;

beforeAll(async () => {
  server = await startEtcd({ own: true });
  proxy = await startCuttingProxy(server.endpoint);
  root = clients.make({ ...PATIENT, endpoints: server.endpoint, auth: ROOT });
  const { auth } = root;
  const setUp = concat(
    auth.userAdd('root', { password: ROOT.password }),
    auth.roleAdd('root'),
    auth.userGrantRole('root', 'root'),
    auth.userAdd('shop', { password: SHOP.password }),
    auth.roleAdd('shop'),
    auth.userGrantRole('shop', 'shop'),
    // Returns the entries; there must be no other keys.
    auth.roleGrantPermission('shop', 'READWRITE', { prefix: 'shop/' }),
    auth.userAdd('blind', { password: BLIND.password }),
    auth.roleAdd('blind'),
    auth.userGrantRole('blind', 'blind'),
    auth.roleGrantPermission('blind', 'WRITE', { prefix: 'blind/' }),
    auth.enable(),
  );
  await firstValueFrom(setUp.pipe(last()));
});
afterAll(async () => {
  await clients.close();
  await proxy.close();
  await server.stop();
});

/** Announces a key, and waits until it exists. */
async function untilThere<E extends { readonly type: string }>(source: Observable<E>): Promise<{ seen: E[]; subscription: Subscription }> {
  const seen: E[] = [];
  let failure: unknown;
  const subscription = source.subscribe({ next: (event) => seen.push(event), error: (error: unknown) => (failure = error) });
  await waitFor('it is there, or over', () => failure !== undefined || seen.some(({ type }) => type !== 'lost'));
  expect(failure).toBeUndefined();
  return { seen, subscription };
}

test('a registration by a user who may write only its entry survives the loss of the response to its put', async () => {
  const client = clients.make({ endpoints: proxy.endpoint, auth: SHOP });
  proxy.cutEach();
  const { seen, subscription } = await untilThere(client.services('shop').register('one', { addr: '10.0.0.7:8080' }));
  expect([...proxy.cuts].some((path) => path.endsWith('/kv/txn'))).toBe(true);
  expect(seen).toMatchObject([{ type: 'registered', key: 'shop/one' }]);
  const entry = await firstValueFrom(root.kv.get('shop/one'));
  expect(entry).toMatchObject({ version: 1, lease: seen[0]?.type === 'registered' ? seen[0].lease : undefined });
  subscription.unsubscribe();
  await client.close();
  expect(await firstValueFrom(root.kv.exists('shop/one'))).toBe(false);
});

test('an announcement by a user who may not read its key survives the loss of the response to its put', async () => {
  const client = clients.make({ endpoints: proxy.endpoint, auth: BLIND });
  proxy.cutEach();
  const { seen, subscription } = await untilThere(client.announce('blind/one', '1'));
  expect([...proxy.cuts].some((path) => path.endsWith('/kv/put'))).toBe(true);
  expect(seen).toMatchObject([
    { type: 'lost', error: { reason: 'AmbiguousWrite' } },
    { type: 'announced', key: 'blind/one' },
  ]);
  const entry = await firstValueFrom(root.kv.get('blind/one'));
  expect(entry?.lease).toBe(seen[1]?.type === 'announced' ? seen[1].lease : undefined);
  subscription.unsubscribe();
  await client.close();
  expect(await firstValueFrom(root.kv.exists('blind/one'))).toBe(false);
});

test('each value of an announcement is written once if the responses to its puts are lost', async () => {
  const client = clients.make({ endpoints: proxy.endpoint, auth: SHOP });
  const values = new BehaviorSubject('0');
  proxy.cutEach();
  const { seen, subscription } = await untilThere(client.announce('shop/values', values));
  for (const value of ['1', '2', '3']) {
    proxy.cutEach();
    values.next(value);
    await waitFor('the value is written', async () => (await firstValueFrom(root.kv.get('shop/values')))?.value === value);
    await waitFor('its announcement says so', () => seen.length > Number(value));
  }
  expect(seen.map(({ type }) => type)).toEqual(['announced', 'announced', 'announced', 'announced']);
  expect(await firstValueFrom(root.kv.get('shop/values'))).toMatchObject({ version: 4 });
  subscription.unsubscribe();
  await client.close();
  expect(await firstValueFrom(root.kv.exists('shop/values'))).toBe(false);
});
