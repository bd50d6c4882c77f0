import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { leaseId, type Client, type Registration } from '../../src/index.js';
import { Holder } from '../integration/support/holding.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { once, startInterceptingProxy, type InterceptingProxy, type PassingCall } from '../support/faultProxies/interceptingProxy.js';
import { Clients, versionOf } from './support.js';
import { PATIENT } from '../support/patient.js';
import { waitForValue } from '../support/waitFor.js';

/** Writes of rxetcd whose responses are lost, while other clients write. */

let etcd: EtcdServer;
/** Writes and reads without the proxy. */
let direct: Client;
let proxy: InterceptingProxy;
let client: Client;
const clients = new Clients();
const holder = new Holder();

beforeAll(async () => {
  etcd = await startEtcd({ own: true });
});
beforeEach(async () => {
  direct = clients.make({ ...PATIENT, endpoints: etcd.endpoint });
  proxy = await startInterceptingProxy(etcd.endpoint);
  client = clients.make({ endpoints: proxy.endpoint, streams: { initialBackoffMs: 5, maxBackoffMs: 50 } });
  await firstValueFrom(client.kv.get('warm'));
});
afterEach(async () => {
  holder.letGo();
  await clients.close();
  await proxy.stop();
});
afterAll(() => etcd.stop());

const get = (key: string) => firstValueFrom(direct.kv.get(key));
/** Matches a call that puts this key, in a txn or alone. */
const isPut = ({ path, body, has }: PassingCall, key: string): boolean =>
  path === '/kv/put' ? has(key) : path === '/kv/txn' && /request_?put/i.test(body) && has(key);
const put = (key: string, value: string) => () => firstValueFrom(direct.kv.put(key, value));
const del = (key: string) => () => firstValueFrom(direct.kv.delete(key));
const registered = (target: string) => holder.hold<Registration>(client.services(target).register('one', { addr: 'ours:1', ttl: 10 }));

describe('services().register, when the response to its put is lost', () => {
  const lost = (target: string, interception: Parameters<typeof once>[1]): void => {
    proxy.intercept = once(({ path, has }) => (path === '/kv/txn' || path === '/kv/put') && has(`${target}/one`), interception);
  };

  test('detects that the entry is registered, and does not write it again', async () => {
    lost('own/done', {});
    const registration = registered('own/done');
    const event = await registration.first();
    expect(event).toMatchObject({ type: 'registered', revision: (await get('own/done/one'))?.modRevision });
    expect(await versionOf(direct, 'own/done/one')).toBe(1);
  });

  test('writes the entry once more if the put was not carried out', async () => {
    lost('own/never', { carried: false });
    expect(await registered('own/never').first()).toMatchObject({ type: 'registered' });
    expect(await versionOf(direct, 'own/never/one')).toBe(1);
  });

  test('leaves the entry alone that another client has written since, and reports when its own was written', async () => {
    await put('own/over/one', 'before')();
    lost('own/over', { after: put('own/over/one', 'theirs') });
    const event = await registered('own/over').first();
    const now = await get('own/over/one');
    expect(now).toMatchObject({ value: 'theirs', version: 3 });
    expect(event).toMatchObject({ type: 'registered', revision: now!.modRevision - 1 });
  });

  test('does not restore an entry that was deleted since', async () => {
    lost('own/back', { after: del('own/back/one') });
    expect(await registered('own/back').first()).toMatchObject({ type: 'registered' });
    expect(await get('own/back/one')).toBeUndefined();
  });

  test('retries until the entry is written, although its lease is refreshed meanwhile', async () => {
    let lease = '';
    const remaining = () => firstValueFrom(direct.lease.timeToLive(leaseId(lease)));
    proxy.intercept = once(({ path, has }) => path === '/kv/txn' && has('own/slow/one'), {
      carried: false,
      before: async () => {
        lease = /"lease":"(\d+)"/.exec(proxy.calls.at(-1)?.body ?? '')?.[1] ?? '';
        await waitForValue(remaining, ({ ttl }) => ttl <= 4);
        await waitForValue(remaining, ({ ttl }) => ttl > 4);
      },
    });
    const event = await holder.hold<Registration>(client.services('own/slow').register('one', { addr: 'ours:1', ttl: 6 })).first();
    expect(event).toMatchObject({ type: 'registered', lease });
    expect(await versionOf(direct, 'own/slow/one')).toBe(1);
  });

  test('leaves nothing behind when it is unsubscribed', async () => {
    lost('own/left', {});
    const registration = registered('own/left');
    await registration.first();
    registration.leave();
    await waitForValue(
      () => firstValueFrom(direct.kv.count({ prefix: 'own/left' })),
      (keys) => keys === 0,
    );
  });
});

