import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstValueFrom, lastValueFrom } from 'rxjs';
import type { Client } from '../../src/index.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { Clients, QUICK_LOGIN, rejection } from './support.js';
import { collect } from './watch/support/collect.js';
import { waitFor } from '../support/waitFor.js';

const ROOT = { username: 'root', password: 'secret of root' };
const APP = { username: 'app', password: 'secret of app' };

const clients = new Clients();
afterEach(() => clients.close());

async function enableAuth({ auth }: Client): Promise<void> {
  await firstValueFrom(auth.userAdd(ROOT.username, { password: ROOT.password }));
  await firstValueFrom(auth.roleAdd('root'));
  await firstValueFrom(auth.userGrantRole('root', 'root'));
  await firstValueFrom(auth.userAdd(APP.username, { password: APP.password }));
  await firstValueFrom(auth.roleAdd('app'));
  await firstValueFrom(auth.roleGrantPermission('app', 'READWRITE', { prefix: 'app/' }));
  await firstValueFrom(auth.userGrantRole('app', 'app'));
  await firstValueFrom(auth.enable());
}

describe('with simple tokens under load', () => {
  let server: EtcdServer;
  let root: Client;
  const others = new Clients();

  beforeAll(async () => {
    server = await startEtcd({ own: true, args: QUICK_LOGIN });
    root = others.make({ endpoints: server.endpoint, auth: ROOT });
    await enableAuth(root);
  });
  afterAll(async () => {
    await others.close();
    await server.stop();
  });

  /** The TTL of a lease, in seconds: a machine that stalls for a second must not lose it. */
  const TTL = 4;

  /** A server invalidates all tokens of a user whose password is set. */
  const forgetTokens = async (password = APP.password): Promise<void> => {
    await firstValueFrom(root.auth.userChangePassword(APP.username, { password }));
  };
  /** Returns the number of authentications that the server has counted. */
  const authentications = async (): Promise<number> => {
    const metrics = await firstValueFrom(root.metrics());
    const handled = metrics.find(({ name }) => name === 'grpc_server_handled_total' || name === 'grpc_server_handled');
    const counts = (handled?.samples ?? []).filter(({ labels }) => labels['grpc_method'] === 'Authenticate');
    if (counts.length === 0) throw new Error('the server does not count authentications');
    return counts.reduce((sum, { value }) => sum + value, 0);
  };

  test('500 concurrent calls whose token the server has discarded authenticate once, and all are carried out', async () => {
    // A slow login would be attempted on another connection, too.
    const client = clients.make({ endpoints: server.endpoint, auth: APP, attemptTimeoutMs: 10_000 });
    await firstValueFrom(client.kv.put('app/0', ''));
    await forgetTokens();
    const before = await authentications();
    const calls = Array.from({ length: 500 }, (_, n) =>
      n % 2 === 0 ? firstValueFrom(client.kv.put(`app/${n}`, 'x')) : firstValueFrom(client.kv.get(`app/${n}`)),
    );
    await Promise.all(calls);
    expect((await authentications()) - before).toBe(1);
    expect(await firstValueFrom(client.kv.count({ prefix: 'app/' }))).toBe(250);
  });

  test('repeatedly discarded tokens under load cost no call, no event and no lease', async () => {
    const client = clients.make({ endpoints: server.endpoint, auth: APP, streams: { heartbeatMs: 200 } });
    const watch = collect(client.watch({ prefix: 'app/n/' }));
    await firstValueFrom(client.watchBatches({ prefix: 'app/n/' }));
    const lease = collect(client.lease({ ttl: TTL }));
    await waitFor('the lease is granted', () => lease.values.length > 0);
    const id = lease.values[0]?.id;
    if (id === undefined) throw new Error('no lease');
    await firstValueFrom(client.kv.put('app/leased', '', { lease: id }));
    let written = 0;
    const begun = performance.now();
    // Longer than the TTL of the lease, which is refreshed meanwhile.
    while (performance.now() - begun < TTL * 1_000 + 1_000) {
      await forgetTokens();
      await Promise.all(Array.from({ length: 20 }, () => firstValueFrom(client.kv.put(`app/n/${written++}`, ''))));
    }
    await waitFor('the watch has seen all', () => watch.values.length >= written || watch.error !== undefined);
    expect([watch.error, lease.error, watch.values.length]).toEqual([undefined, undefined, written]);
    expect(await firstValueFrom(client.kv.exists('app/leased'))).toBe(true);
    lease.stop();
  });

  test('a changed password fails the calls with that reason, and the client continues when it is changed back', async () => {
    const client = clients.make({ endpoints: server.endpoint, auth: APP });
    await firstValueFrom(client.kv.put('app/a', '1'));
    await forgetTokens('another');
    const calls = [client.kv.put('app/a', '2'), client.kv.get('app/a')].map((call) => rejection(firstValueFrom<unknown>(call)));
    for (const error of await Promise.all(calls)) expect(error).toMatchObject({ reason: 'AuthFailed', rpc: 'Auth.Authenticate' });
    await forgetTokens();
    await firstValueFrom(client.kv.put('app/a', '3'));
    expect((await firstValueFrom(client.kv.get('app/a')))?.version).toBe(2);
  });

  test('disabling and enabling auth under load costs no call and no event', async () => {
    const client = clients.make({ endpoints: server.endpoint, auth: APP, streams: { heartbeatMs: 200 } });
    const watch = collect(client.watch({ prefix: 'app/switch/' }));
    await firstValueFrom(client.watchBatches({ prefix: 'app/switch/' }));
    let written = 0;
    let stopped = false;
    const errors: unknown[] = [];
    const writers = Array.from({ length: 8 }, async () => {
      while (!stopped) await firstValueFrom(client.kv.put(`app/switch/${written++}`, '')).catch((error: unknown) => errors.push(error));
    });
    const more = async (): Promise<void> => {
      const goal = written + 100;
      await waitFor('more is written', () => written >= goal);
    };
    for (let round = 0; round < 3; round++) {
      await more();
      await firstValueFrom(root.auth.disable());
      await more();
      await firstValueFrom(root.auth.enable());
    }
    await more();
    stopped = true;
    await Promise.all(writers);
    expect(errors).toEqual([]);
    await waitFor('the watch has seen all', () => watch.values.length >= written || watch.error !== undefined);
    expect([watch.error, watch.values.length]).toEqual([undefined, written]);
  });
});

