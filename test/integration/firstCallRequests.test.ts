import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { leaseId, memberId, put, type Client } from 'rxetcd';
import type { Observable } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { all, failureWith, only } from './support/outcomes.js';
import { startProxy, UNHEDGED, type CountingProxy } from './support/proxy.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });
let proxy: CountingProxy;
let etcd: Client;

beforeAll(async () => {
  proxy = await startProxy(fixture.server.endpoint);
  etcd = fixture.client({ endpoints: proxy.endpoint, ...UNHEDGED });
});
afterAll(() => proxy.stop());

/** The paths of the calls that passed since then, without the prefix of the version. */
const since = (before: number): string[] => proxy.calls.slice(before).map(({ path }) => path.replace(/^\/v3\w*/, ''));

describe('a call is cold', () => {
  test('sends nothing when it is created; each subscription is one call', async () => {
    const before = proxy.calls.length;
    const [putting, ranging, txn, grant] = [
      etcd.kv.put('cold/a', 'x'),
      etcd.kv.range('cold/a'),
      etcd.kv.txn({ success: [put('cold/b', '')] }),
      etcd.lease.grant(60),
    ];
    void etcd.maintenance.snapshot();
    void etcd.kv.pages({ all: true });
    void etcd.auth.userList();
    void etcd.cluster.memberList();
    void etcd.lockService.lock('cold');
    void etcd.electionService.observe('cold');
    void etcd.version();
    // Makes a call whose response arrives after all that was sent before, so that those calls are counted.
    await only(etcd.call('/kv/range', { key: 'YQ==' }, { safety: 'read' }));
    expect(since(before)).toEqual(['/kv/range']);

    await only(putting);
    await only(putting);
    await only(ranging);
    await only(txn);
    await only(grant);
    expect(since(before).slice(1)).toEqual(['/kv/put', '/kv/put', '/kv/range', '/kv/txn', '/lease/grant']);
    expect((await only(ranging)).kvs[0]?.version).toBe(2);
  });

  test('two subscriptions at once are two calls', async () => {
    const before = proxy.calls.length;
    const putting = etcd.kv.put('cold/twice', 'x');
    await Promise.all([only(putting), only(putting)]);
    expect(since(before)).toEqual(['/kv/put', '/kv/put']);
    expect((await only(etcd.kv.get('cold/twice')))?.version).toBe(2);
  });

  test('that is unsubscribed synchronously is never sent', async () => {
    const before = proxy.calls.length;
    etcd.kv.put('cold/never', 'x').subscribe().unsubscribe();
    await only(etcd.kv.get('cold/never'));
    expect(since(before)).toEqual(['/kv/range']);
  });

  test('with an aborted signal sends nothing', async () => {
    const before = proxy.calls.length;
    await failureWith('Aborted', etcd.kv.put('cold/aborted', 'x', { signal: AbortSignal.abort() }));
    expect(since(before)).toEqual([]);
  });
});

describe('a request that the server does not support is not sent', () => {
  const rows: readonly [what: string, required: string, call: () => Observable<unknown>][] = [
    [
      'MemberAddRequest.isLearner',
      '3.4',
      () => etcd.cluster.memberAdd(['not a URL, lest it be added where it can be'], { isLearner: true }),
    ],
    ['Cluster.MemberPromote', '3.4', () => etcd.cluster.memberPromote(memberId(1))],
    ['UserAddRequest.options', '3.4', () => etcd.auth.userAdd('u', { noPassword: true })],
    ['MemberListRequest.linearizable', '3.5', () => etcd.cluster.memberList({ linearizable: true })],
    ['UserAddRequest.hashedPassword', '3.5', () => etcd.auth.userAdd('u', { hashedPassword: 'eA==' })],
    ['UserChangePasswordRequest.hashedPassword', '3.5', () => etcd.auth.userChangePassword('u', { hashedPassword: 'eA==' })],
    ['Auth.AuthStatus', '3.5', () => etcd.auth.status()],
    ['Maintenance.HashKV', '3.5', () => etcd.maintenance.hashKv()],
    ['Maintenance.Downgrade', '3.5', () => etcd.maintenance.downgrade('VALIDATE', '3.4.0')],
  ];

  test.each(rows)('%s needs etcd %s', async (what, required, call) => {
    const before = proxy.calls.length;
    if (fixture.has(required)) {
      // The call is sent to that path; its effect is tested with the RPC itself.
      const subscription = call().subscribe({ error: () => undefined });
      await waitForValue(
        () => since(before).length,
        (count) => count === 1,
      );
      subscription.unsubscribe();
      return;
    }
    const error = await failureWith('UnsupportedServerVersion', call());
    expect(error).toMatchObject({ required, found: fixture.server.version, code: 'Unimplemented' });
    expect(error.message).toContain(`${what} needs etcd ${required} or newer; this server is ${fixture.server.version}`);
    await only(etcd.kv.get('cold/a'));
    expect(since(before)).toEqual(['/kv/range']);
    expect((await only(etcd.cluster.memberList())).members).toHaveLength(1);
  });
});

describe('unsubscribing', () => {
  test('ends a stream on the server', async () => {
    const gauge = async (): Promise<number> => {
      const family = (await only(etcd.metrics())).find(({ name }) => name === 'etcd_debugging_mvcc_watcher_total');
      return family?.samples[0]?.value ?? NaN;
    };
    const idle = await gauge();
    const observing = etcd.electionService.observe('cold/election').subscribe();
    await waitForValue(gauge, (watchers) => watchers === idle + 1);
    observing.unsubscribe();
    await waitForValue(gauge, (watchers) => watchers === idle);
  });

  test('one of two waiting subscribers does not affect the other', async () => {
    const { key } = await only(etcd.lockService.lock('cold/lock'));
    const [first, second] = [await only(etcd.lease.grant(60)), await only(etcd.lease.grant(60))];
    const leaving = etcd.lockService.lock('cold/lock', { lease: first.id }).subscribe();
    const staying = all(etcd.lockService.lock('cold/lock', { lease: second.id }));
    const queue = () => only(etcd.kv.count({ prefix: 'cold/lock/' }));
    await waitForValue(queue, (count) => count === 3);
    leaving.unsubscribe();
    await waitForValue(queue, (count) => count === 2);
    await only(etcd.lockService.unlock(key));
    expect(await staying).toHaveLength(1);
    expect((await only(etcd.lease.timeToLive(leaseId(first.id), { keys: true }))).keys).toEqual([]);
  });
});