describe('a campaign under a lease whose key exists', () => {
  async function standing(name: string, value: string) {
    const { id } = await firstValueFrom(direct.lease.grant(60));
    const first = holder.hold(direct.election(name).campaign(value, { lease: id }));
    const { key } = await first.first();
    return { id, key };
  }

  test('proclaims the new value, as the Go client does, and keeps its queue entry', async () => {
    const { id, key } = await standing('own/elect', 'old');
    const before = await get(key);
    const leadership = await holder.hold(client.election('own/elect').campaign('new', { lease: id })).first();
    expect(leadership.revision).toBe(before?.createRevision);
    expect(await get(key)).toMatchObject({ value: 'new', version: 2, createRevision: before?.createRevision, lease: id });
  });

  test('writes nothing if the value is the same', async () => {
    const { id, key } = await standing('own/same', 'same');
    await holder.hold(client.election('own/same').campaign('same', { lease: id })).first();
    expect(await versionOf(direct, key)).toBe(1);
  });

  test('proclaims the value once, although the response is lost', async () => {
    const { id, key } = await standing('own/once', 'old');
    proxy.intercept = once(({ path, has }) => path === '/kv/txn' && has('own/once/'), {});
    await holder.hold(client.election('own/once').campaign('new', { lease: id })).first();
    expect(await get(key)).toMatchObject({ value: 'new', version: 2 });
  });

  test('does not repeat a proclamation over a later one with the same lease', async () => {
    const { id, key } = await standing('own/meanwhile', 'old');
    proxy.intercept = once(({ path, has }) => path === '/kv/txn' && has('own/meanwhile/'), {
      after: () => firstValueFrom(direct.kv.put(key, 'theirs', { lease: id })),
    });
    await holder.hold(client.election('own/meanwhile').campaign('new', { lease: id })).first();
    expect(await get(key)).toMatchObject({ value: 'theirs', version: 3 });
  });

  test('proclaims the value while it waits for the leadership', async () => {
    const leader = holder.hold(direct.election('own/waits').campaign('leader'));
    await leader.first();
    const { id } = await firstValueFrom(direct.lease.grant(60));
    holder.hold(direct.election('own/waits').campaign('old', { lease: id }));
    const key = `own/waits/${BigInt(id).toString(16)}`;
    await waitForValue(
      () => get(key),
      (kv) => kv !== undefined,
    );
    const second = holder.hold(client.election('own/waits').campaign('new', { lease: id }));
    await waitForValue(
      () => get(key),
      (kv) => kv?.value === 'new',
    );
    expect(second.values).toEqual([]);
    leader.leave();
    expect((await second.first()).key).toBe(key);
  });
});

describe('a reentrant lock, when the response to its release is lost', () => {
  test('still revokes its leases', async () => {
    const held = holder.hold(client.lock('own/reentrant', { reentrant: { holder: 'ann' } }));
    const { lease } = await held.first();
    proxy.intercept = once(({ path, has }) => path === '/kv/txn' && has('own/reentrant'), {});
    held.leave();
    await waitForValue(
      async () => (await firstValueFrom(direct.lease.timeToLive(lease))).ttl,
      (ttl) => ttl === -1,
    );
    expect(await firstValueFrom(direct.kv.count({ prefix: 'own/reentrant' }))).toBe(0);
  });
});

describe('lease({ id }), when the response to its grant is lost', () => {
  test('does not adopt the lease of that id that was granted to another client in between', async () => {
    const id = leaseId(4_711n + BigInt(process.pid));
    proxy.intercept = once(({ path }) => path === '/lease/grant', {
      carried: false,
      before: async () => {
        await firstValueFrom(direct.lease.grant(60, { id }));
        await firstValueFrom(direct.kv.put('own/theirs', 'kept', { lease: id }));
      },
    });
    const held = holder.hold(client.lease({ ttl: 30, id }));
    expect(await held.failure()).toMatchObject({ reason: 'LeaseExist', cause: { reason: 'AmbiguousWrite' } });
    await client.close();
    expect(await get('own/theirs')).toMatchObject({ value: 'kept', lease: id });
    expect((await firstValueFrom(direct.lease.timeToLive(id))).grantedTtl).toBe(60);
  });

  test('with a random id adopts its own lease', async () => {
    proxy.intercept = once(({ path }) => path === '/lease/grant', {});
    const { id } = await holder.hold(client.lease({ ttl: 30 })).first();
    expect((await firstValueFrom(direct.lease.timeToLive(id))).grantedTtl).toBe(30);
    expect(proxy.calls.filter(({ path }) => path === '/lease/grant')).toHaveLength(2);
  });
});

