import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient, type Client, type MemberId } from 'rxetcd';
import { enableAuth, ROOT, startFaultCluster, type FaultCluster } from '../support/cluster/cluster.js';
import { freePorts, startEtcd } from '../support/etcd/index.js';
import { startFakeServer, type FakeScript, type FakeServer } from '../support/fakes/fakeServer.js';
import { withEtcd } from './support/fixture.js';
import { newSeat } from './support/join.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

/** Reads until the client uses exactly these endpoints. */
const untilUsed = (etcd: Client, origins: readonly string[]): Promise<unknown> =>
  waitForValue(
    async () => (await only(etcd.kv.get('a')), etcd.endpoints()),
    (used) => used.length === origins.length && origins.every((origin) => used.includes(origin)),
  );

describe('a client that is given one member of three', () => {
  let cluster: FaultCluster;
  beforeAll(async () => {
    cluster = await startFaultCluster({ auth: true });
  });
  afterAll(() => cluster.stop());

  test('finds the other members, with auth on, and works without the configured one', async () => {
    const [first, ...others] = cluster.members;
    await using etcd = createClient({ ...cluster.access, endpoints: first?.endpoint ?? '', discovery: true });
    await untilUsed(etcd, cluster.endpoints);
    expect(etcd.endpoints()[0]).toBe(first?.endpoint);
    await first?.client.refuse();
    // Reads may be sent again: once they have succeeded, the client has detected that its connections are closed.
    for (const _ of cluster.members) await only(etcd.kv.get('a'));
    await Promise.all(Array.from({ length: 10 }, (_, index) => only(etcd.kv.put(`discovery/${index}`, ''))));
    expect(others.every(({ client }) => client.open > 0)).toBe(true);
  });
});

describe('an address of the member list that leads to another server', () => {
  test('receives no token, password or header of the client, and is not used', async () => {
    const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };
    const script: FakeScript = ({ path }, reply) => {
      if (path.endsWith('/watch')) reply.stream().end(JSON.stringify({ result: { header, created: true } }));
      else reply.json(400, { code: 3, message: 'etcdserver: user name is empty' });
    };
    await besideStranger(script, async (stranger, endpoint) => {
      await enableAuth({ endpoints: endpoint });
      await using etcd = createClient({
        endpoints: endpoint,
        auth: ROOT,
        headers: { 'x-api-key': 'secret of a proxy' },
        userAgent: 'secret agent',
        discovery: { intervalMs: 50 },
      });
      for (const path of ['/version', '/v3/maintenance/status', '/v3/watch']) {
        await waitForValue(
          async () => (await only(etcd.kv.get('a')), stranger.at(path).length),
          (times) => times > 1,
        );
      }
      expect(JSON.stringify(stranger.requests)).not.toMatch(/secret|authorization|root/);
      expect(etcd.endpoints()).toEqual([endpoint]);
    });
  });

  test('is rejected as the option endpoint of a call while it is checked', async () => {
    await besideStranger(
      () => undefined,
      async (stranger, endpoint) => {
        await using etcd = createClient({ endpoints: endpoint, headers: { 'x-api-key': 'secret' }, discovery: { intervalMs: 50 } });
        await waitForValue(
          async () => (await only(etcd.kv.get('a')), stranger.at('/v3/maintenance/status').length),
          (count) => count > 0,
        );
        await failureWith('InvalidArgument', etcd.kv.get('a', { endpoint: stranger.endpoint }));
        expect(JSON.stringify(stranger.requests)).not.toContain('secret');
      },
    );
  });
});

/** Starts a server that advertises the address of another one, which is no member. */
async function besideStranger(script: FakeScript, check: (stranger: FakeServer, endpoint: string) => Promise<void>): Promise<void> {
  const stranger = await startFakeServer(script);
  try {
    const [clientPort = 0] = await freePorts(1);
    const endpoint = `http://127.0.0.1:${clientPort}`;
    const server = await startEtcd({ own: true, clientPort, args: ['--advertise-client-urls', stranger.endpoint] });
    try {
      await check(stranger, endpoint);
    } finally {
      await server.stop();
    }
  } finally {
    await stranger.close();
  }
}

describe('a client of a growing cluster', () => {
  const fixture = withEtcd({ own: true });

  /** A learner has to be in sync first. */
  const isPromoted = (id: MemberId): Promise<boolean> =>
    only(fixture.etcd.cluster.memberPromote(id)).then(
      () => true,
      () => false,
    );

  test('uses a new member once it serves requests, but no learner', async () => {
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
        await waitForValue(() => isPromoted(member.id), Boolean);
      }
      await untilUsed(etcd, [...given, joined.endpoint]);
    } finally {
      await joined.stop();
    }
  });
});
