import { describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import type { LeaseContext } from '../../../../src/concurrency/context.js';
import type { LeaseEvent } from '../../../../src/concurrency/lease/leaseKeeper.js';
import { adoptedLease, heldLease, type LeaseOptions } from '../../../../src/concurrency/lease/lease.js';
import { FakeLeases, meansWith, keepAlivesBy } from '../../../support/fakes/fakeLeases.js';
import { failingAtOnce, HOUR, ID, told, virtually, type Told, type VirtualTime } from '../support.js';

interface Held {
  readonly leases: FakeLeases;
  readonly means: ReturnType<typeof meansWith>;
  readonly seen: Told<LeaseEvent>;
  readonly time: VirtualTime;
}

/** Holds a lease in virtual time, does things to it, and lets time pass. */
function hold(
  options: LeaseOptions,
  act: (held: Held) => void,
  more: Partial<LeaseContext> = {},
  prepare: (leases: FakeLeases) => void = () => undefined,
): Held {
  return virtually((time) => {
    const leases = new FakeLeases();
    prepare(leases);
    const means = meansWith(leases, more);
    const held = { leases, means, time, seen: told(time, heldLease(options, means)) };
    act(held);
    // Time ends only where nobody holds anything.
    time.at(HOUR, () => held.seen.leave());
    time.flush();
    return held;
  });
}

const kinds = ({ seen }: Held): string[] => seen.events.map(({ event }) => event.type);
const first = ({ seen }: Held): LeaseEvent => {
  const [one] = seen.events;
  if (one === undefined) throw new Error('nothing was granted');
  return one.event;
};

describe('a lease that is held', () => {
  test('is revoked when it is unsubscribed from', () => {
    const { leases } = hold({ ttl: 60, id: ID }, ({ seen, time }) => time.at(1_000, () => seen.leave()));
    expect(leases.calls).toEqual(['grant 7', 'revoke 7']);
    expect(leases.there.size).toBe(0);
  });

  test('is left to its time with `keep`', () => {
    const { leases } = hold({ ttl: 60, id: ID, release: 'keep' }, ({ seen, time }) => time.at(1_000, () => seen.leave()));
    expect(leases.calls).toEqual(['grant 7']);
  });

  test('is revoked in spite of `keep` where nobody has heard of it', () => {
    const { leases } = hold({ ttl: 60, id: ID, release: 'keep' }, ({ seen }) => seen.leave());
    expect(leases.calls).toEqual(['grant 7', 'revoke 7']);
  });

  test('is revoked though it is unsubscribed from before the grant is answered', () => {
    const { leases } = hold({ ttl: 60, id: ID }, ({ seen }) => seen.leave());
    expect(leases.calls).toEqual(['grant 7', 'revoke 7']);
    expect(leases.there.size).toBe(0);
  });

  test('is not revoked where it could not be granted, for it is somebody else’s', () => {
    const { leases, seen } = hold(
      { ttl: 60, id: ID },
      () => undefined,
      {},
      ({ there }) => there.add(ID),
    );
    expect(seen.end?.reason).toBe('LeaseExist');
    expect(leases.calls).toEqual(['grant 7']);
  });

  test('is revoked again where the first revocation met a cut', () => {
    const held = hold({ ttl: 60 }, ({ seen, time, leases }) => {
      leases.fates['revoke'] = [{ fate: 'AmbiguousWrite' }, { fate: 'Unreachable' }];
      time.at(1_000, () => seen.leave());
    });
    expect(held.leases.calls.slice(1)).toEqual(Array<string>(3).fill(`revoke ${first(held).id}`));
    expect(held.leases.there.size).toBe(0);
  });

  test('under an id of the caller’s own is revoked once: by then it may be another client’s', () => {
    const { leases } = hold({ ttl: 60, id: ID }, ({ seen, time, leases }) => {
      leases.fates['revoke'] = [{ fate: 'Unreachable' }, { fate: 'AmbiguousWrite' }];
      time.at(1_000, () => seen.leave());
    });
    // What was never sent is tried again.
    expect(leases.calls.slice(1)).toEqual(['revoke 7', 'revoke 7']);
  });

  test('under an id of the caller’s own is not revoked once it is lost: by then it may be another client’s', () => {
    const { leases, seen } = hold({ ttl: 60, id: ID }, ({ leases, time }) => time.at(1_000, () => leases.there.clear()));
    expect(seen.end?.reason).toBe('LeaseLost');
    expect(leases.calls).toEqual(['grant 7']);
  });

  test('under an id of the caller’s own can be had again at once, when it was left', () => {
    virtually((time) => {
      const leases = new FakeLeases();
      const means = meansWith(leases);
      const rounds = Array.from({ length: 3 }, () => {
        const seen = told(time, heldLease({ ttl: 60, id: ID }, means));
        seen.leave();
        return seen;
      });
      const last = told(time, heldLease({ ttl: 60, id: ID }, means));
      time.at(1_000, () => last.leave());
      time.flush();
      expect([...rounds, last].map(({ end }) => end)).toEqual([undefined, undefined, undefined, undefined]);
      expect(last.events.map(({ event }) => event.type)).toEqual(['granted']);
      // Those that were left while they waited were never granted.
      expect(leases.calls).toEqual(['grant 7', 'revoke 7', 'grant 7', 'revoke 7']);
    });
  });

  test('ends, and is given back, when the client is closed', async () => {
    const { leases, seen, means } = hold({ ttl: 60, id: ID }, ({ time, means }) => time.at(1_000, () => means.closed.next()));
    expect(seen.end).toEqual({ at: 1_000, reason: 'completed' });
    expect(leases.there.size).toBe(0);
    await firstValueFrom(means.cleanup.settled(0));
  });

  test('says how long it holds, and that it no longer does as soon as it ends', () => {
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

  test('is no longer alive for one who hears of its loss', () => {
    const { leases } = virtually((time) => {
      const leases = new FakeLeases();
      let held: LeaseEvent | undefined;
      let aliveAtLoss: boolean | undefined;
      heldLease({ ttl: 60 }, meansWith(leases)).subscribe({
        next: (event) => (held = event),
        error: () => (aliveAtLoss = held?.lease.alive),
      });
      time.at(1_000, () => leases.there.clear());
      time.flush();
      expect(aliveAtLoss).toBe(false);
      return { leases };
    });
    expect(leases.calls.at(-1)).toMatch(/^revoke /);
  });

  test.each([0, -1, 1.5, NaN, '5'])('has a TTL of whole seconds: %p is refused before anything is sent', (ttl) => {
    const { seen, leases } = hold({ ttl: ttl as number }, () => undefined);
    expect(seen.end?.reason).toBe('InvalidArgument');
    expect(leases.calls).toEqual([]);
  });
});

describe('with regrant, a lease that is lost', () => {
  test('is followed by another, and it says so', () => {
    const held = hold({ ttl: 60, onLost: 'regrant' }, ({ time, leases, seen }) => {
      time.at(5_000, () => leases.there.clear());
      time.at(30_000, () => seen.leave());
    });
    expect(kinds(held)).toEqual(['granted', 'lost', 'granted']);
    const [one, lost, other] = held.seen.events;
    expect(lost).toMatchObject({ at: 20_000, event: { id: one?.event.id, remainingMs: 0, error: { reason: 'LeaseLost' } } });
    expect(other?.event.id).not.toBe(one?.event.id);
    expect((other?.at ?? 0) - 20_000).toBeLessThanOrEqual(51);
    expect(held.leases.there.size).toBe(0);
  });

  test('is followed by one of another id, lest the end of the first meet the second', () => {
    const held = hold({ ttl: 60, id: ID, onLost: 'regrant' }, ({ time, seen }) => time.at(100_000, () => seen.leave()), {
      keepAlives: keepAlivesBy(failingAtOnce('Unreachable')),
    });
    expect(kinds(held).filter((kind) => kind !== 'refreshFailed')).toEqual(['granted', 'lost', 'granted']);
    expect(held.leases.calls[0]).toBe('grant 7');
    expect(held.leases.calls[1]).toMatch(/^grant (?!7$)/);
  });

  test('is asked for until it can be had, with pauses that grow', () => {
    const held = hold(
      { ttl: 60, onLost: 'regrant' },
      () => undefined,
      {},
      ({ fates }) => {
        fates['grant'] = Array.from({ length: 8 }, () => ({ fate: 'Unreachable' as const }));
      },
    );
    expect(kinds(held)[0]).toBe('granted');
    const at = held.seen.events[0]?.at ?? 0;
    expect(at).toBeGreaterThan(3_000);
    expect(at).toBeLessThan(14_000);
  });

  test('is an error where the server refuses another for good', () => {
    const { seen } = hold(
      { ttl: 60, onLost: 'regrant' },
      () => undefined,
      {},
      ({ fates }) => (fates['grant'] = [{ fate: 'PermissionDenied' }]),
    );
    expect(seen.end?.reason).toBe('PermissionDenied');
  });
});

describe('a lease that is adopted', () => {
  const adopt = (release: 'revoke' | 'keep'): readonly string[] =>
    virtually((time) => {
      const leases = new FakeLeases();
      leases.there.add(ID);
      const seen = told(time, adoptedLease(ID, { release }, meansWith(leases)));
      time.at(1_000, () => seen.leave());
      time.flush();
      expect(seen.events[0]?.event).toMatchObject({ type: 'granted', id: ID, ttl: 60 });
      return leases.calls;
    });

  test('is refreshed from the first, and left to its time', () => {
    expect(adopt('keep')).toEqual(['keepAliveOnce 7']);
  });

  test('is revoked only where that is asked for', () => {
    expect(adopt('revoke')).toEqual(['keepAliveOnce 7', 'revoke 7']);
  });
});
