import { describe, expect, test } from '@jest/globals';
import { idToHex, leaseId, toText } from 'rxetcd';
import { mergeMap } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const waiting = (name: string) => only(fixture.etcd.kv.count({ prefix: `${name}/` }));

describe('lockService', () => {
  test('acquires a free lock at once, with a key as etcdctl and the Go client create it', async () => {
    const { kv, lease, lockService } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    const { key, header } = await only(lockService.lock('lock/free', { lease: id }));
    expect(toText(key)).toBe(`lock/free/${idToHex(id)}`);
    expect(await only(kv.get(key))).toMatchObject({ lease: id, createRevision: header.revision });
    await only(lockService.unlock(key));
    expect(await only(kv.exists(key))).toBe(false);
  });

  test('without a lease the server grants one of a minute', async () => {
    const { kv, lease, lockService } = fixture.etcd;
    const { key } = await only(lockService.lock('lock/own'));
    const id = (await only(kv.get(key)))?.lease;
    if (id === undefined) throw new Error('the key of a lock hangs on a lease');
    expect((await only(lease.timeToLive(id))).grantedTtl).toBe(60);
    await only(lockService.unlock(key));
    await only(lease.revoke(id));
  });

  test('waits while another client owns the lock, and then acquires it', async () => {
    const { lease, lockService } = fixture.etcd;
    const [first, second] = [await only(lease.grant(60)), await only(lease.grant(60))];
    const { key } = await only(lockService.lock('lock/busy', { lease: first.id }));
    let owned = false;
    const queued = only(lockService.lock('lock/busy', { lease: second.id })).then((answer) => {
      owned = true;
      return answer;
    });
    await waitForValue(
      () => waiting('lock/busy'),
      (count) => count === 2,
    );
    expect(owned).toBe(false);
    await only(lockService.unlock(key));
    expect(toText((await queued).key)).toBe(`lock/busy/${idToHex(second.id)}`);
    expect(await waiting('lock/busy')).toBe(1);
    await only(lease.revoke(second.id));
    expect(await waiting('lock/busy')).toBe(0);
  });

  test('a waiter that unsubscribes leaves no key in the queue, and the next waiter acquires the lock', async () => {
    const { lease, lockService } = fixture.etcd;
    const [first, second, third] = [await only(lease.grant(60)), await only(lease.grant(60)), await only(lease.grant(60))];
    const { key } = await only(lockService.lock('lock/leave', { lease: first.id }));
    const impatient = lockService.lock('lock/leave', { lease: second.id }).subscribe();
    await waitForValue(
      () => waiting('lock/leave'),
      (count) => count === 2,
    );
    const patient = only(lockService.lock('lock/leave', { lease: third.id }));
    await waitForValue(
      () => waiting('lock/leave'),
      (count) => count === 3,
    );
    impatient.unsubscribe();
    await waitForValue(
      () => waiting('lock/leave'),
      (count) => count === 2,
    );
    await only(lockService.unlock(key));
    expect(toText((await patient).key)).toBe(`lock/leave/${idToHex(third.id)}`);
    for (const { id } of [first, second, third]) await only(lease.revoke(id));
  });

  test('a timeout ends the wait, and leaves no key', async () => {
    const { lockService } = fixture.etcd;
    const { key } = await only(lockService.lock('lock/late'));
    const error = await failureWith('AmbiguousWrite', lockService.lock('lock/late', { timeoutMs: 1_000 }));
    expect(error.cause.reason).toBe('DeadlineExceeded');
    await waitForValue(
      () => waiting('lock/late'),
      (count) => count === 1,
    );
    await only(lockService.unlock(key));
  });

  test('a signal ends the wait, and leaves no key', async () => {
    const { lockService } = fixture.etcd;
    const { key } = await only(lockService.lock('lock/signal'));
    const controller = new AbortController();
    const failed = failureWith('AmbiguousWrite', lockService.lock('lock/signal', { signal: controller.signal }));
    await waitForValue(
      () => waiting('lock/signal'),
      (count) => count === 2,
    );
    controller.abort();
    expect((await failed).cause.reason).toBe('Aborted');
    await waitForValue(
      () => waiting('lock/signal'),
      (count) => count === 1,
    );
    await only(lockService.unlock(key));
  });

  test('a waiter blocks no connection: the unlock that it waits for is sent', async () => {
    const { kv, lease, lockService } = fixture.client({ maxConnections: 1 });
    const { key } = await only(lockService.lock('lock/many'));
    const leases = await Promise.all(Array.from({ length: 5 }, () => only(lease.grant(60))));
    const owned = leases.map(({ id }) =>
      only(lockService.lock('lock/many', { lease: id }).pipe(mergeMap(({ key: mine }) => lockService.unlock(mine)))),
    );
    await waitForValue(
      () => waiting('lock/many'),
      (count) => count === 6,
    );
    await only(kv.get('lock/many'));
    await only(lockService.unlock(key));
    expect(await Promise.all(owned)).toHaveLength(5);
  });

  test('rejects a lease that does not exist', async () => {
    expect(await failureWith('LeaseNotFound', fixture.etcd.lockService.lock('lock/none', { lease: leaseId(987654) }))).toMatchObject({
      code: 'NotFound',
      rpc: 'Lock.Lock',
    });
  });

  test('accepts names of any bytes', async () => {
    const { lease, lockService } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    const { key } = await only(lockService.lock(Uint8Array.of(0xff, 0), { lease: id }));
    expect(key).toEqual(Uint8Array.of(0xff, 0, ...new TextEncoder().encode(`/${idToHex(id)}`)));
    await only(lockService.unlock(key));
  });
});
