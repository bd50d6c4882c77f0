import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { defer, firstValueFrom, of, timer, type Observable } from 'rxjs';
import type { Client, UserCredentials } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { Clients, expectSilentAbout, QUICK_LOGIN, rejection } from './support.js';
import { collect } from './watch/support/collect.js';
import { waitFor } from '../support/waitFor.js';

let etcd: EtcdServer;
let root: Client;
const setUp = new Clients();
const clients = new Clients();
/** The password of the server, and the one of the vault. */
let password: string;
let vault: string;
let asked: number;
let rotations = 0;

const credentials = (): UserCredentials => {
  asked += 1;
  return { username: 'app', password: vault };
};

beforeAll(async () => {
  etcd = await startEtcd({ own: true, args: QUICK_LOGIN });
  root = setUp.make({ endpoints: etcd.endpoint, auth: { username: 'root', password: 'root' } });
  password = vault = 'first';
  for (const call of [
    root.auth.userAdd('root', { password: 'root' }),
    root.auth.userGrantRole('root', 'root'),
    root.auth.userAdd('app', { password }),
    root.auth.roleAdd('app'),
    root.auth.userGrantRole('app', 'app'),
    root.auth.roleGrantPermission('app', 'READWRITE', { prefix: 'app/' }),
    root.auth.enable(),
  ] as readonly Observable<unknown>[])
    await firstValueFrom(call);
});
afterEach(() => clients.close());
afterAll(async () => {
  await setUp.close();
  await etcd.stop();
});

/**
 * Changes the password at the server. The vault follows after this many milliseconds; if negative, it precedes the
 * server.
 */
async function rotate(vaultAfterMs: number): Promise<void> {
  password = `secret-${++rotations}`;
  if (vaultAfterMs < 0) vault = password;
  await firstValueFrom(root.auth.userChangePassword('app', { password }));
  await firstValueFrom(timer(Math.max(0, vaultAfterMs)));
  vault = password;
}

describe('a function for the option auth', () => {
  test.each<[string, string, number, () => UserCredentials | Promise<UserCredentials> | Observable<UserCredentials>]>([
    ['a value', 'just before', -1, credentials],
    ['a Promise', 'half a second later', 500, () => Promise.resolve().then(credentials)],
    ['an Observable', 'half a second later', 500, () => defer(() => of(credentials()))],
  ])(
    'that returns %s survives a password change that it learns of %s: calls, watches and leases continue',
    async (_, _when, afterMs, auth) => {
      asked = 0;
      const client = clients.make({ endpoints: etcd.endpoint, auth });
      const key = `app/${rotations}`;
      const watch = collect(client.watch(key));
      const lease = collect(client.lease({ ttl: 6 }));
      const id = await waitFor('the lease is granted', () => lease.values[0]?.id);
      await firstValueFrom(client.kv.put(key, 'before', { lease: id }));
      const rotated = rotate(afterMs);
      if (afterMs < 0) await rotated;
      await firstValueFrom(client.kv.put(key, 'after', { lease: id }));
      await rotated;
      const refreshes = (): number => lease.values.filter(({ type }) => type === 'refreshed').length;
      // The function may already have been called once.
      const due = refreshes() + 2;
      const ended = (): boolean => watch.error !== undefined || lease.error !== undefined;
      await waitFor('the watch and the lease go on', () => (watch.values.at(-1)?.kv.value === 'after' && refreshes() >= due) || ended());
      expect([watch.error, lease.error]).toEqual([undefined, undefined]);
      expect((await firstValueFrom(client.kv.get(key)))?.value).toBe('after');
      // The password is requested again, but neither for every token nor all the time.
      expect(asked).toBeGreaterThan(1);
      expect(asked).toBeLessThan(8);
    },
  );
});

test('a function that returns a wrong password from the start is called twice, and no error contains the password', async () => {
  let asks = 0;
  const auth = () => ({ username: 'app', password: `wr0ng-${++asks}` });
  const client = clients.make({ endpoints: etcd.endpoint, auth });
  const failed = await rejection(firstValueFrom(client.kv.get('app/a')));
  expect(failed).toMatchObject({ reason: 'AuthFailed' });
  expectSilentAbout(failed, 'wr0ng');
  expect(asks).toBe(2);
});

test.each<[string, () => unknown]>([
  ['nothing', () => undefined],
  ['no password', () => ({ username: 'app' })],
  ['a password with a line break', () => ({ username: 'app', password: 'hidden\n' })],
  ['an empty Observable', () => of()],
  ['a rejection', () => Promise.reject(new Error('no vault'))],
])('a function that returns %s fails calls with TokenUnavailable', async (_, given) => {
  const client = clients.make({ endpoints: etcd.endpoint, auth: given as () => UserCredentials });
  const failed = await rejection(firstValueFrom(client.kv.get('app/a')));
  expect(failed).toMatchObject({ reason: 'TokenUnavailable' });
  expectSilentAbout(failed, 'hidden');
});
