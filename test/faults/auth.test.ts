import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, share, take, toArray, type Observable } from 'rxjs';
import type { Client } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { Clients, expectSilentAbout, rejection } from './support.js';

const PASSWORD = 'hunter2 "quoted" pä$$';
const auth = { username: 'root', password: PASSWORD };

let etcd: EtcdServer;
let root: Client;
const setUp = new Clients();
const clients = new Clients();
const run = async (...calls: Parameters<typeof firstValueFrom>[0][]): Promise<void> => {
  for (const call of calls) await firstValueFrom(call);
};

beforeAll(async () => {
  etcd = await startEtcd({ own: true });
  root = setUp.make({ endpoints: etcd.endpoint, auth });
  await run(
    root.auth.userAdd('root', { password: PASSWORD }),
    root.auth.roleAdd('root'),
    root.auth.userGrantRole('root', 'root'),
    root.auth.userAdd('guest', { password: 'guest' }),
    root.auth.roleAdd('guest'),
    root.auth.userGrantRole('guest', 'guest'),
    root.auth.roleGrantPermission('guest', 'READ', { prefix: 'public/' }),
    root.auth.enable(),
  );
});
afterEach(() => clients.close());
afterAll(async () => {
  await setUp.close();
  await etcd.stop();
});

const calls = (client: Client, count: number): Promise<unknown>[] =>
  Array.from({ length: count }, (_, n) => firstValueFrom(client.kv.put(`auth/${n}`, 'value')));

test('a client that was created while auth was off continues after auth is enabled', async () => {
  await firstValueFrom(root.kv.put('public/a', 'b'));
  expect((await firstValueFrom(root.kv.get('public/a')))?.value).toBe('b');
});

test('a client with credentials authenticates by itself', async () => {
  const client = clients.make({ endpoints: etcd.endpoint, auth });
  await Promise.all(calls(client, 50));
});

test('reads and writes continue by themselves after a restart has invalidated all tokens', async () => {
  const client = clients.make({ endpoints: etcd.endpoint, auth });
  await Promise.all(calls(client, 10));
  await etcd.restart();
  await firstValueFrom(client.kv.get('public/a'));
  await etcd.restart();
  // The connections broke with the server; a read detects it without harm.
  const [read] = await Promise.all([
    firstValueFrom(client.kv.get('public/a')),
    ...Array.from({ length: 20 }, () => firstValueFrom(client.kv.get('auth/1'))),
  ]);
  expect(read?.value).toBe('b');
  await Promise.all(calls(client, 50));
});

test('the token function is called again when its token is no longer valid', async () => {
  const helper = clients.make({ endpoints: etcd.endpoint });
  let asked = 0;
  const token = async (): Promise<string> => {
    asked += 1;
    return (await firstValueFrom(helper.auth.authenticate('root', PASSWORD))).token;
  };
  const client = clients.make({ endpoints: etcd.endpoint, auth: { token } });
  await Promise.all(calls(client, 20));
  expect(asked).toBe(1);
  await etcd.restart();
  await firstValueFrom(client.kv.get('public/a'));
  await Promise.all(calls(client, 20));
  expect(asked).toBe(2);
});

describe('a rejected login fails with the reason, and without a secret:', () => {
  const failing = async (client: Client): Promise<unknown> => rejection(firstValueFrom(client.kv.put('public/a', 'b')));

  test('a wrong password', async () => {
    const error = await failing(clients.make({ endpoints: etcd.endpoint, auth: { username: 'root', password: 'wr0ng' } }));
    expect(error).toMatchObject({ reason: 'AuthFailed', rpc: 'Auth.Authenticate', endpoint: etcd.endpoint });
    expectSilentAbout(error, 'wr0ng');
  });

  test('a user that does not exist', async () => {
    const error = await failing(clients.make({ endpoints: etcd.endpoint, auth: { username: 'nobody', password: 'wr0ng' } }));
    expect(error).toMatchObject({ reason: 'AuthFailed' });
    expectSilentAbout(error, 'wr0ng');
  });

  test('no credentials', async () => {
    expect(await failing(clients.make({ endpoints: etcd.endpoint }))).toMatchObject({
      reason: 'UserEmpty',
      rpc: 'KV.Put',
      message: expect.stringContaining('the request has no token; set the option auth'),
    });
  });

  test('a token that is not one', async () => {
    const error = await failing(clients.make({ endpoints: etcd.endpoint, auth: { token: 's3cret.1' } }));
    expect(error).toMatchObject({ reason: 'InvalidAuthToken', code: 'Unauthenticated' });
    expectSilentAbout(error, 's3cret');
  });

  test('a user without the permission', async () => {
    const client = clients.make({ endpoints: etcd.endpoint, auth: { username: 'guest', password: 'guest' } });
    expect((await firstValueFrom(client.kv.get('public/a')))?.value).toBe('b');
    expect(await failing(client)).toMatchObject({ reason: 'PermissionDenied', rpc: 'KV.Put' });
  });

  test('a server that stopped during the call', async () => {
    const client = clients.make({ endpoints: etcd.endpoint, auth });
    await firstValueFrom(client.kv.get('public/a'));
    await etcd.pause();
    const pending = rejection(firstValueFrom(client.kv.put('public/a', 'b')));
    await etcd.kill();
    try {
      const error = await pending;
      expect(error).toMatchObject({ reason: 'AmbiguousWrite' });
      expectSilentAbout(error, PASSWORD, 'hunter2');
    } finally {
      await etcd.restart();
    }
  });
});

