import { describe, expect, test } from '@jest/globals';
import { NEVER, Observable } from 'rxjs';
import { type LeaseEvent, LeaseKeeper } from '../../../../src/concurrency/lease/leaseKeeper.js';
import { now } from '../../../../src/util/time.js';
import type { EtcdError } from '../../../../src/errors/index.js';
import { idToHex } from '../../../../src/model/ids.js';
import { contextWith, keepAlivesBy } from '../../../support/fakes/fakeKeepAlives.js';
import {
  answered,
  failing,
  failingAtOnce,
  HOUR,
  ID,
  record,
  runInVirtualTime,
  type Answer,
  type Recording,
  type VirtualTime,
} from '../support.js';

/** Returns an event without the lease itself. */
interface LifeEvent {
  readonly type: LeaseEvent['type'];
  readonly remainingMs: number;
  readonly error?: EtcdError;
}

const withoutLease = ({ id: _id, ttl: _ttl, lease: _lease, ...event }: LeaseEvent): LifeEvent => event;

interface Life extends Recording<LifeEvent> {
  /** The time at which a refresh was sent, and the timeout of its response. */
  readonly asked: { readonly at: number; readonly timeoutMs: number }[];
  /** Requests a refresh. */
  readonly want: () => void;
}

/** Keeps a lease with this TTL alive; the refreshes get these responses, the last one repeatedly. */
function live(time: VirtualTime, ttl: number, first: Answer, ...others: readonly Answer[]): Life {
  const answers = [first, ...others];
  const asked: Life['asked'] = [];
  const keepAlives = keepAlivesBy(({ timeoutMs }) => {
    asked.push({ at: time.now(), timeoutMs });
    return (answers[Math.min(asked.length, answers.length) - 1] ?? first)();
  });
  let want = (): void => undefined;
  const events = new Observable<LifeEvent>((subscriber) => {
    const keeper = new LeaseKeeper({ id: ID, ttl, sentAt: now() }, contextWith(keepAlives), 'error', {
      next: (event) => subscriber.next(withoutLease(event)),
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    });
    want = () => void keeper.refresh().subscribe();
    keeper.start();
    return () => keeper.detach();
  });
  return Object.assign(record(time, events), { asked, want });
}

/** Does the same, up to the end of the lease or a given time. */
function lived(untilMs: number, ttl: number, first: Answer, ...others: readonly Answer[]): Life {
  return runInVirtualTime((time) => {
    const life = live(time, ttl, first, ...others);
    time.at(untilMs, () => life.leave());
    time.flush();
    return life;
  });
}

const silent: Answer = () => NEVER;
const kinds = (life: Life): string[] => life.events.map(({ event }) => event.type);

