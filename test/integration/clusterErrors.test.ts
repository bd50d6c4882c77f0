import { describe, expect, test } from '@jest/globals';
import { hasReason, memberId, type Client, type EtcdError, type MemberId } from 'rxetcd';
import { TIMES } from '../support/cluster/start.js';
import type { EtcdServer } from '../support/etcd/index.js';
import { withCluster, withEtcd } from './support/fixture.js';
import { newSeat } from './support/join.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

/** Requests without a quorum wait for five seconds and two elections: short ones, that no busy machine brings about. */
const fixture = withCluster({ args: TIMES });
const lonely = withEtcd({ own: true });

const NOBODY = memberId(0);
/** The leader, and whoever else still runs. */
const survivors: EtcdServer[] = [];

/** An error of a server, out of the one that says that a write's end is unknown. */
const told = (error: EtcdError): EtcdError => (hasReason(error, 'AmbiguousWrite') ? error.cause : error);

const clientOf = ({ endpoint }: EtcdServer): Client => fixture.client({ endpoints: endpoint });

/** The members by the part that they play, once there is a leader. */
async function roles(): Promise<{ leader: EtcdServer; followers: EtcdServer[]; leaderId: MemberId; followerIds: MemberId[] }> {
  const status = await waitForValue(
    () => Promise.all(fixture.members.map(({ endpoint }) => only(fixture.etcd.maintenance.status({ endpoint })))),
    (all) => all.some(({ leader, header }) => leader === header.memberId),
  );
  const leads = status.map(({ leader, header }) => leader === header.memberId);
  const leader = fixture.members[leads.indexOf(true)];
  if (leader === undefined) throw new Error('nobody leads');
  const idOf = (wanted: boolean) => status.filter((_, index) => leads[index] === wanted).map(({ header }) => header.memberId);
  return {
    leader,
    followers: fixture.members.filter((_, index) => leads[index] === false),
    leaderId: idOf(true)[0] ?? memberId(0),
    followerIds: idOf(false),
  };
}

/** The tests of this file are one story, told in order: the cluster is whole, loses a member, then its quorum. */
describe('a cluster that is whole', () => {
  test('NotLeader: only the leader can hand its part over', async () => {
    const { followers, leaderId, followerIds } = await roles();
    const [follower] = followers;
    const moving = fixture.etcd.maintenance.moveLeader(followerIds.find((id) => id !== leaderId) ?? leaderId, {
      endpoint: follower?.endpoint ?? '',
    });
    expect(await failureWith('NotLeader', moving)).toMatchObject({
      code: 'FailedPrecondition',
      rpc: 'Maintenance.MoveLeader',
      endpoint: follower?.endpoint,
    });
  });

  test('BadLeaderTransferee: not to one who is no member (3.4)', async () => {
    const { leader } = await roles();
    const moving = fixture.etcd.maintenance.moveLeader(memberId(42), { endpoint: leader.endpoint, timeoutMs: 500 });
    // 3.3 tries, for as long as a request may take.
    if (fixture.has('3.4')) expect(await failureWith('BadLeaderTransferee', moving)).toMatchObject({ code: 'FailedPrecondition' });
    else expect((await failureWith('AmbiguousWrite', moving)).cause.reason).toBe('DeadlineExceeded');
  });
});

