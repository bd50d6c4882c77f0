import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { Client } from '../../src/index.js';
import { startFaultCluster, type FaultCluster } from '../support/cluster/cluster.js';
import { stallPeers, type Member } from '../support/cluster/member.js';
import { ServerPulse } from '../support/serverPulse.js';
import { longest, timed, type Duration } from '../support/stopwatch.js';
import { Clients, rejection } from './support.js';
import { waitFor } from '../support/waitFor.js';

let cluster: FaultCluster;
const clients = new Clients();

beforeAll(async () => {
  cluster = await startFaultCluster();
});
afterEach(async () => {
  cluster.heal();
  await clients.close();
  await cluster.settled();
});
afterAll(() => cluster.stop());

/** A follower that is partitioned from the other members: it responds to clients, but has no quorum. */
async function partedFollower(): Promise<Member> {
  const leader = await cluster.leader();
  const follower = cluster.members.find((member) => member !== leader);
  if (follower === undefined) throw new Error('somebody follows');
  stallPeers(follower, cluster.members, 'both');
  return follower;
}

const read = (client: Client): Promise<unknown> => firstValueFrom(client.kv.get('a'));

describe('a partitioned member', () => {
  test('delays one read of a client, and no other while the partition lasts; afterwards it is used again', async () => {
    const client = clients.make({ endpoints: cluster.endpoints });
    for (let n = 0; n < 6; n++) await read(client);
    const parted = await partedFollower();
    const { server } = await cluster.leader();
    const pulse = new ServerPulse(() => firstValueFrom(cluster.direct.kv.get('a', { endpoint: server.endpoint })));
    const times: Duration[] = [];
    const end = performance.now() + 4_000;
    while (performance.now() < end) times.push(await timed(read(client), pulse));
    await pulse.stop();
    expect(longest(times).awakeMs).toBeLessThan(2_000);
    expect(times.filter(({ awakeMs }) => awakeMs > 1_000).length).toBeLessThanOrEqual(1);
    cluster.heal();
    const asked = parted.client.up.bytes;
    const reading = { done: false };
    const reads = (async () => {
      while (!reading.done) await read(client);
    })();
    await waitFor('it is asked again', () => parted.client.up.bytes > asked + 5_000);
    reading.done = true;
    await reads;
  });

  test('responds to serializable reads with its old state, but not to monotonic ones', async () => {
    const client = clients.make({ endpoints: cluster.endpoints, batchReads: false });
    const before = await firstValueFrom(client.kv.put('a', 'before'));
    // Two of three members certainly have the key; wait for the third.
    const has = async ({ endpoint }: Member): Promise<boolean> =>
      (await firstValueFrom(client.kv.get('a', { serializable: true, endpoint })))?.value === 'before';
    await waitFor('all have it', async () => (await Promise.all(cluster.members.map(has))).every(Boolean));
    const parted = await partedFollower();
    const [other] = cluster.members.filter((member) => member !== parted);
    const { header } = await firstValueFrom(client.kv.put('a', 'after', { endpoint: other?.endpoint ?? '' }));
    expect(header.revision).toBe(before.header.revision + 1);
    const options = { serializable: true };
    const seen = async (more: object): Promise<Set<string | undefined>> => {
      const all = Array.from({ length: 12 }, () => firstValueFrom(client.kv.get('a', { ...options, ...more })));
      return new Set((await Promise.all(all)).map((kv) => kv?.value));
    };
    expect(await seen({})).toContain('before');
    expect(await seen({ monotonic: true })).toEqual(new Set(['after']));
    const there = client.kv.get('a', { ...options, monotonic: true, endpoint: parted.endpoint });
    expect(await rejection(firstValueFrom(there))).toMatchObject({ reason: 'StaleRead', endpoint: parted.endpoint });
  });
});
