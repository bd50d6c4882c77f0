import { describe, expect, test } from '@jest/globals';
import { hasReason, memberId, type Client, type Diagnostic, type EtcdError, type MemberId } from 'rxetcd';
import { catchError, EMPTY, endWith, filter, firstValueFrom, ignoreElements, merge, repeat, retry, takeUntil, type Observable } from 'rxjs';
import { TIMES } from '../support/cluster/start.js';
import type { EtcdServer } from '../support/etcd/index.js';
import { withCluster, withEtcd } from './support/fixture.js';
import { newSeat } from './support/join.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

/**
 * Requests without a quorum wait for five seconds and two election timeouts, so these are short, but long enough that a
 * busy machine causes no election.
 */
const fixture = withCluster({ args: TIMES });
const single = withEtcd({ own: true });

const NO_MEMBER = memberId(0);
/** The leader, and the other running members. */
const survivors: EtcdServer[] = [];

/** Returns the error of a server, without the error for the unknown outcome of a write. */
const causeOf = (error: EtcdError): EtcdError => (hasReason(error, 'AmbiguousWrite') ? error.cause : error);

const clientOf = ({ endpoint }: EtcdServer): Client => fixture.client({ endpoints: endpoint });

/** Returns the members by their role, once there is a leader. */
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

/** The tests of this file depend on their order: the cluster is whole, loses a member, then its quorum. */
describe('a healthy cluster', () => {
  test('NotLeader: only the leader can transfer its leadership', async () => {
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

  test('BadLeaderTransferee: the leadership cannot move to a server that is not a member (3.4)', async () => {
    const { leader } = await roles();
    const moving = fixture.etcd.maintenance.moveLeader(memberId(42), { endpoint: leader.endpoint, timeoutMs: 500 });
    // 3.3 retries for as long as a request may take.
    if (fixture.has('3.4')) expect(await failureWith('BadLeaderTransferee', moving)).toMatchObject({ code: 'FailedPrecondition' });
    else expect((await failureWith('AmbiguousWrite', moving)).cause.reason).toBe('DeadlineExceeded');
  });
});

describe('a leader during a transfer of its leadership', () => {
  /** Runs `during` with a follower paused, and with a call that hands the leadership to it. The call emits `null` once it is over. */
  async function whilePaused<T>(during: (etcd: Client, handOver: Observable<null>) => Promise<T>): Promise<T> {
    const { leader, followers, followerIds } = await roles();
    const etcd = clientOf(leader);
    await only(etcd.kv.put('a', '0'));
    await followers[0]?.pause();
    try {
      const move = etcd.maintenance.moveLeader(followerIds[0] ?? NO_MEMBER, { endpoint: leader.endpoint });
      return await during(
        etcd,
        move.pipe(
          ignoreElements(),
          catchError(() => EMPTY),
          endWith(null),
        ),
      );
    } finally {
      await followers[0]?.resume();
    }
  }

  // The leader gives up after an election timeout, which a stall of the machine may use up before a write arrives; then
  // it is repeated.
  test('ProposalDropped: a write to it is rejected, and retried until there is a leader again (3.4)', async () => {
    if (!fixture.has('3.4')) {
      const failure = await waitForValue(
        () => whilePaused(lostWrite),
        (seen) => seen !== null,
      );
      expect(failure).toMatchObject({ reason: 'AmbiguousWrite', cause: { reason: 'Timeout' } });
    } else {
      const refusal = await waitForValue(
        () => whilePaused(refusedWrite),
        (seen) => seen !== null,
      );
      expect(refusal).toMatchObject({ rpc: 'KV.Put', action: 'retry', error: { code: 'Unavailable' } });
    }
    await roles();
  });

  async function refusedWrite(etcd: Client, handOver: Observable<null>): Promise<Diagnostic | null> {
    const refusals = etcd.diagnostics$.pipe(filter((event) => event.type === 'attemptFailed' && event.error.reason === 'ProposalDropped'));
    const refusal = firstValueFrom(merge(refusals, handOver));
    etcd.kv.put('a', '1').pipe(retry(), repeat(), takeUntil(refusal)).subscribe();
    const seen = await refusal;
    if (seen !== null) await only(etcd.kv.put('a', '2'));
    return seen;
  }

  /** 3.3 drops the write, too, but does not detect it. */
  function lostWrite(etcd: Client, handOver: Observable<null>): Promise<unknown> {
    let isOver = false;
    handOver.subscribe(() => (isOver = true));
    const writes = etcd.kv.put('a', '1').pipe(
      repeat({ delay: () => (isOver ? EMPTY : [0]) }),
      ignoreElements(),
      catchError((error: unknown) => [error]),
    );
    return firstValueFrom(writes, { defaultValue: null });
  }
});

describe('a server alone', () => {
  test('PeerURLExist: two members cannot have the same address', async () => {
    const url = single.server.peerUrl ?? '';
    expect(await failureWith('PeerURLExist', single.etcd.cluster.memberAdd([url]))).toMatchObject({ code: 'FailedPrecondition' });
  });

  test('LearnerNotReady, TooManyLearners, MemberNotLearner and NotSupportedForLearner (3.4)', async () => {
    const { cluster, maintenance } = single.etcd;
    const { leader } = await only(maintenance.status());
    if (!single.has('3.4')) {
      await failureWith('UnsupportedServerVersion', cluster.memberPromote(leader));
      return;
    }
    expect(await failureWith('MemberNotLearner', cluster.memberPromote(leader))).toMatchObject({ code: 'FailedPrecondition' });
    const seat = await newSeat(single.etcd);
    const { id } = (await only(cluster.memberAdd([seat.peerUrl], { isLearner: true }))).member;
    expect(await failureWith('LearnerNotReady', cluster.memberPromote(id))).toMatchObject({ code: 'FailedPrecondition' });
    expect(await failureWith('TooManyLearners', cluster.memberAdd(['http://127.0.0.1:1'], { isLearner: true }))).toMatchObject({
      code: 'FailedPrecondition',
    });
    const learner = await seat.start();
    try {
      const { kv } = single.client({ endpoints: learner.endpoint });
      expect(await failureWith('NotSupportedForLearner', kv.put('a', 'x'))).toMatchObject({ code: 'FailedPrecondition' });
      expect(await failureWith('NotSupportedForLearner', kv.get('a'))).toMatchObject({ rpc: 'KV.Range' });
    } finally {
      await learner.stop();
    }
    await only(cluster.memberRemove(id));
  });

  test('MemberNotEnoughStarted: no member is added while another has not started', async () => {
    const { cluster } = single.etcd;
    await only(cluster.memberAdd(['http://127.0.0.1:1']));
    expect(await failureWith('MemberNotEnoughStarted', cluster.memberAdd(['http://127.0.0.1:3']))).toMatchObject({
      code: 'FailedPrecondition',
    });
  });
});

describe('a cluster that loses its members', () => {
  test('LeaderChanged: a read that waited for the previous leader', async () => {
    const { leader, followers } = await roles();
    const { call, maintenance, kv } = clientOf(leader);
    await only(kv.put('a', 'x'));
    await Promise.all(followers.map((follower) => follower.pause()));
    // Called as a write: a read would be retried, and succeed.
    const reading = failureWith('AmbiguousWrite', call('/kv/range', { key: 'YQ==' }, { timeoutMs: 9_000 }));
    try {
      await waitForValue(
        () => only(maintenance.status()),
        (status) => status.leader === NO_MEMBER,
      );
    } finally {
      await Promise.all(followers.map((follower) => follower.resume()));
    }
    expect((await reading).cause).toMatchObject({ reason: 'LeaderChanged', code: 'Unavailable' });
    await roles();
  });

  test('Unhealthy: no member is added while another is down', async () => {
    const { leader, followers } = await roles();
    await followers[0]?.kill();
    if (fixture.has('3.4')) {
      await waitForValue(
        () => only(clientOf(leader).metrics()),
        (families) =>
          families.some(({ name, samples }) => name === 'etcd_network_active_peers' && samples.some(({ value }) => value === 0)),
      );
    }
    expect(causeOf(await failureOf(clientOf(leader).cluster.memberAdd(['http://127.0.0.1:1'])))).toMatchObject({
      reason: 'Unhealthy',
      code: 'Unavailable',
    });
    await only(clientOf(leader).kv.put('a', 'still written'));
    survivors.push(leader, ...followers.slice(1));
  });

  test('Timeout and NoLeader: with two of three members down writes fail, and serializable reads succeed', async () => {
    const [survivor, last] = survivors;
    if (survivor === undefined || last === undefined) throw new Error('two members still run');
    const { kv, maintenance } = clientOf(survivor);
    await only(kv.get('a'));
    await last.kill();
    const writing = failureWith('AmbiguousWrite', kv.put('a', 'lost', { timeoutMs: 20_000 }));
    await waitForValue(
      () => only(maintenance.status()),
      ({ leader }) => leader === NO_MEMBER,
    );

    const requiringLeader = fixture.client({ endpoints: survivor.endpoint, headers: { 'grpc-metadata-hasleader': 'true' } });
    expect((await failureWith('AmbiguousWrite', requiringLeader.kv.put('a', 'lost'))).cause).toMatchObject({
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
