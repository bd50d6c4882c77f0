import { describe, expect, test } from '@jest/globals';
import { authRpcs } from '../../../src/codec/auth.js';
import { clusterRpcs } from '../../../src/codec/cluster.js';
import { electionRpcs, lockRpcs } from '../../../src/codec/concurrency.js';
import { kvRpcs } from '../../../src/codec/kv.js';
import { leaseRpcs } from '../../../src/codec/lease.js';
import { maintenanceRpcs } from '../../../src/codec/maintenance.js';
import { requestText } from '../../../src/codec/message.js';
import type { ResponseOf, Rpc } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import { leaseId } from '../../../src/model/ids.js';
import { createStore, type StoreOptions } from '../../../src/testing/store/index.js';
import { failure } from '../transport/support.js';

/** A store with a clock that the test moves. */
function setUp(options: Partial<StoreOptions> = {}) {
  const clock = { now: 0 };
  const store = createStore({ now: () => clock.now, ...options });
  const call = <In, A>(rpc: Rpc<In, A>, request: In): A => store.call(rpc, requestText(rpc, request));
  /** Opens a call, sends its request, and records what it responds. */
  const open = <In, A>(rpc: Rpc<In, A>, request: In) => {
    const answers: A[] = [];
    const ends: unknown[] = [];
    const opened = store.open(
      rpc,
      {},
      { next: (answer) => void answers.push(answer), error: (error) => void ends.push(error), complete: () => void ends.push('complete') },
    );
    opened.send(requestText(rpc, request));
    return { answers, ends, send: (next: In) => opened.send(requestText(rpc, next)), cancel: () => opened.cancel() };
  };
  return { clock, store, call, open };
}

const keysOf = ({ kvs }: ResponseOf<typeof kvRpcs.range>): readonly string[] => kvs.map(({ key }) => key);

describe('leases of the store', () => {
  test('expire by the clock of the store, and delete their keys', () => {
    const { clock, store, call } = setUp();
    call(leaseRpcs.grant, { id: leaseId(7), ttl: 10 });
    call(kvRpcs.put, { key: 'a', value: '1', lease: leaseId(7) });
    expect(store.nextExpiry()).toBe(10_000);
    clock.now = 9_000;
    store.expire();
    expect(call(leaseRpcs.timeToLive, { id: leaseId(7) })).toMatchObject({ ttl: 1, grantedTtl: 10 });
    clock.now = 10_000;
    expect(call(leaseRpcs.timeToLive, { id: leaseId(7) })).toMatchObject({ ttl: -1 });
    store.expire();
    expect(call(kvRpcs.get, { key: 'a' })).toBeUndefined();
    expect(store.nextExpiry()).toBeUndefined();
  });

  test('have their whole TTL again after a refresh and after a change of the leader', () => {
    const { clock, store, call, open } = setUp();
    call(leaseRpcs.grant, { id: leaseId(7), ttl: 10 });
    clock.now = 4_000;
    expect(open(leaseRpcs.keepAlive, { id: leaseId(7) }).answers).toMatchObject([{ ttl: 10 }]);
    clock.now = 10_000;
    store.expire();
    expect(store.nextExpiry()).toBe(14_000);
    clock.now = 12_000;
    store.changeLeader();
    clock.now = 14_000;
    store.expire();
    expect(store.nextExpiry()).toBe(22_000);
  });
});

test('leases of the store have their whole TTL again after another member was made the leader by a call', () => {
  const { clock, store, call } = setUp({ members: 3 });
  call(leaseRpcs.grant, { id: leaseId(7), ttl: 10 });
  clock.now = 4_000;
  const targetId = call(clusterRpcs.memberList, {}).members[1]?.id;
  call(maintenanceRpcs.moveLeader, { targetId });
  expect(call(maintenanceRpcs.status, {}).leader).toBe(targetId);
  clock.now = 10_000;
  store.expire();
  expect(store.nextExpiry()).toBe(14_000);
});