describe('a lease', () => {
  test('is refreshed every third of its TTL, for hours', () => {
    const life = lived(24 * HOUR, 60, answered(60, 5));
    expect(life.end).toBeUndefined();
    // Counted from the time at which the last refresh was sent.
    expect(life.asked.map(({ at }) => at)).toEqual(Array.from({ length: (24 * HOUR) / 20_000 - 1 }, (_, index) => (index + 1) * 20_000));
    expect(life.events.slice(0, 2)).toEqual([
      { at: 0, event: { type: 'granted', remainingMs: 60_000 } },
      { at: 20_005, event: { type: 'refreshed', remainingMs: 59_995 } },
    ]);
  });

  test('is refreshed by the TTL that the server grants now, if that changes', () => {
    const life = lived(70_000, 30, answered(30), answered(90), answered(6));
    expect(life.asked.map(({ at }) => at).slice(0, 5)).toEqual([10_000, 20_000, 50_000, 52_000, 54_000]);
    expect(life.end).toBeUndefined();
  });

  test('is lost by the TTL that the server grants now, if that is shorter', () => {
    const life = lived(HOUR, 30, answered(6), silent);
    expect(life.asked.map(({ at }) => at)).toEqual([10_000, 12_000]);
    expect(life.end).toEqual({ at: 16_000, reason: 'LeaseLost' });
  });

  test('is lost when its time has passed, not a millisecond later, although the server never responds', () => {
    const { end, events } = lived(HOUR, 10, silent);
    expect(end).toEqual({ at: 10_000, reason: 'LeaseLost' });
    expect(events).toHaveLength(1);
  });

  test('is lost in time if nothing is reachable, and reports its remaining time until then', () => {
    const life = lived(HOUR, 10, failing('Unreachable'));
    expect(life.end).toEqual({ at: 10_000, reason: 'LeaseLost' });
    expect((life.error as EtcdError).cause).toMatchObject({ reason: 'Unreachable' });
    const jams = life.events.slice(1);
    expect(jams.length).toBeGreaterThan(20);
    for (const { at, event } of jams)
      expect(event).toMatchObject({ type: 'refreshFailed', remainingMs: 10_000 - at, error: { reason: 'Unreachable' } });
  });

  test('holds for its TTL from the request of the last successful refresh, not from the response', () => {
    // Sent at 3 s, with a response at 4.5 s; later refreshes get none.
    const life = lived(HOUR, 9, answered(9, 1_500), silent);
    expect(life.events[1]).toEqual({ at: 4_500, event: { type: 'refreshed', remainingMs: 7_500 } });
    expect(life.asked.map(({ at }) => at)).toEqual([3_000, 6_000]);
    expect(life.end).toEqual({ at: 12_000, reason: 'LeaseLost' });
  });

  test('is retried at once when a refresh fails, and continues as before', () => {
    const life = lived(30_000, 9, failing('ConnectionLost'), failing('Unreachable'), answered(9));
    expect(kinds(life).slice(0, 4)).toEqual(['granted', 'refreshFailed', 'refreshFailed', 'refreshed']);
    expect(life.asked.map(({ at }) => at).slice(0, 4)).toEqual([3_000, 3_251, 3_502, 6_502]);
    expect(life.end).toBeUndefined();
  });

  test('is refreshed at once on request, and a third of its TTL after that', () => {
    const life = runInVirtualTime((time) => {
      const made = live(time, 60, answered(60));
      time.at(5_000, made.want);
      // The running refresh is enough.
      time.at(5_000, made.want);
      time.at(30_000, () => made.leave());
      time.flush();
      return made;
    });
    expect(life.asked.map(({ at }) => at)).toEqual([5_000, 25_000]);
    expect(life.events[1]).toEqual({ at: 5_001, event: { type: 'refreshed', remainingMs: 59_999 } });
  });

  test('with a short TTL is retried sooner', () => {
    const life = lived(3_000, 2, failingAtOnce('Unreachable'));
    expect(life.asked.map(({ at }) => Math.round(at)).slice(0, 3)).toEqual([667, 867, 1_067]);
    expect(life.end).toEqual({ at: 2_000, reason: 'LeaseLost' });
  });

  test('limits the time of a refresh, so that two others can follow', () => {
    const { asked } = lived(3_000, 6, answered(6));
    expect(asked).toEqual([{ at: 2_000, timeoutMs: 1_000 }]);
  });

  test('is lost at once when the server reports that it has ended', () => {
    const life = lived(HOUR, 60, answered(60), failing('LeaseNotFound'));
    expect(life.end).toEqual({ at: 40_001, reason: 'LeaseLost' });
    expect((life.error as EtcdError).cause).toMatchObject({ reason: 'LeaseNotFound' });
  });

  test('is lost at once when the server rejects its refresh permanently', () => {
    expect(lived(HOUR, 60, failing('PermissionDenied')).end).toEqual({ at: 20_001, reason: 'LeaseLost' });
  });

  test.each(['Unknown', 'Canceled', 'MalformedResponse', 'AuthFailed', 'TlsFailed', 'InvalidOption', 'UnsupportedServerVersion'] as const)(
    'continues after %s, which proves nothing, and is lost only when its time has passed',
    (reason) => {
      const kept = lived(HOUR / 60, 60, failing(reason), answered(60));
      expect(kept.end).toBeUndefined();
      expect(kinds(kept).slice(0, 3)).toEqual(['granted', 'refreshFailed', 'refreshed']);
      const lost = lived(HOUR, 60, failing(reason));
      expect(lost.end).toEqual({ at: 60_000, reason: 'LeaseLost' });
      expect((lost.error as EtcdError).cause).toMatchObject({ reason });
    },
  );

  test('is retried less often after a failure that is not transient', () => {
    expect(lived(HOUR, 60, failing('AuthFailed')).asked.length).toBeLessThan(10);
    expect(lived(HOUR, 60, failing('ConnectionLost')).asked.length).toBeGreaterThan(100);
  });

  test('is shown with the hexadecimal id of etcdctl, too', () => {
    const { error } = lived(HOUR, 60, failing('LeaseNotFound'));
    expect((error as EtcdError).message).toContain(`lease ${idToHex(ID)} (${ID})`);
  });

  test('leaves no timer when it is unsubscribed, in any state', () => {
    for (const [answer, leaveAt] of [
      [answered(9), 1],
      [silent, 3_500],
      [failing('Unreachable'), 3_100],
      [answered(9), 4_000],
    ] as const) {
      runInVirtualTime((time) => {
        const life = live(time, 9, answer);
        time.at(leaveAt, () => {
          life.leave();
          expect(time.timers()).toBe(0);
        });
        time.flush();
        expect(time.now()).toBe(leaveAt);
      });
    }
  });

  test('leaves no timer when it is lost', () => {
    runInVirtualTime((time) => {
      live(time, 9, failing('Unreachable'));
      time.flush();
      expect(time.timers()).toBe(0);
      expect(time.now()).toBeLessThan(10_000);
    });
  });
});

describe('a lease, when the wall clock', () => {
  test('is set back by an hour, is still lost in time', () => {
    runInVirtualTime((time) => {
      const life = live(time, 10, silent);
      time.at(5_000, () => time.stepWall(-HOUR));
      time.flush();
      expect(life.end).toEqual({ at: 10_000, reason: 'LeaseLost' });
    });
  });

  test('is set back by an hour, is refreshed as before', () => {
    runInVirtualTime((time) => {
      const life = live(time, 9, answered(9));
      time.at(1_000, () => time.stepWall(-HOUR));
      time.at(HOUR, () => life.leave());
      time.flush();
      expect(life.end).toBeUndefined();
      expect(life.asked.length).toBeGreaterThan(HOUR / 3_000 - 3);
    });
  });

  test('shows that the machine slept for longer than the lease, is lost within a second after waking up', () => {
    runInVirtualTime((time) => {
      const life = live(time, 60, silent);
      time.at(5_000, () => time.stepWall(HOUR));
      time.flush();
      expect(life.end?.reason).toBe('LeaseLost');
      expect(life.end?.at).toBeLessThanOrEqual(6_000);
    });
  });

  test('shows that the machine slept while a response arrived, is lost by that response', () => {
    runInVirtualTime((time) => {
      // Sent at 3 s; the machine sleeps for a minute, and reads the response when it wakes.
      const life = live(time, 9, answered(9, 100));
      time.at(3_050, () => time.stepWall(60_000));
      time.flush();
      expect(life.end).toEqual({ at: 3_100, reason: 'LeaseLost' });
      expect(kinds(life)).toEqual(['granted']);
    });
  });
});
