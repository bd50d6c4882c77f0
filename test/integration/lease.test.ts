import { describe, expect, test } from '@jest/globals';
import { idToHex, leaseId } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd();
const NOBODY = leaseId('123456789');

describe('lease.grant', () => {
  test('gives a lease of the seconds asked for, under an id of the server', async () => {
    const lease = await only(fixture.etcd.lease.grant(60));
    expect(lease.ttl).toBe(60);
    expect(lease.id).toMatch(/^[1-9]\d*$/);
    expect(lease.error).toBe('');
    expect(lease.header.revision).toBeGreaterThan(0);
  });

  test('takes an id of ours, the greatest one too, and says when it is taken', async () => {
    const { lease } = fixture.etcd;
    const id = leaseId(2n ** 63n - 1n);
    expect(await only(lease.grant(60, { id }))).toMatchObject({ id: '9223372036854775807', ttl: 60 });
    expect(idToHex(id)).toBe('7fffffffffffffff');
    await failureWith('LeaseExist', lease.grant(60, { id }));
    await only(lease.revoke(id));
  });

  test('raises a time that is too short to its minimum, and says so', async () => {
    expect((await only(fixture.etcd.lease.grant(1))).ttl).toBeGreaterThan(1);
  });

  test('each subscription grants another lease', async () => {
    const grant = fixture.etcd.lease.grant(60);
    expect((await only(grant)).id).not.toBe((await only(grant)).id);
  });
});

describe('a lease', () => {
  test('takes its keys along when it is revoked', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    await only(kv.put('lease/revoke/a', '', { lease: id }));
    await only(kv.put('lease/revoke/b', '', { lease: id }));
    const { header } = await only(lease.revoke(id));
    expect(await only(kv.count({ prefix: 'lease/revoke/' }))).toBe(0);
    expect(await only(kv.count({ prefix: 'lease/revoke/' }, { revision: header.revision - 1 }))).toBe(2);
    await failureWith('LeaseNotFound', lease.revoke(id));
  });

  test('tells what remains of it, and with keys what hangs on it', async () => {
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

  test('that is gone has -1 seconds left, which is no error', async () => {
    expect(await only(fixture.etcd.lease.timeToLive(NOBODY))).toMatchObject({ id: NOBODY, ttl: -1, grantedTtl: 0, keys: [] });
  });

  test('is in the list of leases for as long as it lives', async () => {
    const { lease } = fixture.etcd;
    const { id } = await only(lease.grant(60));
    const listed = async (): Promise<boolean> => (await only(lease.leases())).leases.some((each) => each.id === id);
    expect(await listed()).toBe(true);
    await only(lease.revoke(id));
    expect(await listed()).toBe(false);
  });

  test('ends by itself, and its keys with it', async () => {
    const { kv, lease } = fixture.etcd;
    const { id } = await only(lease.grant(1));
    await only(kv.put('lease/expire', '', { lease: id }));
    await waitForValue(
      () => only(kv.exists('lease/expire')),
      (there) => !there,
    );
    expect((await only(lease.timeToLive(id))).ttl).toBe(-1);
  });
});

describe('lease.keepAliveOnce', () => {
  test('sets the time of a lease back to what was granted', async () => {
    const { lease } = fixture.etcd;
    const { id } = await only(lease.grant(30));
    await waitForValue(
      async () => (await only(lease.timeToLive(id))).ttl,
      (ttl) => ttl < 29,
    );
    expect(await only(lease.keepAliveOnce(id))).toMatchObject({ id, ttl: 30 });
    expect((await only(lease.timeToLive(id))).ttl).toBeGreaterThanOrEqual(29);
    await only(lease.revoke(id));
  });

  test('says that a lease is gone, where the server only leaves out its time', async () => {
    expect(await failureWith('LeaseNotFound', fixture.etcd.lease.keepAliveOnce(NOBODY))).toMatchObject({
      code: 'NotFound',
      rpc: 'Lease.LeaseKeepAlive',
    });
  });
});