describe('locks of the store', () => {
  test('are acquired by the waiters in order', () => {
    const { store, open, call } = setUp();
    const first = open(lockRpcs.lock, { name: 'jobs' });
    const second = open(lockRpcs.lock, { name: 'jobs' });
    const third = open(lockRpcs.lock, { name: 'jobs' });
    expect([first.ends, second.ends, third.ends]).toEqual([['complete'], [], []]);
    second.cancel();
    call(lockRpcs.unlock, { key: first.answers[0]!.key });
    expect([second.answers.length, third.answers.length, third.ends]).toEqual([0, 1, ['complete']]);
    expect(keysOf(call(kvRpcs.range, { key: 'jobs/', rangeEnd: 'jobs0' }))).toHaveLength(1);
    expect(store.revision).toBe(6);
  });

  test('require a lease that exists', () => {
    expect(setUp().open(lockRpcs.lock, { name: 'jobs', lease: leaseId(7) }).ends).toMatchObject([{ reason: 'LeaseNotFound' }]);
  });

  test('fail a waiting request whose lease has ended', () => {
    const { open, call } = setUp();
    const first = open(lockRpcs.lock, { name: 'jobs' });
    call(leaseRpcs.grant, { id: leaseId(7), ttl: 10 });
    const second = open(lockRpcs.lock, { name: 'jobs', lease: leaseId(7) });
    call(leaseRpcs.revoke, { id: leaseId(7) });
    call(lockRpcs.unlock, { key: first.answers[0]!.key });
    expect(second.ends).toMatchObject([{ message: expect.stringContaining('session is expired') }]);
  });
});

test('elections have one leader at a time, which others can observe', () => {
  const { open, call } = setUp();
  expect(() => call(electionRpcs.leader, { name: 'e' })).toThrow('election: no leader');
  const observed = open(electionRpcs.observe, { name: 'e' });
  const first = open(electionRpcs.campaign, { name: 'e', value: 'one' });
  const second = open(electionRpcs.campaign, { name: 'e', value: 'two' });
  const { leader } = first.answers[0]!;
  call(electionRpcs.proclaim, { leader, value: 'uno' });
  call(electionRpcs.resign, { leader });
  expect(() => call(electionRpcs.proclaim, { leader, value: 'one' })).toThrow('election: not leader');
  expect(second.ends).toEqual(['complete']);
  expect(observed.answers.map(({ kv }) => kv?.value)).toEqual(['one', 'uno', 'two']);
});

test('a second campaign with the same lease changes the value, and keeps its revision', () => {
  const { open, call } = setUp();
  call(leaseRpcs.grant, { id: leaseId(7), ttl: 10 });
  for (const value of ['one', 'two']) {
    const [answer] = open(electionRpcs.campaign, { name: 'e', value, lease: leaseId(7) }).answers;
    expect(answer).toMatchObject({ header: { revision: 2 }, leader: { rev: 2 } });
  }
  expect(call(electionRpcs.leader, { name: 'e' })).toMatchObject({ header: { revision: 3 }, kv: { value: 'two' } });
});

test('a database over its quota rejects puts until the alarm is disarmed', () => {
  const { store, call } = setUp({ quotaBytes: 100_000 });
  const put = () => call(kvRpcs.put, { key: 'a', value: 'x'.repeat(50_000) });
  put();
  expect(put).toThrow('mvcc: database space exceeded');
  const { alarms } = call(maintenanceRpcs.alarm, {});
  expect(alarms).toEqual([{ memberId: store.members[0]!.id, alarm: 'NOSPACE' }]);
  expect(store.get('/health')).toMatchObject({ status: 503 });
  call(kvRpcs.deleteRange, { key: 'a' });
  call(kvRpcs.compact, { revision: store.revision });
  call(maintenanceRpcs.defragment, {});
  expect(put).toThrow('mvcc: database space exceeded');
  call(maintenanceRpcs.alarm, { ...alarms[0]!, action: 'DEACTIVATE' });
  expect(put().header.revision).toBe(4);
});

test('a long response to a watch is split into fragments on request', () => {
  const { call, open } = setUp();
  for (const key of ['a', 'b', 'c']) call(kvRpcs.put, { key, value: 'x'.repeat(800_000) });
  const createRequest = { key: 'a', rangeEnd: 'd', startRevision: 2 };
  const fragments = (fragment: boolean) =>
    open(watchRpcs.watch, { createRequest: { ...createRequest, fragment } }).answers.map((response) => [
      response.events.length,
      response.fragment,
    ]);
  expect(fragments(false)).toEqual([
    [0, false],
    [3, false],
  ]);
  expect(fragments(true)).toEqual([
    [0, false],
    [1, true],
    [1, true],
    [1, false],
  ]);
});

