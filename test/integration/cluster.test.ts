import { afterEach, describe, expect, test } from '@jest/globals';
import { hasReason, memberId } from 'rxetcd';
import type { EtcdServer } from '../support/etcd/index.js';
import { withCluster } from './support/fixture.js';
import { newSeat } from './support/join.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

// Otherwise a member has to be connected for five seconds before the cluster removes another one. There are two
// members, so that a third can be added and they keep their quorum until it runs.
const fixture = withCluster({ size: 2, args: ['--strict-reconfig-check=false'] });
const joined: EtcdServer[] = [];
const self = async () => {
  const { members } = await only(fixture.etcd.cluster.memberList());
  const found = members.find(({ name }) => name === fixture.server.name);
  if (found === undefined) throw new Error('a server is a member of its own cluster');
  return found;
};

afterEach(async () => {
  await Promise.all(joined.splice(0).map((server) => server.stop()));
});

describe('cluster', () => {
  test('memberList names each member with its URLs', async () => {
    const named = (options = {}) =>
      waitForValue(
        () => only(fixture.etcd.cluster.memberList(options)),
        // Each publishes its name and URLs soon after its start, and the other may receive them later.
        ({ members: all }) => all.every(({ clientUrls }) => clientUrls.length > 0),
      );
    const { members, header } = await named();
    const expected = fixture.members.map(({ name, peerUrl, endpoint }) => ({
      id: expect.stringMatching(/^\d+$/),
      name,
      peerUrls: [peerUrl],
      clientUrls: [endpoint],
      isLearner: false,
    }));
    expect(members).toHaveLength(2);
    expect(members).toEqual(expect.arrayContaining(expected));
    expect(members.map(({ id }) => id)).toContain(header.memberId);
    expect((await named({ linearizable: false })).members).toEqual(members);
  });

  test('memberList asks the leader if the server supports it (3.5), and sends nothing otherwise', async () => {
    const asked = fixture.etcd.cluster.memberList({ linearizable: true });
    if (fixture.has('3.5')) expect((await only(asked)).members).toHaveLength(2);
    else expect(await failureWith('UnsupportedServerVersion', asked)).toMatchObject({ required: '3.5', found: fixture.server.version });
  });

  test('memberUpdate changes the peer URLs of a member', async () => {
    const { id } = await self();
    const other = fixture.server.peerUrl?.replace('127.0.0.1', 'localhost') ?? '';
    const { members } = await only(fixture.etcd.cluster.memberUpdate(id, [other, 'http://127.0.0.2:1']));
    expect(members.find((member) => member.id === id)?.peerUrls).toEqual([other, 'http://127.0.0.2:1']);
    await only(fixture.etcd.cluster.memberUpdate(id, [fixture.server.peerUrl ?? '']));
    // The other member may apply the change later.
    await waitForValue(
      async () => (await self()).peerUrls.join(),
      (urls) => urls === fixture.server.peerUrl,
    );
  });

  test('memberAdd lets another server join, and memberRemove makes it leave', async () => {
    const { etcd } = fixture;
    const seat = await newSeat(etcd);
    const added = await only(etcd.cluster.memberAdd([seat.peerUrl]));
    expect(added.member).toEqual({
      id: expect.stringMatching(/^\d+$/),
      name: '',
      peerUrls: [seat.peerUrl],
      clientUrls: [],
      isLearner: false,
    });
    expect(added.members).toHaveLength(3);

    const server = await seat.start();
    joined.push(server);
    await only(etcd.kv.put('cluster/shared', 'by all'));
    expect((await only(fixture.client({ endpoints: server.endpoint }).kv.get('cluster/shared')))?.value).toBe('by all');

    const left = (await only(etcd.cluster.memberRemove(added.member.id))).members.map(({ name }) => name);
    expect(left.sort()).toEqual(fixture.members.map(({ name }) => name).sort());
    // Before 3.5 a member responds with its own list, which may be older than that of the other.
    await waitForValue(
      async () => (await only(etcd.cluster.memberList())).members.length,
      (count) => count === 2,
    );
  });

  test('memberPromote gives a learner its vote once it has caught up (3.4)', async () => {
    const { etcd } = fixture;
    const seat = await newSeat(etcd);
    const adding = etcd.cluster.memberAdd([seat.peerUrl], { isLearner: true });
    if (!fixture.has('3.4')) {
      // If it were sent anyway, 3.3 would have added a full member.
      expect(await failureWith('UnsupportedServerVersion', adding)).toMatchObject({
        required: '3.4',
        found: fixture.server.version,
        code: 'Unimplemented',
      });
      await failureWith('UnsupportedServerVersion', etcd.cluster.memberPromote((await self()).id));
      expect((await only(etcd.cluster.memberList())).members).toHaveLength(2);
      return;
    }
    const { member } = await only(adding);
    expect(member.isLearner).toBe(true);
    expect((await failureOf(etcd.cluster.memberPromote(member.id))).reason).toBe('LearnerNotReady');

    const server = await seat.start();
    joined.push(server);
    const learner = fixture.client({ endpoints: server.endpoint });
    expect((await only(learner.maintenance.status())).isLearner).toBe(true);
    await failureWith('NotSupportedForLearner', learner.kv.put('cluster/learner', 'x'));

    // The promotion is rejected until it has caught up, and is never an AmbiguousWrite.
    const promoted = await waitForValue(
      () => only(etcd.cluster.memberPromote(member.id)).catch((error: unknown) => error),
      (answer) => !hasReason(answer, 'LearnerNotReady'),
    );
    expect(promoted).toMatchObject({ members: expect.arrayContaining([expect.objectContaining({ id: member.id, isLearner: false })]) });
    // The member learns after the leader that it may vote.
    await waitForValue(
      () => only(learner.maintenance.status()),
      ({ isLearner }) => !isLearner,
    );
    await only(learner.kv.put('cluster/learner', 'may write now'));
    await failureWith('MemberNotLearner', etcd.cluster.memberPromote(member.id));
    await only(etcd.cluster.memberRemove(member.id));
  });

  test('maintenance.moveLeader makes another member the leader', async () => {
    const { maintenance, cluster } = fixture.etcd;
    const { leader } = await only(maintenance.status());
    const { members } = await only(cluster.memberList());
    const endpointOf = (id: string): string => members.find((member) => member.id === id)?.clientUrls[0] ?? '';
    const target = members.find(({ id }) => id !== leader);
    if (target === undefined) throw new Error('there is another member');
    const move = () => only(maintenance.moveLeader(target.id, { endpoint: endpointOf(leader) })).catch((error: unknown) => error);
    // The leader gives up after an election timeout, which a stall of the other member may use up; then the call is
    // repeated.
    const moved = await waitForValue(move, (answer) => !hasReason(answer, 'AmbiguousWrite', 'Unknown'));
    // A leader that receives the request again may have transferred the leadership since.
    if (!hasReason(moved, 'NotLeader')) expect(moved).toHaveProperty('header');
    await waitForValue(
      async () => (await only(maintenance.status({ endpoint: endpointOf(target.id) }))).leader,
      (now) => now === target.id,
    );
  });

  test('a member that does not exist can be neither removed nor updated', async () => {
    const { cluster } = fixture.etcd;
    const nobody = memberId(42);
    expect(await failureWith('MemberNotFound', cluster.memberRemove(nobody))).toMatchObject({
      code: 'NotFound',
      rpc: 'Cluster.MemberRemove',
    });
    await failureWith('MemberNotFound', cluster.memberUpdate(nobody, ['http://127.0.0.1:1']));
  });
});