describe('a server alone', () => {
  test('PeerURLExist: two members cannot be at one address', async () => {
    const url = lonely.server.peerUrl ?? '';
    expect(await failureWith('PeerURLExist', lonely.etcd.cluster.memberAdd([url]))).toMatchObject({ code: 'FailedPrecondition' });
  });

  test('LearnerNotReady, TooManyLearners, MemberNotLearner and NotSupportedForLearner (3.4)', async () => {
    const { cluster, maintenance } = lonely.etcd;
    const { leader } = await only(maintenance.status());
    if (!lonely.has('3.4')) {
      await failureWith('UnsupportedServerVersion', cluster.memberPromote(leader));
      return;
    }
    expect(await failureWith('MemberNotLearner', cluster.memberPromote(leader))).toMatchObject({ code: 'FailedPrecondition' });
    const seat = await newSeat(lonely.etcd);
    const { id } = (await only(cluster.memberAdd([seat.peerUrl], { isLearner: true }))).member;
    expect(await failureWith('LearnerNotReady', cluster.memberPromote(id))).toMatchObject({ code: 'FailedPrecondition' });
    expect(await failureWith('TooManyLearners', cluster.memberAdd(['http://127.0.0.1:1'], { isLearner: true }))).toMatchObject({
      code: 'FailedPrecondition',
    });
    const learner = await seat.start();
    try {
      const { kv } = lonely.client({ endpoints: learner.endpoint });
      expect(await failureWith('NotSupportedForLearner', kv.put('a', 'x'))).toMatchObject({ code: 'FailedPrecondition' });
      expect(await failureWith('NotSupportedForLearner', kv.get('a'))).toMatchObject({ rpc: 'KV.Range' });
    } finally {
      await learner.stop();
    }
    await only(cluster.memberRemove(id));
  });

  test('MemberNotEnoughStarted: while a member that was added has not started, it takes no other', async () => {
    const { cluster } = lonely.etcd;
    await only(cluster.memberAdd(['http://127.0.0.1:1']));
    expect(await failureWith('MemberNotEnoughStarted', cluster.memberAdd(['http://127.0.0.1:3']))).toMatchObject({
      code: 'FailedPrecondition',
    });
  });
});

describe('a cluster that loses its members', () => {
  test('LeaderChanged: a read that waited for the leader of before', async () => {
    const { leader, followers } = await roles();
    const { call, maintenance, kv } = clientOf(leader);
    await only(kv.put('a', 'x'));
    await Promise.all(followers.map((follower) => follower.pause()));
    // As a write: a read would be tried again, and succeed.
    const reading = failureWith('AmbiguousWrite', call('/kv/range', { key: 'YQ==' }, { timeoutMs: 9_000 }));
    await waitForValue(
      () => only(maintenance.status()),
      (status) => status.leader === NOBODY,
    );
    await Promise.all(followers.map((follower) => follower.resume()));
    expect((await reading).cause).toMatchObject({ reason: 'LeaderChanged', code: 'Unavailable' });
    await roles();
  });

  test('Unhealthy: with a member down it takes no other', async () => {
    const { leader, followers } = await roles();
    await followers[0]?.kill();
    expect(told(await failureOf(clientOf(leader).cluster.memberAdd(['http://127.0.0.1:1'])))).toMatchObject({
      reason: 'Unhealthy',
      code: 'Unavailable',
    });
    await only(clientOf(leader).kv.put('a', 'still written'));
    survivors.push(leader, ...followers.slice(1));
  });

  test('Timeout and NoLeader: with two of three down nothing is agreed upon, but what a member knows it still tells', async () => {
    const [survivor, last] = survivors;
    if (survivor === undefined || last === undefined) throw new Error('two members still run');
    const { kv, maintenance } = clientOf(survivor);
    await only(kv.get('a'));
    await last.kill();
    const writing = failureWith('AmbiguousWrite', kv.put('a', 'lost', { timeoutMs: 20_000 }));
    await waitForValue(
      () => only(maintenance.status()),
      ({ leader }) => leader === NOBODY,
    );

    const insisting = fixture.client({ endpoints: survivor.endpoint, headers: { 'grpc-metadata-hasleader': 'true' } });
    expect((await failureWith('AmbiguousWrite', insisting.kv.put('a', 'lost'))).cause).toMatchObject({
      reason: 'NoLeader',
      code: 'Unavailable',
    });
    expect((await failureWith('AmbiguousWrite', kv.put('a', 'lost', { requireLeader: true }))).cause).toMatchObject({ reason: 'NoLeader' });
    await failureWith('NoLeader', kv.get('a', { serializable: true, requireLeader: true }));
    expect((await only(kv.get('a', { serializable: true })))?.value).toBe('still written');
    expect((await only(kv.pages({ all: true }, { serializable: true }))).count).toBe(1);
    expect(await failureWith('DeadlineExceeded', kv.get('a', { timeoutMs: 300 }))).toMatchObject({ code: 'DeadlineExceeded' });
    expect((await writing).cause).toMatchObject({ reason: 'Timeout', code: 'Unavailable', rpc: 'KV.Put' });
  });
});