test('watches without events get progress notifications', () => {
  const { call, open, store } = setUp();
  const quiet = open(watchRpcs.watch, { createRequest: { key: 'a', progressNotify: true } });
  const busy = open(watchRpcs.watch, { createRequest: { key: 'b', progressNotify: true } });
  call(kvRpcs.put, { key: 'b', value: '1' });
  store.notifyProgress();
  const shown = ({ answers }: typeof quiet) => answers.map(({ header, events }) => [header.revision, events.length]);
  expect([shown(quiet), shown(busy)]).toEqual([
    [
      [1, 0],
      [2, 0],
    ],
    [
      [1, 0],
      [2, 1],
    ],
  ]);
});

test.each([
  ['3.3', 1],
  ['3.4', 1],
  ['3.5', 0],
])('etcd %s responds to a progress request without a watch %d times', (version, answers) => {
  expect(setUp({ version }).open(watchRpcs.watch, { progressRequest: {} }).answers).toHaveLength(answers);
});

test('a wipe begins an empty store of another cluster, and cancels requests in progress', () => {
  const { call, open, store } = setUp();
  const { clusterId } = store;
  const watched = open(watchRpcs.watch, { createRequest: { key: 'a' } });
  call(kvRpcs.put, { key: 'a', value: '1' });
  store.restart({ wipe: true });
  call(kvRpcs.put, { key: 'a', value: '2' });
  expect(watched.answers).toHaveLength(2);
  expect(store.clusterId).not.toBe(clusterId);
  expect(store.revision).toBe(2);
});

test('a response without a codec is encoded as the gateway does', () => {
  const { call, store } = setUp();
  call(kvRpcs.put, { key: 'a', value: '' });
  const json: Rpc<never, unknown> = {
    ...kvRpcs.range,
    request: { kind: undefined, write: () => '' },
    response: { read: (answer) => answer, explain: () => [] },
  };
  expect(store.call(json, '{"key":"YQ=="}')).toEqual({
    header: { cluster_id: store.clusterId, member_id: store.members[0]!.id, revision: '2', raft_term: '2' },
    kvs: [{ key: 'YQ==', create_revision: '2', mod_revision: '2', version: '1' }],
    count: '1',
  });
});

test('the metrics count the open watches', () => {
  const { open, store } = setUp();
  const counted = () => /^etcd_debugging_mvcc_watcher_total (\d+)$/m.exec(store.get('/metrics').body)?.[1];
  const watched = open(watchRpcs.watch, { createRequest: { key: 'a' } });
  watched.send({ createRequest: { key: 'b' } });
  expect(counted()).toBe('2');
  watched.cancel();
  expect(counted()).toBe('0');
});

