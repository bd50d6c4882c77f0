import { describe, expect, test } from '@jest/globals';
import { grantLease, randomLeaseId, refreshLease, type GrantOptions } from '../../../../src/concurrency/lease/lease.js';
import type { EtcdError } from '../../../../src/errors/index.js';
import type { LeaseRpcs } from '../../../../src/services/lease.js';
import { createTestEtcd, type TestServer } from '../../../../src/testing/index.js';
import { leaseCalls } from '../../../support/memory/leaseCalls.js';
import { ID, record, runInVirtualTime } from '../support.js';

const GRANT = 'Lease.LeaseGrant';
const KEEP_ALIVE = 'Lease.LeaseKeepAlive';

interface Wanted extends Pick<GrantOptions, 'id'> {
  readonly ttl?: number;
}

/** Grants a lease, under an id that the client chooses by default. A response takes a millisecond. */
function granted(prepare: (server: TestServer) => void, { ttl = 30, id }: Wanted = { id: ID }) {
  return runInVirtualTime((time) => {
    const { etcd, server } = createTestEtcd({ latencyMs: 0.5 });
    prepare(server);
    const seen = record(time, grantLease(etcd.lease as LeaseRpcs, ttl, { id, responseTimeoutMs: 5_000 }));
    time.flush();
    const sentAt = server.calls.findLast(({ rpc }) => rpc === GRANT)?.at;
    return {
      ...seen,
      calls: leaseCalls(server),
      grants: seen.events.map(({ event }) => event),
      sentAt: { wall: sentAt, monotonic: sentAt },
    };
  });
}

/** Ends all leases when a keepalive arrives, before it is carried out. */
function expireBeforeKeepAlive(server: TestServer): void {
  server.fail(({ rpc }) => {
    if (rpc === KEEP_ALIVE) for (const { id } of server.leases) server.expireLease(id);
    return false;
  }, 'NoLeader');
}

describe('a grant', () => {
  test('has the TTL that the server grants, counted from the request', () => {
    // The shortest TTL that the server grants is 2 s.
    const { grants, calls, sentAt } = granted(() => undefined, { id: ID, ttl: 1 });
    expect(grants).toEqual([{ id: ID, ttl: 2, sentAt }]);
    expect(calls).toEqual(['grant 7']);
  });

  test('with an unknown outcome is retried with the same id', () => {
    const { grants, calls, sentAt } = granted((server) => server.fail(GRANT, 'ConnectionLost'));
    expect(calls).toEqual(['grant 7', 'grant 7']);
    // The time of the second attempt, which was sent when the first had failed.
    expect(grants).toEqual([{ id: ID, ttl: 30, sentAt }]);
  });

  test('with a random id whose response was lost is found by the retry, and refreshed to know its TTL', () => {
    const { grants, calls, sentAt } = granted((server) => server.dropResponse(GRANT), {});
    const [id] = grants.map((lease) => lease.id);
    expect(calls).toEqual([`grant ${id}`, `grant ${id}`, `keepAlive ${id}`]);
    // The refresh was sent when the response to the second grant arrived.
    const askedAt = (sentAt.wall ?? 0) + 1;
    expect(grants).toEqual([{ id, ttl: 30, sentAt: { wall: askedAt, monotonic: askedAt } }]);
  });

  test('with a random id whose lease has ended before it is refreshed is retried', () => {
    const { grants, calls, sentAt } = granted((server) => {
      server.dropResponse(GRANT);
      expireBeforeKeepAlive(server);
    }, {});
    const [id] = grants.map((lease) => lease.id);
    expect(calls).toEqual([`grant ${id}`, `grant ${id}`, `keepAlive ${id}`, `grant ${id}`]);
    expect(grants).toEqual([{ id, ttl: 30, sentAt }]);
  });

  test('with a random id whose lease ends each time has an unknown outcome, so that it may be repeated', () => {
    const { end, calls } = granted((server) => {
      server.dropResponse(GRANT);
      server.dropResponse(GRANT);
      expireBeforeKeepAlive(server);
    }, {});
    expect(end?.reason).toBe('AmbiguousWrite');
    expect(calls.map((call) => call.split(' ')[0])).toEqual(['grant', 'grant', 'grant', 'keepAlive']);
  });

  test('with a chosen id that exists at the retry may belong to another client, and is not adopted', () => {
    const { error, end, calls } = granted((server) => server.dropResponse(GRANT));
    expect(calls).toEqual(['grant 7', 'grant 7']);
    expect(end?.reason).toBe('LeaseExist');
    expect(error).toMatchObject({ cause: { reason: 'AmbiguousWrite' } });
    expect((error as EtcdError).message).toContain('lease 7 (7)');
  });

  test('with an id in use fails, as the lease belongs to another client', () => {
    const { end, calls } = granted((server) => void server.createClient().lease.grant(30, { id: ID }).subscribe());
    expect(end?.reason).toBe('LeaseExist');
    expect(calls).toEqual(['grant 7', 'grant 7']);
  });

  test('is not retried forever', () => {
    const { end, calls } = granted((server) => {
      for (let times = 0; times < 9; times++) server.fail(GRANT, 'ConnectionLost');
    });
    expect(end?.reason).toBe('AmbiguousWrite');
    expect(calls).toHaveLength(3);
  });

  test('that the server rejects is not retried', () => {
    const { end, calls } = granted((server) => server.fail(GRANT, 'NoSpace'));
    expect(end?.reason).toBe('NoSpace');
    expect(calls).toHaveLength(1);
  });

  test('has a random id by default', () => {
    const ids = new Set(Array.from({ length: 1_000 }, randomLeaseId));
    expect(ids.size).toBe(1_000);
    for (const id of ids) expect(BigInt(id) > 0n && BigInt(id) < 2n ** 63n).toBe(true);
  });
});

test('a lease that has ended cannot be adopted', () => {
  runInVirtualTime((time) => {
    const seen = record(time, refreshLease(createTestEtcd().etcd.lease, ID, 5_000));
    time.flush();
    expect(seen.end?.reason).toBe('LeaseNotFound');
  });
});
