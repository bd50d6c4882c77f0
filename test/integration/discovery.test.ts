import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient, type Client, type MemberId } from 'rxetcd';
import { startFaultCluster, type FaultCluster } from '../support/cluster/cluster.js';
import { withEtcd } from './support/fixture.js';
import { newSeat } from './support/join.js';
import { only, until } from './support/outcomes.js';

/** Reads until the client uses just these. */
const untilUsed = (etcd: Client, origins: readonly string[]): Promise<unknown> =>
  until(
    async () => (await only(etcd.kv.get('a')), etcd.endpoints()),
    (used) => used.length === origins.length && origins.every((origin) => used.includes(origin)),
  );

describe('a client that was given one member of three', () => {
  let cluster: FaultCluster;
  beforeAll(async () => {
    cluster = await startFaultCluster({ auth: true });
  });
  afterAll(() => cluster.stop());

  test('finds the others, with auth on, and goes on without the one that it was given', async () => {
    const [first, ...others] = cluster.members;
    await using etcd = createClient({ ...cluster.access, endpoints: first?.endpoint ?? '', discovery: true });
    await untilUsed(etcd, cluster.endpoints);
    expect(etcd.endpoints()[0]).toBe(first?.endpoint);
    await first?.client.refuse();
    await Promise.all(Array.from({ length: 10 }, (_, index) => only(etcd.kv.put(`discovery/${index}`, ''))));
    expect(others.every(({ client }) => client.open > 0)).toBe(true);
  });
});

describe('a client of a cluster that grows', () => {
  const fixture = withEtcd({ own: true });

  /** A learner has to be in sync first. */
  const isPromoted = (id: MemberId): Promise<boolean> =>
    only(fixture.etcd.cluster.memberPromote(id)).then(
      () => true,
      () => false,
    );

  test('uses a new member when it serves, and no learner', async () => {
    const seat = await newSeat(fixture.etcd);
    const isLearner = fixture.has('3.4');
    const etcd = fixture.client({ discovery: { intervalMs: 50 } });
    const given = etcd.endpoints();
    const { member } = await only(fixture.etcd.cluster.memberAdd([seat.peerUrl], isLearner ? { isLearner } : {}));
    const joined = await seat.start();
    try {
      if (isLearner) {
        const end = performance.now() + 300;
        while (performance.now() < end) await only(etcd.kv.get('a'));
        expect(etcd.endpoints()).toEqual(given);
        await until(() => isPromoted(member.id), Boolean);
      }
      await untilUsed(etcd, [...given, joined.endpoint]);
    } finally {
      await joined.stop();
    }
  });
});
