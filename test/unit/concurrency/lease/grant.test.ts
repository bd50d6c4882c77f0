import { describe, expect, test } from '@jest/globals';
import { grantLease, randomLeaseId, refreshLease, type GrantOptions } from '../../../../src/concurrency/lease/lease.js';
import type { EtcdError } from '../../../../src/errors/index.js';
import { FakeLeases } from '../../../support/fakes/fakeLeases.js';
import { ID, told, virtually } from '../support.js';

/** Grants a lease, under an id of the caller's own by default. */
function granted(prepare: (leases: FakeLeases) => void, wanted: Pick<GrantOptions, 'id'> = { id: ID }) {
  return virtually((time) => {
    const leases = new FakeLeases();
    prepare(leases);
    const seen = told(time, grantLease(leases.service, 30, { ...wanted, responseTimeoutMs: 5_000 }));
    time.flush();
    return { ...seen, calls: leases.calls, grants: seen.events.map(({ event }) => event) };
  });
}

describe('a grant', () => {
  test('gives the TTL that the server grants, from when it was asked for', () => {
    const { grants, calls } = granted((leases) => (leases.grants = 45));
    expect(grants).toEqual([{ id: ID, ttl: 45, sentAt: { wall: 0, monotonic: 0 } }]);
    expect(calls).toEqual(['grant 7']);
  });

  test('of which nobody knows the outcome is repeated under the same id', () => {
    const { grants, calls } = granted((leases) => (leases.fates['grant'] = [{ fate: 'AmbiguousWrite' }]));
    expect(calls).toEqual(['grant 7', 'grant 7']);
    // The time of the second try, which was sent when the first had failed.
    expect(grants).toEqual([{ id: ID, ttl: 30, sentAt: { wall: 1, monotonic: 1 } }]);
  });

  test('under an id by chance that was carried out unheard is found by the repeat, and refreshed to know its time', () => {
    const { grants, calls } = granted((leases) => (leases.fates['grant'] = [{ fate: 'AmbiguousWrite', done: true }]), {});
    const [id] = grants.map((lease) => lease.id);
    expect(calls).toEqual([`grant ${id}`, `grant ${id}`, `keepAliveOnce ${id}`]);
    expect(grants).toEqual([{ id, ttl: 60, sentAt: { wall: 2, monotonic: 2 } }]);
  });

  test('under an id of the caller’s own that is there on the repeat may be another client’s, and is not taken', () => {
    const { error, end, calls } = granted((leases) => (leases.fates['grant'] = [{ fate: 'AmbiguousWrite', done: true }]));
    expect(calls).toEqual(['grant 7', 'grant 7']);
    expect(end?.reason).toBe('LeaseExist');
    expect(error).toMatchObject({ cause: { reason: 'AmbiguousWrite' } });
    expect((error as EtcdError).message).toContain('lease 7 (7)');
  });

  test('of an id that is taken is an error, for it is somebody else’s', () => {
    const { end, calls } = granted((leases) => leases.there.add(ID));
    expect(end?.reason).toBe('LeaseExist');
    expect(calls).toEqual(['grant 7']);
  });

  test('is not repeated for ever', () => {
    const { end, calls } = granted(
      (leases) => (leases.fates['grant'] = Array.from({ length: 9 }, () => ({ fate: 'AmbiguousWrite' as const }))),
    );
    expect(end?.reason).toBe('AmbiguousWrite');
    expect(calls).toHaveLength(3);
  });

  test('that the server refuses is not repeated', () => {
    const { end, calls } = granted((leases) => (leases.fates['grant'] = [{ fate: 'NoSpace' }]));
    expect(end?.reason).toBe('NoSpace');
    expect(calls).toHaveLength(1);
  });

  test('takes an id by chance where none is wished for', () => {
    const ids = new Set(Array.from({ length: 1_000 }, randomLeaseId));
    expect(ids.size).toBe(1_000);
    for (const id of ids) expect(BigInt(id) > 0n && BigInt(id) < 2n ** 63n).toBe(true);
  });
});

test('a lease that is gone cannot be taken over', () => {
  virtually((time) => {
    const seen = told(time, refreshLease(new FakeLeases().service, ID, 5_000));
    time.flush();
    expect(seen.end?.reason).toBe('LeaseNotFound');
  });
});
