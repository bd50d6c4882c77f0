import { describe, expect, test } from '@jest/globals';
import { switchMap } from 'rxjs';
import type { LeaseEvent } from '../../../../src/concurrency/lease/leaseKeeper.js';
import type { LeaseOptions } from '../../../../src/concurrency/lease/lease.js';
import type { Client } from '../../../../src/index.js';
import { createTestEtcd, type TestClientOptions, type TestServer } from '../../../../src/testing/index.js';
import { leaseCalls } from '../../../support/memory/leaseCalls.js';
import { HOUR, ID, record, runInVirtualTime, type Recording, type VirtualTime } from '../support.js';

const GRANT = 'Lease.LeaseGrant';
const REVOKE = 'Lease.LeaseRevoke';

interface Held {
  readonly etcd: Client;
  readonly server: TestServer;
  readonly seen: Recording<LeaseEvent>;
  readonly time: VirtualTime;
}

/** Holds a lease in virtual time, runs actions, and lets time pass. */
function hold(
  options: LeaseOptions,
  act: (held: Held) => void,
  prepare: (server: TestServer) => void = () => undefined,
  client: TestClientOptions = {},
): Held {
  return runInVirtualTime((time) => {
    const { etcd, server } = createTestEtcd({ client });
    prepare(server);
    const held = { etcd, server, time, seen: record(time, etcd.lease(options)) };
    act(held);
    // Virtual time ends only if no lease is held.
    time.at(HOUR, () => held.seen.leave());
    time.flush();
    return held;
  });
}

/** The grants and revocations that have reached the server. */
const callsOf = (server: TestServer): string[] => leaseCalls(server).filter((call) => !call.startsWith('keepAlive'));

/** Revokes all leases. */
const expireAll = (server: TestServer): void => server.leases.forEach(({ id }) => server.expireLease(id));

const kinds = ({ seen }: Held): string[] => seen.events.map(({ event }) => event.type);
const first = ({ seen }: Held): LeaseEvent => {
  const [one] = seen.events;
  if (one === undefined) throw new Error('nothing was granted');
  return one.event;
};

describe('a held lease', () => {
  test('is revoked when it is unsubscribed', () => {
    const { server } = hold({ ttl: 60, id: ID }, ({ seen, time }) => time.at(1_000, () => seen.leave()));
    expect(callsOf(server)).toEqual(['grant 7', 'revoke 7']);
    expect(server.leases).toEqual([]);
  });

  test('is left to expire with `keep`', () => {
    const { server } = hold({ ttl: 60, id: ID, release: 'keep' }, ({ seen, time }) => time.at(1_000, () => seen.leave()));
    expect(callsOf(server)).toEqual(['grant 7']);
  });

  test('is revoked despite `keep` if it was never emitted', () => {
    const { server } = hold({ ttl: 60, id: ID, release: 'keep' }, ({ seen }) => seen.leave());
    expect(callsOf(server)).toEqual(['grant 7', 'revoke 7']);
  });

  test('is revoked although it is unsubscribed before the response to the grant', () => {
    const { server } = hold({ ttl: 60, id: ID }, ({ seen }) => seen.leave());
    expect(callsOf(server)).toEqual(['grant 7', 'revoke 7']);
    expect(server.leases).toEqual([]);
  });

  test('is not revoked if its id was in use, as the lease belongs to another client', () => {
    const { server, seen } = hold(
      { ttl: 60, id: ID },
      () => undefined,
      (server) => void server.createClient().lease.grant(60, { id: ID }).subscribe(),
    );
    expect(seen.end?.reason).toBe('LeaseExist');
    expect(callsOf(server)).toEqual(['grant 7', 'grant 7']);
  });

  test('is revoked again if the connection was cut during the first revocation', () => {
    const held = hold({ ttl: 60 }, ({ seen, time, server }) => {
      server.fail(REVOKE, 'ConnectionLost');
      server.fail(REVOKE, 'Unreachable');
      time.at(1_000, () => seen.leave());
    });
    // A call to a server that cannot be reached never arrives.
    expect(callsOf(held.server).slice(1)).toEqual(Array<string>(2).fill(`revoke ${first(held).id}`));
    expect(held.server.leases).toEqual([]);
  });

  test('with a chosen id is revoked once, as it may belong to another client afterwards', () => {
    const { server } = hold({ ttl: 60, id: ID }, ({ seen, time, server }) => {
      server.fail(REVOKE, 'Unreachable');
      server.fail(REVOKE, 'ConnectionLost');
      time.at(1_000, () => seen.leave());
    });
    // A request that was not sent is retried.
    expect(callsOf(server).slice(1)).toEqual(['revoke 7']);
  });

  test('with a chosen id is not revoked after a loss, as it may belong to another client by then', () => {
    const { server, seen } = hold({ ttl: 60, id: ID }, ({ server, time }) => time.at(1_000, () => expireAll(server)));
    expect(seen.end?.reason).toBe('LeaseLost');
    expect(callsOf(server)).toEqual(['grant 7']);
  });

  test('with a chosen id can be granted again at once after it was released', () => {
    runInVirtualTime((time) => {
      const { etcd, server } = createTestEtcd();
      const rounds = Array.from({ length: 3 }, () => {
        const seen = record(time, etcd.lease({ ttl: 60, id: ID }));
        seen.leave();
        return seen;
      });
      const last = record(time, etcd.lease({ ttl: 60, id: ID }));
      time.at(1_000, () => last.leave());
      time.flush();
      expect([...rounds, last].map(({ end }) => end)).toEqual([undefined, undefined, undefined, undefined]);
      expect(last.events.map(({ event }) => event.type)).toEqual(['granted']);
      // Leases that were unsubscribed while they waited were never granted.
      expect(callsOf(server)).toEqual(['grant 7', 'revoke 7', 'grant 7', 'revoke 7']);
    });
  });

  test('ends and is revoked when the client is closed', async () => {
    const { etcd, server, seen } = hold({ ttl: 60, id: ID }, ({ time, etcd }) => time.at(1_000, () => void etcd.close()));
    expect(seen.end).toEqual({ at: 1_000, reason: 'completed' });
    expect(server.leases).toEqual([]);
    expect(await etcd.close()).toMatchObject({ unreleased: [] });
  });

  test('reports its remaining time, and is not alive as soon as it ends', () => {
    const asked: unknown[] = [];
    hold({ ttl: 60, id: ID }, (held) => {
      const ask = (): unknown => asked.push([first(held).lease.alive, first(held).lease.remainingMs]);
      held.time.at(10_000, ask);
      held.time.at(25_000, ask);
      held.time.at(30_000, () => held.seen.leave());
      held.time.at(30_000, ask);
    });
    expect(asked).toEqual([
      [true, 50_000],
      [true, 55_000],
      [false, 0],
    ]);
  });

  test('is no longer alive when its loss is emitted', () => {
    const server = runInVirtualTime((time) => {
      const { etcd, server } = createTestEtcd();
      let held: LeaseEvent | undefined;
      let aliveAtLoss: boolean | undefined;
      etcd.lease({ ttl: 60 }).subscribe({
        next: (event) => (held = event),
        error: () => (aliveAtLoss = held?.lease.alive),
      });
      time.at(1_000, () => expireAll(server));
      time.flush();
      expect(aliveAtLoss).toBe(false);
      return server;
    });
    expect(callsOf(server).at(-1)).toMatch(/^revoke /);
  });

  test.each([0, -1, 1.5, NaN, '5'])('has a TTL of whole seconds: %p is rejected before anything is sent', (ttl) => {
    const { seen, server } = hold({ ttl: ttl as number }, () => undefined);
    expect(seen.end?.reason).toBe('InvalidArgument');
    expect(callsOf(server)).toEqual([]);
  });
});