describe('the settings of a server', () => {
  test('limit the operations of a txn, and the bytes of a request', () => {
    const { call } = setUp({ maxTxnOps: 2, maxRequestBytes: 100 });
    const puts = (count: number) => Array.from({ length: count }, (_, index) => ({ requestPut: { key: `k${index}`, value: '' } }));
    expect(call(kvRpcs.txn, { success: puts(2) }).responses).toHaveLength(2);
    expect(failure(() => call(kvRpcs.txn, { success: puts(3) }))).toMatchObject({ reason: 'TooManyOps' });
    expect(failure(() => call(kvRpcs.put, { key: 'a', value: 'x'.repeat(100) }))).toMatchObject({ reason: 'RequestTooLarge' });
  });

  test('invalidate JWT tokens once users or roles have changed', () => {
    const { store, call } = setUp({ jwt: true });
    call(authRpcs.userAdd, { name: 'root', password: 'r' });
    call(authRpcs.roleAdd, { name: 'root' });
    call(authRpcs.userGrantRole, { user: 'root', role: 'root' });
    call(authRpcs.enable, {});
    const { token } = call(authRpcs.authenticate, { name: 'root', password: 'r' });
    const get = () => store.call(kvRpcs.get, requestText(kvRpcs.get, { key: 'a' }), { token });
    expect(get()).toBeUndefined();
    store.call(authRpcs.roleAdd, requestText(authRpcs.roleAdd, { name: 'another' }), { token });
    expect(failure(get)).toMatchObject({ reason: 'AuthOldRevision', code: 'InvalidArgument' });
  });

  test('reject writes, and no reads, while the alarm CORRUPT is raised', () => {
    const { call } = setUp();
    call(maintenanceRpcs.alarm, { action: 'ACTIVATE', alarm: 'CORRUPT' });
    for (const refused of [
      () => call(kvRpcs.put, { key: 'a', value: '' }),
      () => call(kvRpcs.deleteRange, { key: 'a' }),
      () => call(kvRpcs.txn, { success: [{ requestTxn: { success: [{ requestRange: { key: 'a' } }] } }] }),
      () => call(lockRpcs.unlock, { key: 'a' }),
    ])
      expect(failure(refused)).toMatchObject({ reason: 'Corrupt', code: 'DataLoss' });
    expect(call(kvRpcs.range, { key: 'a' }).count).toBe(0);
    expect(call(kvRpcs.txn, { success: [{ requestRange: { key: 'a' } }] }).succeeded).toBe(true);
    call(maintenanceRpcs.alarm, { action: 'DEACTIVATE', alarm: 'CORRUPT' });
    expect(call(kvRpcs.put, { key: 'a', value: '' }).header.revision).toBe(2);
  });
});

describe('a response of the store', () => {
  /** Lists all objects in a value. */
  const objectsIn = (value: unknown): readonly object[] =>
    typeof value === 'object' && value !== null ? [value, ...Object.values(value).flatMap(objectsIn)] : [];

  test('shares no object with another one, or with the store', () => {
    const { call, open } = setUp();
    const seen = new Map<object, string>();
    const take = (name: string, answers: readonly unknown[]): void => {
      for (const [index, answer] of answers.entries()) {
        for (const object of objectsIn(answer)) {
          expect([`${name} ${index}`, seen.get(object)]).toEqual([`${name} ${index}`, undefined]);
          seen.set(object, `${name} ${index}`);
        }
      }
    };
    const watches = [1, 2].map(() => open(watchRpcs.watch, { createRequest: { key: '\0', rangeEnd: '\0', prevKv: true } }));
    call(leaseRpcs.grant, { id: leaseId(7), ttl: 60 });
    const campaign = open(electionRpcs.campaign, { name: 'e', lease: leaseId(7), value: 'me' });
    const observers = [1, 2].map(() => open(electionRpcs.observe, { name: 'e' }));
    call(authRpcs.roleAdd, { name: 'reader' });
    call(authRpcs.roleGrantPermission, { name: 'reader', perm: { permType: 'READ', key: 'a', rangeEnd: 'b' } });
    for (const value of ['1', '2', '3']) take('put', [call(kvRpcs.put, { key: 'a', value, prevKv: true })]);
    const range = { key: '\0', rangeEnd: '\0' };
    const txn = { compare: [], success: [{ requestRange: range }, { requestPut: { key: 'a', value: '4', prevKv: true } }], failure: [] };
    for (const _ of [1, 2]) {
      take('range', [call(kvRpcs.range, range)]);
      take('get', [call(kvRpcs.get, { key: 'a' })]);
      take('txn', [call(kvRpcs.txn, txn)]);
      take('leader', [call(electionRpcs.leader, { name: 'e' })]);
      take('role', [call(authRpcs.roleGet, { role: 'reader' })]);
      take('members', [call(clusterRpcs.memberList, {})]);
      take('keys of a lease', [call(leaseRpcs.timeToLive, { id: leaseId(7), keys: true })]);
    }
    call(maintenanceRpcs.alarm, { action: 'ACTIVATE', alarm: 'NOSPACE' });
    for (const _ of [1, 2]) take('alarms', [call(maintenanceRpcs.alarm, { action: 'GET' })]);
    take('delete', [call(kvRpcs.deleteRange, { key: 'a', prevKv: true })]);
    for (const { answers } of [...watches, ...observers, campaign]) take('stream', answers);
    expect(seen.size).toBeGreaterThan(100);
  });
});
