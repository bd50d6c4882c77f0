import { describe, expect, test } from '@jest/globals';
import { filter, take, toArray } from 'rxjs';
import { idToHex, leaseId } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const UNKNOWN_LEASE = leaseId('123456789');
/** The TTL of a lease that expires, in seconds: a stall of the machine must not end it before its keys are written. */
const BRIEF = 4;

describe('lease.grant', () => {
  test('grants a lease of the requested seconds, with an id from the server', async () => {
    const lease = await only(fixture.etcd.lease.grant(60));
    expect(lease.ttl).toBe(60);
    expect(lease.id).toMatch(/^[1-9]\d*$/);
    expect(lease.error).toBe('');
    expect(lease.header.revision).toBeGreaterThan(0);
  });

  test('accepts a chosen id, the greatest one too, and fails if it is in use', async () => {
    const { lease } = fixture.etcd;
    const id = leaseId(2n ** 63n - 1n);
    expect(await only(lease.grant(60, { id }))).toMatchObject({ id: '9223372036854775807', ttl: 60 });
    expect(idToHex(id)).toBe('7fffffffffffffff');
    await failureWith('LeaseExist', lease.grant(60, { id }));
    await only(lease.revoke(id));
  });

  test('raises a TTL that is too short to the minimum, and reports it', async () => {
    expect((await only(fixture.etcd.lease.grant(1))).ttl).toBeGreaterThan(1);
  });

  test('each subscription grants another lease', async () => {
    const grant = fixture.etcd.lease.grant(60);
    expect((await only(grant)).id).not.toBe((await only(grant)).id);
  });
});

describe('a granted lease', () => {
  test('deletes its keys when it is revoked', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    await only(kv.put('lease/revoke/a', '', { lease: id }));
    await only(kv.put('lease/revoke/b', '', { lease: id }));
    const { header } = await only(lease.revoke(id));
    expect(await only(kv.count({ prefix: 'lease/revoke/' }))).toBe(0);
    expect(await only(kv.count({ prefix: 'lease/revoke/' }, { revision: header.revision - 1 }))).toBe(2);
    await failureWith('LeaseNotFound', lease.revoke(id));
  });

  test('returns the remaining time, and with keys the attached keys', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    const nameless = Uint8Array.of(0x6c, 0xff, 0);
    await only(kv.put('lease/ttl/a', '', { lease: id }));
    await only(kv.put(nameless, '', { lease: id }));
    const brief = await only(lease.timeToLive(id));
    expect(brief).toMatchObject({ id, grantedTtl: 60, keys: [] });
    expect(brief.ttl).toBeGreaterThan(50);
    expect(brief.ttl).toBeLessThanOrEqual(60);
    const full = await only(lease.timeToLive(id, { keys: true }));
    expect(full.keys.map((key) => [...key]).sort()).toEqual([[...new TextEncoder().encode('lease/ttl/a')], [...nameless]].sort());
    await only(lease.revoke(id));
  });

  test('that has ended has -1 seconds left, which is no error', async () => {
    expect(await only(fixture.etcd.lease.timeToLive(UNKNOWN_LEASE))).toMatchObject({ id: UNKNOWN_LEASE, ttl: -1, grantedTtl: 0, keys: [] });
  });

  test('is in the list of leases until it ends', async () => {
    const { lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    const listed = async (): Promise<boolean> => (await only(lease.leases())).leases.some((each) => each.id === id);
    expect(await listed()).toBe(true);
    await only(lease.revoke(id));
    expect(await listed()).toBe(false);
  });

  test('expires by itself, and its keys with it', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(BRIEF));
    await only(kv.put('lease/expire', '', { lease: id }));
    await waitForValue(
      () => only(kv.exists('lease/expire')),
      (there) => !there,
    );
    expect((await only(lease.timeToLive(id))).ttl).toBe(-1);
  });

  test('that expires with others deletes its keys at one revision, in their order; the leases have no order', async () => {
    const { etcd } = fixture;
    const deletions = etcd.watchBatches(
      { prefix: 'lease/many/' },
      { startRevision: (await only(etcd.kv.put('lease', ''))).header.revision, noPut: true },
    );
    for (const name of ['one', 'other', 'third']) {
      const { id } = await only(etcd.lease.grant(BRIEF));
      for (const key of ['b', 'a']) await only(etcd.kv.put(`lease/many/${name}/${key}`, '', { lease: id }));
    }
    const ended = await only(
      deletions.pipe(
        filter(({ type }) => type === 'events'),
        take(3),
        toArray(),
      ),
    );
    const keys = ended.map(({ events }) => events.map(({ kv }) => kv.key.slice('lease/many/'.length)).join(' '));
    expect(keys.sort()).toEqual(['one/a one/b', 'other/a other/b', 'third/a third/b']);
  });
});

describe('lease.keepAliveOnce', () => {
  test('resets the remaining time of a lease to its TTL', async () => {
    const { lease } = fixture.etcd;
    const { id } = await only(lease.grant(30));
    await waitForValue(
      async () => (await only(lease.timeToLive(id))).ttl,
      (ttl) => ttl < 29,
    );
    const askedAt = performance.now();
    expect(await only(lease.keepAliveOnce(id))).toMatchObject({ id, ttl: 30 });
    const { ttl } = await only(lease.timeToLive(id));
    // The server leaves out a part of a second.
    expect(ttl).toBeGreaterThan(29 - (performance.now() - askedAt) / 1_000);
    await only(lease.revoke(id));
  });

  test('fails with LeaseNotFound if the lease has ended, although the server only omits its TTL', async () => {
    expect(await failureWith('LeaseNotFound', fixture.etcd.lease.keepAliveOnce(UNKNOWN_LEASE))).toMatchObject({
      code: 'NotFound',
      rpc: 'Lease.LeaseKeepAlive',
    });
  });
});