describe('a lost lease with regrant', () => {
  test('is followed by another, after the event for the loss', () => {
    const held = hold({ ttl: 60, onLost: 'regrant' }, ({ time, server, seen }) => {
      time.at(5_000, () => expireAll(server));
      time.at(30_000, () => seen.leave());
    });
    expect(kinds(held)).toEqual(['granted', 'lost', 'granted']);
    const [one, lost, other] = held.seen.events;
    expect(lost).toMatchObject({ at: 20_000, event: { id: one?.event.id, remainingMs: 0, error: { reason: 'LeaseLost' } } });
    expect(other?.event.id).not.toBe(one?.event.id);
    expect((other?.at ?? 0) - 20_000).toBeLessThanOrEqual(51);
    expect(held.server.leases).toEqual([]);
  });

  test('is followed by a lease with another id, which the release of the first cannot revoke', () => {
    const held = hold({ ttl: 60, id: ID, onLost: 'regrant' }, ({ time, seen, server }) => {
      time.at(1_000, () => server.disconnect());
      time.at(90_000, () => server.connect());
      time.at(100_000, () => seen.leave());
    });
    expect(kinds(held).filter((kind) => kind !== 'refreshFailed')).toEqual(['granted', 'lost', 'granted']);
    expect(callsOf(held.server)[0]).toBe('grant 7');
    expect(callsOf(held.server)[1]).toMatch(/^grant (?!7$)/);
  });

  test('is requested until it is granted, with growing pauses', () => {
    const held = hold(
      { ttl: 60, onLost: 'regrant' },
      () => undefined,
      (server) => {
        for (let times = 0; times < 8; times++) server.fail(GRANT, 'Unreachable');
      },
      // The calls themselves are not repeated.
      { retry: false },
    );
    expect(kinds(held)[0]).toBe('granted');
    const at = held.seen.events[0]?.at ?? 0;
    expect(at).toBeGreaterThan(3_000);
    expect(at).toBeLessThan(14_000);
  });

  test('fails if the server rejects another lease permanently', () => {
    const { seen } = hold(
      { ttl: 60, onLost: 'regrant' },
      () => undefined,
      (server) => server.fail(GRANT, 'PermissionDenied'),
    );
    expect(seen.end?.reason).toBe('PermissionDenied');
  });
});

describe('an adopted lease', () => {
  const adopt = (release: 'revoke' | 'keep'): readonly string[] =>
    runInVirtualTime((time) => {
      const { etcd, server } = createTestEtcd();
      etcd.lease.grant(60, { id: ID }).subscribe();
      time.at(1, () => (server.calls.length = 0));
      const adopted = time.cold('2ms (a|)', { a: ID }).pipe(switchMap((id) => etcd.lease.adopt(id, { release })));
      const seen = record(time, adopted);
      time.at(1_000, () => seen.leave());
      time.flush();
      expect(seen.events[0]?.event).toMatchObject({ type: 'granted', id: ID, ttl: 60 });
      return leaseCalls(server);
    });

  test('is refreshed at once, and left to expire', () => {
    expect(adopt('keep')).toEqual(['keepAlive 7']);
  });

  test('is revoked only if the option is set', () => {
    expect(adopt('revoke')).toEqual(['keepAlive 7', 'revoke 7']);
  });
});
