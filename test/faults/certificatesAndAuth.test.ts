import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, type Observable } from 'rxjs';
import type { Client, ClientOptions } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { CLIENT, makeTls, type Identity, type Tls } from '../support/tls.js';
import { Clients, expectSilentAbout, rejection } from './support.js';
import { collect } from './watch/support/collect.js';
import { has } from './watch/support/transports.js';
import { waitFor } from '../support/waitFor.js';

const auth = { username: 'root', password: 'secret of root' };

let tls: Tls;
/** A certificate without a common name. */
let nameless: Identity;
let server: EtcdServer;
let root: Client;
const clients = new Clients();
let keys = 0;
const newKey = (): string => `certificates/${++keys}`;
const run = async (...calls: readonly Observable<unknown>[]): Promise<void> => {
  for (const call of calls) await firstValueFrom(call);
};
const clientOf = ({ cert, key }: Identity, options: ClientOptions = {}): Client =>
  clients.make({ endpoints: server.endpoint, tls: { ca: tls.ca, cert, key }, ...options });

beforeAll(async () => {
  tls = await makeTls();
  nameless = await tls.issue('nameless', CLIENT, '/O=rxetcd');
  server = await startEtcd({ own: true, clientTls: { ...tls.server, caFile: tls.caFile, clientCertAuth: true } });
  root = clientOf(nameless, { auth });
  await run(
    root.auth.userAdd(auth.username, { password: auth.password }),
    root.auth.roleAdd('root'),
    root.auth.userGrantRole('root', 'root'),
  );
});
beforeEach(() => {
  root = clientOf(nameless, { auth });
});
afterEach(async () => {
  await run(root.auth.disable());
  await clients.close();
});
afterAll(async () => {
  await server.stop();
  await tls.remove();
});

describe('a client with a certificate that was created before auth was enabled', () => {
  test('authenticates when auth is enabled, for everything that it does', async () => {
    const key = newKey();
    const client = clientOf(nameless, { auth });
    const watched = collect(client.watch({ prefix: key }));
    await run(client.kv.put(key, 'before'));
    await waitFor('the watch is there', () => watched.values.length === 1);
    await run(root.auth.enable());
    await Promise.all(Array.from({ length: 20 }, () => firstValueFrom(client.kv.put(key, 'after'))));
    expect((await firstValueFrom(client.kv.get(key)))?.version).toBe(21);
    await waitFor('the watch goes on', () => watched.values.length === 21);
    const later = collect(client.watch({ prefix: `${key}/later` }));
    await firstValueFrom(client.watchBatches({ prefix: `${key}/later` }));
    await run(client.kv.put(`${key}/later`, 'x'));
    await waitFor('a new watch is there', () => later.values.length === 1);
    expect([watched.error, later.error]).toEqual([undefined, undefined]);
  });

  test('authenticates for a watch, a lock or user management, if that is its first call', async () => {
    const [watching, locking, listing] = Array.from({ length: 3 }, () => clientOf(nameless, { auth }));
    const all = [watching, locking, listing].map((client) => client ?? root);
    await Promise.all(all.map((client) => firstValueFrom(client.kv.get('a'))));
    await run(root.auth.enable());
    await firstValueFrom((watching ?? root).watchBatches('a'));
    await firstValueFrom((locking ?? root).lock(newKey(), { ttl: 5 }));
    expect(await firstValueFrom((listing ?? root).auth.userList())).toMatchObject({ users: ['root'] });
  });

  test('fails with a message about credentials if it has none, and writes nothing', async () => {
    const key = newKey();
    const client = clientOf(nameless);
    await run(client.kv.get(key), root.auth.enable());
    for (const call of [client.kv.put(key, 'x'), client.kv.get(key), client.watch(key)] as Observable<unknown>[]) {
      const error = await rejection(firstValueFrom(call));
      expect(error).toMatchObject({ reason: 'PermissionDenied', message: expect.stringContaining('set the option auth') });
    }
    expect(await firstValueFrom(root.kv.get(key))).toBeUndefined();
  });
});

describe('a certificate with a common name', () => {
  test('is rejected or ignored while auth is on, depending on the server; no rejected write is carried out', async () => {
    const key = newKey();
    const before = clientOf(tls.client, { auth });
    const watched = collect(before.watch(key));
    await run(before.kv.put(key, 'before'), root.auth.enable());
    const calls = (client: Client): Observable<unknown>[] => [
      client.kv.put(key, 'after'),
      client.kv.get(key),
      client.watchBatches(`${key}/`),
      client.lease({ ttl: 5 }),
      client.auth.userList(),
    ];
    const both = [...calls(before), ...calls(clientOf(tls.client, { auth }))];
    if (!has(server, '3.4')) {
      await Promise.all(both.map((call) => firstValueFrom(call)));
      return;
    }
    for (const error of await Promise.all(both.map((call) => rejection(firstValueFrom(call))))) {
      expect(error).toMatchObject({
        reason: 'CommonNameRefused',
        code: 'FailedPrecondition',
        endpoint: server.endpoint,
        message: expect.stringMatching(/common name \(CN\), and nothing was done; use a certificate without a CN/),
      });
      expectSilentAbout(error, auth.password);
    }
    expect((await firstValueFrom(root.kv.get(key)))?.version).toBe(1);
    // A stream that was open before continues.
    await run(root.kv.put(key, 'seen'));
    await waitFor('the watch goes on', () => watched.values.length === 2);
    expect(watched.error).toBeUndefined();
  });
});
