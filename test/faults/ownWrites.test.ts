import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { leaseId, type Client, type Registration } from '../../src/index.js';
import { Holder } from '../integration/support/holding.js';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { once, startMeddlingProxy, type MeddlingProxy, type PassingCall } from '../support/faultProxies/meddlingProxy.js';
import { Clients, versionOf } from './support.js';
import { waitForValue } from '../support/waitFor.js';

/** What rxetcd writes by itself, with the answer to it lost, and others who write meanwhile. */

let etcd: EtcdServer;
/** Writes and reads past the proxy. */
let direct: Client;
let proxy: MeddlingProxy;
let client: Client;
const clients = new Clients();
const holder = new Holder();

beforeAll(async () => {
  etcd = await startEtcd({ own: true });
});
beforeEach(async () => {
  direct = clients.make({ endpoints: etcd.endpoint });
  proxy = await startMeddlingProxy(etcd.endpoint);
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
/** A call that puts this key, in a txn or alone. */
const isPut = ({ path, body, has }: PassingCall, key: string): boolean =>
  path === '/kv/put' ? has(key) : path === '/kv/txn' && /request_?put/i.test(body) && has(key);
const put = (key: string, value: string) => () => firstValueFrom(direct.kv.put(key, value));
const del = (key: string) => () => firstValueFrom(direct.kv.delete(key));
const registered = (target: string) => holder.hold<Registration>(client.services(target).register('one', { addr: 'ours:1', ttl: 10 }));

describe('services().register, when the answer to its put is lost', () => {
  const lost = (target: string, meddling: Parameters<typeof once>[1]): void => {
    proxy.meddle = once(({ path, has }) => (path === '/kv/txn' || path === '/kv/put') && has(`${target}/one`), meddling);
  };

  test('finds that it is registered, and does not write again', async () => {
    lost('own/done', {});
    const registration = registered('own/done');
    const event = await registration.first();
    expect(event).toMatchObject({ type: 'registered', revision: (await get('own/done/one'))?.modRevision });
    expect(await versionOf(direct, 'own/done/one')).toBe(1);
  });

  test('and the put was never carried out, writes once more', async () => {
    lost('own/never', { carried: false });
    expect(await registered('own/never').first()).toMatchObject({ type: 'registered' });
    expect(await versionOf(direct, 'own/never/one')).toBe(1);
  });

  test('leaves alone what another client has written meanwhile, and tells when its own entry was written', async () => {
    await put('own/over/one', 'before')();
    lost('own/over', { after: put('own/over/one', 'theirs') });
    const event = await registered('own/over').first();
    const now = await get('own/over/one');
    expect(now).toMatchObject({ value: 'theirs', version: 3 });
    expect(event).toMatchObject({ type: 'registered', revision: now!.modRevision - 1 });
  });

  test('does not bring back what was deleted meanwhile', async () => {
    lost('own/back', { after: del('own/back/one') });
    expect(await registered('own/back').first()).toMatchObject({ type: 'registered' });
    expect(await get('own/back/one')).toBeUndefined();
  });

  test('goes on until it is written, though its lease is refreshed meanwhile', async () => {
    let lease = '';
    const remaining = () => firstValueFrom(direct.lease.timeToLive(leaseId(lease)));
    proxy.meddle = once(({ path, has }) => path === '/kv/txn' && has('own/slow/one'), {
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

  test('leaves nothing behind when it is left', async () => {
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

describe('a campaign by a lease whose key stands already', () => {
  async function standing(name: string, value: string) {
    const { id } = await firstValueFrom(direct.lease.grant(60));
    const first = holder.hold(direct.election(name).campaign(value, { lease: id }));
    const { key } = await first.first();
    return { id, key };
  }

  test('proclaims the new value, as etcd’s Go client does, and keeps its place', async () => {
    const { id, key } = await standing('own/elect', 'old');
    const before = await get(key);
    const leadership = await holder.hold(client.election('own/elect').campaign('new', { lease: id })).first();
    expect(leadership.revision).toBe(before?.createRevision);
    expect(await get(key)).toMatchObject({ value: 'new', version: 2, createRevision: before?.createRevision, lease: id });
  });

  test('writes nothing where the value is what it was', async () => {
    const { id, key } = await standing('own/same', 'same');
    await holder.hold(client.election('own/same').campaign('same', { lease: id })).first();
    expect(await versionOf(direct, key)).toBe(1);
  });

  test('proclaims it once, though the answer is lost', async () => {
    const { id, key } = await standing('own/once', 'old');
    proxy.meddle = once(({ path, has }) => path === '/kv/txn' && has('own/once/'), {});
    await holder.hold(client.election('own/once').campaign('new', { lease: id })).first();
    expect(await get(key)).toMatchObject({ value: 'new', version: 2 });
  });

  test('does not proclaim it again over what another who leads by the same lease has said meanwhile', async () => {
    const { id, key } = await standing('own/meanwhile', 'old');
    proxy.meddle = once(({ path, has }) => path === '/kv/txn' && has('own/meanwhile/'), {
      after: () => firstValueFrom(direct.kv.put(key, 'theirs', { lease: id })),
    });
    await holder.hold(client.election('own/meanwhile').campaign('new', { lease: id })).first();
    expect(await get(key)).toMatchObject({ value: 'theirs', version: 3 });
  });

  test('proclaims it while it waits for its turn', async () => {
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

describe('a reentrant lock, when the answer to its leaving is lost', () => {
  test('ends its leases all the same', async () => {
    const held = holder.hold(client.lock('own/reentrant', { reentrant: { holder: 'ann' } }));
    const { lease } = await held.first();
    proxy.meddle = once(({ path, has }) => path === '/kv/txn' && has('own/reentrant'), {});
    held.leave();
    await waitForValue(
      async () => (await firstValueFrom(direct.lease.timeToLive(lease))).ttl,
      (ttl) => ttl === -1,
    );
    expect(await firstValueFrom(direct.kv.count({ prefix: 'own/reentrant' }))).toBe(0);
  });
});

describe('lease({ id }), when the answer to its grant is lost', () => {
  test('does not take the lease of that id which another client was granted meanwhile', async () => {
    const id = leaseId(4_711n + BigInt(process.pid));
    proxy.meddle = once(({ path }) => path === '/lease/grant', {
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

  test('of a random id takes its own', async () => {
    proxy.meddle = once(({ path }) => path === '/lease/grant', {});
    const { id } = await holder.hold(client.lease({ ttl: 30 })).first();
    expect((await firstValueFrom(direct.lease.timeToLive(id))).grantedTtl).toBe(30);
    expect(proxy.calls.filter(({ path }) => path === '/lease/grant')).toHaveLength(2);
  });
});

test('a lease of an id of one’s own that is revoked once does not revoke the next of that id, when the answer is lost', async () => {
  const id = leaseId(14_711n + BigInt(process.pid));
  const held = holder.hold(client.lease({ ttl: 30, id }));
  await held.first();
  proxy.meddle = once(({ path }) => path.endsWith('/lease/revoke'), { after: () => firstValueFrom(direct.lease.grant(60, { id })) });
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

  test('lets nobody in where one leaves while the last to come says that all are there', async () => {
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
      proxy.meddle = once((call) => isPut(call, `${name}/ready`), { before: () => leave().then(resolve, reject), answered: true });
    });
    const last = enter(name, 3, client);
    await left;
    // What was answered after that has been seen.
    await firstValueFrom(client.kv.get(`${name}/ready`));
    expect(await get(`${name}/ready`)).toBeUndefined();
    expect([first.values, last.values]).toEqual([[], []]);
    await Promise.all([enter(name, 3), first, last].map((member) => member.first()));
  });

  test('lets nobody of the next round in alone, when the answer to what began the last one is lost', async () => {
    const name = 'own/next';
    const first = enter(name, 2);
    await waiting(name, 1);
    const played = new Promise<ReturnType<typeof enter>>((resolve, reject) => {
      const play = async () => {
        // The round is played without the one who does not know yet that it has begun.
        const { key: own, leave } = await first.first();
        const others = await firstValueFrom(direct.kv.range({ prefix: `${name}/waiters/` }, { keysOnly: true }));
        for (const { key } of others.kvs) if (key !== own) await firstValueFrom(direct.kv.delete(key));
        await firstValueFrom(leave());
        const next = enter(name, 2);
        await waiting(name, 1);
        return next;
      };
      proxy.meddle = once((call) => isPut(call, `${name}/ready`), { after: () => play().then(resolve, reject) });
    });
    expect(await enter(name, 2, client).failure()).toMatchObject({ reason: 'LockLost' });
    const next = await played;
    // What the client repeats goes over the connection that it makes now.
    await firstValueFrom(client.kv.get(`${name}/ready`));
    expect(await get(`${name}/ready`)).toBeUndefined();
    expect(next.values).toEqual([]);
  });

  test('lets nobody of the next round in with one who is still leaving, and out all the same', async () => {
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

  test('lets one out whose round is over, though the next one waits already', async () => {
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

  test('begins once, though the answer to that is lost', async () => {
    const name = 'own/begin';
    proxy.meddle = once((call) => isPut(call, `${name}/ready`), {});
    const members = [enter(name, 2), enter(name, 2, client)];
    await Promise.all(members.map((member) => member.first()));
    expect(await versionOf(direct, `${name}/ready`)).toBe(1);
  });
});