test('after a change of password the old client continues until its token expires, and a new client needs the new password', async () => {
  const client = clients.make({ endpoints: etcd.endpoint, auth: { username: 'guest', password: 'guest' } });
  await firstValueFrom(client.kv.get('public/a'));
  await firstValueFrom(root.auth.userChangePassword('guest', { password: 'changed' }));
  const old = await rejection(
    firstValueFrom(clients.make({ endpoints: etcd.endpoint, auth: { username: 'guest', password: 'guest' } }).kv.get('public/a')),
  );
  expect(old).toMatchObject({ reason: 'AuthFailed' });
  const fresh = clients.make({ endpoints: etcd.endpoint, auth: { username: 'guest', password: 'changed' } });
  expect((await firstValueFrom(fresh.kv.get('public/a')))?.value).toBe('b');
});

test('clients continue when auth is disabled and enabled again', async () => {
  const client = clients.make({ endpoints: etcd.endpoint, auth });
  await firstValueFrom(client.kv.put('public/a', '1'));
  await firstValueFrom(root.auth.disable());
  const late = clients.make({ endpoints: etcd.endpoint, auth });
  await run(client.kv.put('public/a', '2'), late.kv.put('public/a', '3'));
  await firstValueFrom(root.auth.enable());
  await run(client.kv.put('public/a', '4'), late.kv.put('public/a', '5'), root.kv.put('public/a', '6'));
  const values = await firstValueFrom(late.kv.get('public/a').pipe(take(1), toArray()));
  expect(values.map((kv) => kv?.value)).toEqual(['6']);
});

test('a lock, a leadership and a permit fail with LockLost when their owner loses the permission to watch them', async () => {
  await run(
    root.auth.userAdd('owner', { password: 'owner' }),
    root.auth.roleAdd('owner'),
    root.auth.userGrantRole('owner', 'owner'),
    root.auth.roleGrantPermission('owner', 'READWRITE', { prefix: 'owned/' }),
  );
  const owner = clients.make({ endpoints: etcd.endpoint, auth: { username: 'owner', password: 'owner' } });
  const options = { ttl: 60 };
  const claims: Observable<unknown>[] = [
    owner.lock('owned/lock', options),
    owner.lock('owned/reentrant', { ...options, reentrant: 'process' }),
    owner.election('owned/election').campaign('me', options),
    owner.semaphore('owned/semaphore', 2, options),
  ];
  const losses: Promise<unknown>[] = [];
  for (const claim of claims) {
    const owned = claim.pipe(share());
    losses.push(rejection(lastValueFrom(owned)));
    await firstValueFrom(owned);
  }
  await run(root.auth.roleRevokePermission('owner', { prefix: 'owned/' }));
  // The watches are created again.
  await etcd.restart();
  for (const loss of await Promise.all(losses)) expect(loss).toMatchObject({ reason: 'LockLost', cause: { reason: 'PermissionDenied' } });
});

test('a user whose role covers only the entries of a service can register there', async () => {
  await run(
    root.auth.userAdd('registrar', { password: 'registrar' }),
    root.auth.roleAdd('registrar'),
    root.auth.userGrantRole('registrar', 'registrar'),
    root.auth.roleGrantPermission('registrar', 'READWRITE', { prefix: 'fleet/' }),
  );
  const client = clients.make({ endpoints: etcd.endpoint, auth: { username: 'registrar', password: 'registrar' } });
  const event = await firstValueFrom(client.services('fleet').register('one', { addr: 'one:1', ttl: 10 }));
  expect(event).toMatchObject({ type: 'registered', key: 'fleet/one' });
  await client.close();
  expect(await firstValueFrom(root.kv.count({ prefix: 'fleet' }))).toBe(0);
});