describe('with JSON web tokens under load', () => {
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
  let folder: string;
  let server: EtcdServer;
  let root: Client;
  const others = new Clients();

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'rxetcd-jwt-'));
    const [publicKey, privateKey] = [join(folder, 'public.pem'), join(folder, 'private.pem')];
    await writeFile(publicKey, keys.publicKey.export({ type: 'spki', format: 'pem' }));
    await writeFile(privateKey, keys.privateKey.export({ type: 'pkcs1', format: 'pem' }));
    const authToken = `jwt,pub-key=${publicKey},priv-key=${privateKey},sign-method=RS256`;
    server = await startEtcd({ own: true, args: ['--auth-token', authToken] });
    root = others.make({ endpoints: server.endpoint, auth: ROOT });
    await enableAuth(root);
  });
  afterAll(async () => {
    await others.close();
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const base64 = (json: object): string => Buffer.from(JSON.stringify(json)).toString('base64url');
  /** Returns the revision in etcd's tokens: it rejects tokens for another revision of its users. */
  async function currentRevision(): Promise<number> {
    const { token } = await firstValueFrom(root.auth.authenticate(ROOT.username, ROOT.password));
    const { revision } = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as { revision: number };
    return revision;
  }
  /** Returns a token that was not signed by etcd. */
  function tokenOf(username: string, revision: number, seconds: number): string {
    const claims = { username, revision, exp: Math.floor(Date.now() / 1_000) + seconds };
    const signed = `${base64({ alg: 'RS256', typ: 'JWT' })}.${base64(claims)}`;
    return `${signed}.${sign('sha256', Buffer.from(signed), keys.privateKey).toString('base64url')}`;
  }

  test('the token function is called once for all calls, each time a token has expired', async () => {
    let asked = 0;
    const revision = await currentRevision();
    const token = (): string => {
      asked += 1;
      // Longer than a stall between signing the token and the server's check.
      return tokenOf('app', revision, 2);
    };
    const client = clients.make({ endpoints: server.endpoint, auth: { token }, streams: { heartbeatMs: 200 } });
    const watch = collect(client.watch({ prefix: 'app/jwt/' }));
    await firstValueFrom(client.watchBatches({ prefix: 'app/jwt/' }));
    let written = 0;
    const begun = Date.now();
    // etcd 3.3 accepts a token until the end of the second in which it expires, newer versions until its begin.
    while (asked < 3) await Promise.all(Array.from({ length: 20 }, () => firstValueFrom(client.kv.put(`app/jwt/${written++}`, ''))));
    await waitFor('the watch has seen all', () => watch.values.length >= written || watch.error !== undefined);
    expect([watch.error, watch.values.length]).toEqual([undefined, written]);
    // One request at the beginning, and one in each second in which the last token expired. One more may be made just
    // before the end of a second.
    const ends = Math.floor(Date.now() / 1_000) - Math.floor(begun / 1_000);
    expect(asked).toBeLessThanOrEqual(ends + 2);
  });

  test('a token from before a change of users is replaced', async () => {
    const client = clients.make({ endpoints: server.endpoint, auth: APP });
    await firstValueFrom(client.kv.put('app/a', '1'));
    await firstValueFrom(root.auth.roleAdd('another'));
    await Promise.all(Array.from({ length: 50 }, () => firstValueFrom(client.kv.put('app/a', '2'))));
    expect((await lastValueFrom(client.kv.get('app/a')))?.version).toBe(51);
  });

  test('a token signed with another key is rejected, and not retried forever', async () => {
    const revision = await currentRevision();
    const client = clients.make({
      endpoints: server.endpoint,
      auth: { token: () => tokenOf('app', revision, 60).replace(/.{20}$/, 'A'.repeat(20)) },
    });
    const calls = [client.kv.put('app/a', 'x'), client.watch('app/a'), client.watch('app/a', { startRevision: 1 })];
    for (const error of await Promise.all(calls.map((call) => rejection(firstValueFrom<unknown>(call)))))
      // etcd 3.3 denies a watch with an unknown token as one of an unauthorised user.
      expect(error).toMatchObject({
        reason: expect.stringMatching(server.version.startsWith('3.3') ? /InvalidAuthToken|PermissionDenied/ : /InvalidAuthToken/),
      });
  });
});