test('revoking a lease with a chosen id does not revoke its successor of the same id, when the response is lost', async () => {
  const id = leaseId(14_711n + BigInt(process.pid));
  const held = holder.hold(client.lease({ ttl: 30, id }));
  await held.first();
  proxy.intercept = once(({ path }) => path.endsWith('/lease/revoke'), { after: () => firstValueFrom(direct.lease.grant(60, { id })) });
  held.leave();
  await client.close();
  expect((await firstValueFrom(direct.lease.timeToLive(id))).grantedTtl).toBe(60);
  expect(proxy.calls.filter(({ path }) => path.endsWith('/lease/revoke'))).toHaveLength(1);
});

describe('a double barrier', () => {
  const enter = (name: string, count: number, etcd: Client = direct) => holder.hold(etcd.doubleBarrier(name, count).enter({ ttl: 30 }));
  const waiting = (name: string, members: number) =>
    waitForValue(
      () => firstValueFrom(direct.kv.count({ prefix: `${name}/waiters/` })),
      (count) => count === members,
    );

  test('admits no client if one leaves while the last to arrive reports that all are present', async () => {
    const name = 'own/leaver';
    const first = enter(name, 3);
    await waiting(name, 1);
    const leaver = enter(name, 3);
    await waiting(name, 2);
    const left = new Promise<void>((resolve, reject) => {
      const leave = async () => {
        leaver.leave();
        await waiting(name, 2);
      };
      proxy.intercept = once((call) => isPut(call, `${name}/ready`), { before: () => leave().then(resolve, reject), answered: true });
    });
    const last = enter(name, 3, client);
    await left;
    // The responses after that have been processed.
    await firstValueFrom(client.kv.get(`${name}/ready`));
    expect(await get(`${name}/ready`)).toBeUndefined();
    expect([first.values, last.values]).toEqual([[], []]);
    await Promise.all([enter(name, 3), first, last].map((member) => member.first()));
  });

  test('admits no client of the next round alone, when the response that began the last round is lost', async () => {
    const name = 'own/next';
    const first = enter(name, 2);
    await waiting(name, 1);
    const played = new Promise<ReturnType<typeof enter>>((resolve, reject) => {
      const play = async () => {
        // The round is completed without the participant that does not know yet that it has begun.
        const { key: own, leave } = await first.first();
        const others = await firstValueFrom(direct.kv.range({ prefix: `${name}/waiters/` }, { keysOnly: true }));
        for (const { key } of others.kvs) if (key !== own) await firstValueFrom(direct.kv.delete(key));
        await firstValueFrom(leave());
        const next = enter(name, 2);
        await waiting(name, 1);
        return next;
      };
      proxy.intercept = once((call) => isPut(call, `${name}/ready`), { after: () => play().then(resolve, reject) });
    });
    expect(await enter(name, 2, client).failure()).toMatchObject({ reason: 'LockLost' });
    const next = await played;
    // The retry of the client uses a new connection.
    await firstValueFrom(client.kv.get(`${name}/ready`));
    expect(await get(`${name}/ready`)).toBeUndefined();
    expect(next.values).toEqual([]);
  });

  test('admits no client of the next round with one that is still leaving, and lets that one leave', async () => {
    const name = 'own/overlap';
    const first = enter(name, 2);
    await waiting(name, 1);
    const second = enter(name, 2);
    await Promise.all([first.first(), second.first()]);
    second.leave();
    await waiting(name, 1);
    const next = enter(name, 2);
    await waiting(name, 2);
    await firstValueFrom((await first.first()).leave());
    await waiting(name, 1);
    expect(next.values).toEqual([]);
    await Promise.all([enter(name, 2).first(), next.first()]);
  });

  test('lets a client leave whose round has ended, although the next round waits already', async () => {
    const name = 'own/out';
    const first = enter(name, 2);
    await waiting(name, 1);
    const second = enter(name, 2);
    await Promise.all([first.first(), second.first()]);
    const leaving = holder.hold((await second.first()).leave());
    await waiting(name, 1);
    const next = enter(name, 2);
    await waiting(name, 2);
    await firstValueFrom((await first.first()).leave());
    await waitForValue(() => leaving.completed, Boolean);
    expect(next.values).toEqual([]);
  });

  test('begins once, although the response to its beginning is lost', async () => {
    const name = 'own/begin';
    proxy.intercept = once((call) => isPut(call, `${name}/ready`), {});
    const members = [enter(name, 2), enter(name, 2, client)];
    await Promise.all(members.map((member) => member.first()));
    expect(await versionOf(direct, `${name}/ready`)).toBe(1);
  });
});
