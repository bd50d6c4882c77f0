import { afterEach, describe, expect, test } from '@jest/globals';
import { idToHex, type KeyValue } from 'rxetcd';
import { EMPTY, finalize, NEVER, switchMap } from 'rxjs';
import { startTcpProxy } from '../support/faultProxies/tcpProxy.js';
import { withEtcd } from './support/fixture.js';
import { Holder } from './support/holding.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const holder = new Holder();
afterEach(() => holder.letGo());

const TTL = { ttl: 30 };
const QUICK = { streams: { initialBackoffMs: 5, maxBackoffMs: 200 } };
const standing = (name: string, count: number) =>
  waitForValue(
    () => only(fixture.etcd.kv.count({ prefix: `${name}/` })),
    (now) => now === count,
  );
const valuesOf = (seen: readonly (KeyValue | undefined)[]) => seen.map((kv) => kv?.value);

describe('a campaign', () => {
  test('is won by a single candidate, with a key as etcdctl and the Go client create it', async () => {
    const { etcd } = fixture;
    const campaign = holder.hold(etcd.election('vote/won').campaign('node-1', TTL));
    const leadership = await campaign.first();
    expect(leadership).toMatchObject({ name: 'vote/won', key: `vote/won/${idToHex(leadership.lease)}`, alive: true });
    expect(await only(etcd.kv.get(leadership.key))).toMatchObject({
      value: 'node-1',
      lease: leadership.lease,
      createRevision: leadership.revision,
    });
  });

  test('is won in the order of the candidates, by one at a time', async () => {
    const election = fixture.etcd.election('vote/order');
    const campaigns = [];
    for (const node of ['a', 'b', 'c']) {
      campaigns.push(holder.hold(election.campaign(node, TTL)));
      await standing('vote/order', campaigns.length);
    }
    const [a, b, c] = campaigns as [(typeof campaigns)[0], (typeof campaigns)[0], (typeof campaigns)[0]];
    const first = await a.first();
    // A candidate that unsubscribes is never the leader.
    b.leave();
    await standing('vote/order', 2);
    expect(c.values).toEqual([]);
    a.leave();
    expect((await c.first()).revision).toBeGreaterThan(first.revision);
    expect(b.values).toEqual([]);
  });

  test('starts the work of the leader and stops it, with switchMap', async () => {
    const { etcd } = fixture;
    const done: string[] = [];
    const work = etcd
      .election('vote/task')
      .campaign('node-1', TTL)
      .pipe(
        switchMap(({ key }) => {
          done.push(`begun ${key}`);
          return NEVER.pipe(finalize(() => done.push('stopped')));
        }),
      );
    const working = holder.hold(work);
    await waitForValue(
      () => done,
      ({ length }) => length === 1,
    );
    await only(etcd.kv.delete({ prefix: 'vote/task/' }));
    expect(await working.failure()).toMatchObject({ reason: 'LockLost' });
    expect(done).toEqual([expect.stringMatching(/^begun /), 'stopped']);
  });

  test('completes when the leader resigns, without an error', async () => {
    const { etcd } = fixture;
    for (let round = 0; round < 30; round++) {
      const campaign = holder.hold(etcd.election('vote/resign').campaign(`${round}`, TTL));
      const leadership = await campaign.first();
      await only(leadership.resign());
      await waitForValue(() => campaign.endedAt > 0, Boolean);
      expect(campaign).toMatchObject({ completed: true, error: undefined });
      expect(leadership.alive).toBe(false);
    }
    await standing('vote/resign', 0);
  });

  test('lets the leader resign from within its work', async () => {
    const campaign = holder.hold(
      fixture.etcd
        .election('vote/inside')
        .campaign('node-1', TTL)
        .pipe(switchMap((leadership) => leadership.resign().pipe(switchMap(() => EMPTY)))),
    );
    await waitForValue(() => campaign.endedAt > 0, Boolean);
    expect(campaign).toMatchObject({ completed: true, error: undefined });
    await standing('vote/inside', 0);
  });
});

describe('a leader', () => {
  test('proclaims a new value, only as long as it leads', async () => {
    const { etcd } = fixture;
    const campaign = holder.hold(etcd.election('vote/proclaim').campaign('one', TTL));
    const leadership = await campaign.first();
    await only(leadership.proclaim('two'));
    expect(await only(etcd.kv.get(leadership.key))).toMatchObject({
      value: 'two',
      lease: leadership.lease,
      createRevision: leadership.revision,
    });
    await only(etcd.kv.delete(leadership.key));
    await failureWith('LockLost', leadership.proclaim('three'));
    expect(await only(etcd.kv.exists(leadership.key))).toBe(false);
  });
});

describe('leader$', () => {
  test('emits the leader, its proclamations, the next leader, and undefined without one', async () => {
    const election = fixture.etcd.election('vote/leader');
    const leaders = holder.hold(election.leader$);
    await waitForValue(
      () => leaders.values,
      ({ length }) => length === 1,
    );
    const a = holder.hold(election.campaign('a', TTL));
    const leadership = await a.first();
    const b = holder.hold(election.campaign('b', TTL));
    await standing('vote/leader', 2);
    await only(leadership.proclaim('a again'));
    await only(leadership.resign());
    await b.first();
    await waitForValue(
      () => valuesOf(leaders.values),
      (values) => values.at(-1) === 'b',
    );
    b.leave();
    await waitForValue(
      () => leaders.values,
      (values) => values.at(-1) === undefined,
    );
    expect(valuesOf(leaders.values)).toEqual([undefined, 'a', 'a again', 'b', undefined]);
    // A late subscriber begins with the current leader.
    expect(await holder.hold(election.leader$).first()).toBeUndefined();
  });

  test('never emits an old leader after a new one, through cuts and compactions', async () => {
    const { etcd } = fixture;
    const proxy = await startTcpProxy(fixture.server.endpoint);
    try {
      const election = etcd.election('vote/order-of-leaders');
      const leaders = holder.hold(fixture.client({ endpoints: proxy.endpoint, ...QUICK }).election('vote/order-of-leaders').leader$);
      await waitForValue(
        () => leaders.values,
        ({ length }) => length === 1,
      );
      for (let turn = 1; turn <= 12; turn++) {
        const campaign = holder.hold(election.campaign(`${turn}`, TTL));
        const { revision, proclaim } = await campaign.first();
        if (turn % 3 === 0) proxy.cut();
        if (turn % 4 === 0) await proxy.refuse();
        await only(proclaim(`${turn} again`));
        if (turn % 4 === 0) {
          await only(etcd.kv.compact(revision + 1));
          await proxy.accept();
        }
        if (turn % 2 === 0)
          await waitForValue(
            () => valuesOf(leaders.values).at(-1),
            (value) => value === `${turn} again`,
          );
        campaign.leave();
      }
      await waitForValue(
        () => leaders.values.at(-1),
        (last) => last === undefined,
      );
      const revisions = leaders.values.flatMap((kv) => (kv === undefined ? [] : [kv.modRevision]));
      expect(revisions).toEqual([...new Set(revisions)].sort((a, b) => a - b));
      expect(leaders.error).toBeUndefined();
    } finally {
      await proxy.close();
    }
  });
});
