import { describe, expect, test } from '@jest/globals';
import { NEVER, Observable } from 'rxjs';
import { type LeaseEvent, LeaseKeeper } from '../../../../src/concurrency/lease/leaseKeeper.js';
import { now } from '../../../../src/util/time.js';
import type { EtcdError } from '../../../../src/errors/index.js';
import { idToHex } from '../../../../src/model/ids.js';
import { FakeLeases, keepAlivesBy, meansWith } from '../../../support/fakes/fakeLeases.js';
import { answered, failing, failingAtOnce, HOUR, ID, told, virtually, type Answer, type Told, type VirtualTime } from '../support.js';

/** An event without the lease itself. */
interface LifeEvent {
  readonly type: LeaseEvent['type'];
  readonly remainingMs: number;
  readonly error?: EtcdError;
}

const withoutLease = ({ id: _id, ttl: _ttl, lease: _lease, ...event }: LeaseEvent): LifeEvent => event;

interface Life extends Told<LifeEvent> {
  /** When a refresh was asked for, and how long the server might be silent. */
  readonly asked: { readonly at: number; readonly timeoutMs: number }[];
  /** Asks for a refresh. */
  readonly want: () => void;
}

/** The life of a lease of so many seconds, whose refreshes come to these answers, the last again and again. */
function live(time: VirtualTime, ttl: number, first: Answer, ...others: readonly Answer[]): Life {
  const answers = [first, ...others];
  const asked: Life['asked'] = [];
  const keepAlives = keepAlivesBy(({ timeoutMs }) => {
    asked.push({ at: time.now(), timeoutMs });
    return (answers[Math.min(asked.length, answers.length) - 1] ?? first)();
  });
  let want = (): void => undefined;
  const events = new Observable<LifeEvent>((subscriber) => {
    const keeper = new LeaseKeeper({ id: ID, ttl, sentAt: now() }, meansWith(new FakeLeases(), { keepAlives }), 'error', {
      next: (event) => subscriber.next(withoutLease(event)),
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    });
    want = () => void keeper.refresh().subscribe();
    keeper.start();
    return () => keeper.stop();
  });
  return Object.assign(told(time, events), { asked, want });
}

/** The same, up to its end or to a time. */
function lived(untilMs: number, ttl: number, first: Answer, ...others: readonly Answer[]): Life {
  return virtually((time) => {
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
    // Reckoned from the sending of the last.
    expect(life.asked.map(({ at }) => at)).toEqual(Array.from({ length: (24 * HOUR) / 20_000 - 1 }, (_, index) => (index + 1) * 20_000));
    expect(life.events.slice(0, 2)).toEqual([
      { at: 0, event: { type: 'granted', remainingMs: 60_000 } },
      { at: 20_005, event: { type: 'refreshed', remainingMs: 59_995 } },
    ]);
  });

  test('is refreshed by the TTL that the server grants now, should that change', () => {
    const life = lived(70_000, 30, answered(30), answered(90), answered(6));
    expect(life.asked.map(({ at }) => at).slice(0, 5)).toEqual([10_000, 20_000, 50_000, 52_000, 54_000]);
    expect(life.end).toBeUndefined();
  });

  test('is lost by the TTL that the server grants now, should that be shorter', () => {
    const life = lived(HOUR, 30, answered(6), silent);
    expect(life.asked.map(({ at }) => at)).toEqual([10_000, 12_000]);
    expect(life.end).toEqual({ at: 16_000, reason: 'LeaseLost' });
  });

  test('is lost when its time is over, not a millisecond later, though the server never answers', () => {
    const { end, events } = lived(HOUR, 10, silent);
    expect(end).toEqual({ at: 10_000, reason: 'LeaseLost' });
    expect(events).toHaveLength(1);
  });

  test('is lost in time where nothing can be reached, and says how long it still holds until then', () => {
    const life = lived(HOUR, 10, failing('Unreachable'));
    expect(life.end).toEqual({ at: 10_000, reason: 'LeaseLost' });
    expect((life.error as EtcdError).cause).toMatchObject({ reason: 'Unreachable' });
    const jams = life.events.slice(1);
    expect(jams.length).toBeGreaterThan(20);
    for (const { at, event } of jams)
      expect(event).toMatchObject({ type: 'refreshFailed', remainingMs: 10_000 - at, error: { reason: 'Unreachable' } });
  });

  test('holds for its TTL from the sending of the last refresh that was answered, not from the answer', () => {
    // Sent at 3 s and answered at 4.5 s; then never again.
    const life = lived(HOUR, 9, answered(9, 1_500), silent);
    expect(life.events[1]).toEqual({ at: 4_500, event: { type: 'refreshed', remainingMs: 7_500 } });
    expect(life.asked.map(({ at }) => at)).toEqual([3_000, 6_000]);
    expect(life.end).toEqual({ at: 12_000, reason: 'LeaseLost' });
  });

  test('is tried again at once when a refresh fails, and goes on as if nothing had been', () => {
    const life = lived(30_000, 9, failing('ConnectionLost'), failing('Unreachable'), answered(9));
    expect(kinds(life).slice(0, 4)).toEqual(['granted', 'refreshFailed', 'refreshFailed', 'refreshed']);
    expect(life.asked.map(({ at }) => at).slice(0, 4)).toEqual([3_000, 3_251, 3_502, 6_502]);
    expect(life.end).toBeUndefined();
  });

  test('is refreshed at once where that is wanted, and a third of its TTL after that', () => {
    const life = virtually((time) => {
      const made = live(time, 60, answered(60));
      time.at(5_000, made.want);
      // The one that is under way will do.
      time.at(5_000, made.want);
      time.at(30_000, () => made.leave());
      time.flush();
      return made;
    });
    expect(life.asked.map(({ at }) => at)).toEqual([5_000, 25_000]);
    expect(life.events[1]).toEqual({ at: 5_001, event: { type: 'refreshed', remainingMs: 59_999 } });
  });

  test('of a short TTL is tried again sooner', () => {
    const life = lived(3_000, 2, failingAtOnce('Unreachable'));
    expect(life.asked.map(({ at }) => Math.round(at)).slice(0, 3)).toEqual([667, 867, 1_067]);
    expect(life.end).toEqual({ at: 2_000, reason: 'LeaseLost' });
  });

  test('leaves a refresh so much time that there is some for two others', () => {
    const { asked } = lived(3_000, 6, answered(6));
    expect(asked).toEqual([{ at: 2_000, timeoutMs: 1_000 }]);
  });

  test('is lost at once when the server says that it is gone', () => {
    const life = lived(HOUR, 60, answered(60), failing('LeaseNotFound'));
    expect(life.end).toEqual({ at: 40_001, reason: 'LeaseLost' });
    expect((life.error as EtcdError).cause).toMatchObject({ reason: 'LeaseNotFound' });
  });

  test('is lost at once when the server refuses to refresh it for good', () => {
    expect(lived(HOUR, 60, failing('PermissionDenied')).end).toEqual({ at: 20_001, reason: 'LeaseLost' });
  });

  test.each(['Unknown', 'Canceled', 'MalformedResponse', 'AuthFailed', 'TlsFailed', 'InvalidOption', 'UnsupportedServerVersion'] as const)(
    'goes on after %s, which proves nothing, and is lost only when its time is over',
    (reason) => {
      const kept = lived(HOUR / 60, 60, failing(reason), answered(60));
      expect(kept.end).toBeUndefined();
      expect(kinds(kept).slice(0, 3)).toEqual(['granted', 'refreshFailed', 'refreshed']);
      const lost = lived(HOUR, 60, failing(reason));
      expect(lost.end).toEqual({ at: 60_000, reason: 'LeaseLost' });
      expect((lost.error as EtcdError).cause).toMatchObject({ reason });
    },
  );

  test('is tried again less often where the failure does not pass by itself', () => {
    expect(lived(HOUR, 60, failing('AuthFailed')).asked.length).toBeLessThan(10);
    expect(lived(HOUR, 60, failing('ConnectionLost')).asked.length).toBeGreaterThan(100);
  });

  test('is named as etcdctl shows it, too', () => {
    const { error } = lived(HOUR, 60, failing('LeaseNotFound'));
    expect((error as EtcdError).message).toContain(`lease ${idToHex(ID)} (${ID})`);
  });

  test('leaves no timer when it is unsubscribed from, in whatever state', () => {
    for (const [answer, leaveAt] of [
      [answered(9), 1],
      [silent, 3_500],
      [failing('Unreachable'), 3_100],
      [answered(9), 4_000],
    ] as const) {
      virtually((time) => {
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
    virtually((time) => {
      live(time, 9, failing('Unreachable'));
      time.flush();
      expect(time.timers()).toBe(0);
      expect(time.now()).toBeLessThan(10_000);
    });
  });
});

describe('a lease, when the wall clock', () => {
  test('is set back by an hour, is lost in time all the same', () => {
    virtually((time) => {
      const life = live(time, 10, silent);
      time.at(5_000, () => time.stepWall(-HOUR));
      time.flush();
      expect(life.end).toEqual({ at: 10_000, reason: 'LeaseLost' });
    });
  });

  test('is set back by an hour, is refreshed as before', () => {
    virtually((time) => {
      const life = live(time, 9, answered(9));
      time.at(1_000, () => time.stepWall(-HOUR));
      time.at(HOUR, () => life.leave());
      time.flush();
      expect(life.end).toBeUndefined();
      expect(life.asked.length).toBeGreaterThan(HOUR / 3_000 - 3);
    });
  });

  test('shows that the machine slept for longer than the lease, is lost within a second of the awakening', () => {
    virtually((time) => {
      const life = live(time, 60, silent);
      time.at(5_000, () => time.stepWall(HOUR));
      time.flush();
      expect(life.end?.reason).toBe('LeaseLost');
      expect(life.end?.at).toBeLessThanOrEqual(6_000);
    });
  });

  test('shows that the machine slept while an answer came, is lost by that answer rather than held', () => {
    virtually((time) => {
      // Sent at 3 s; the machine sleeps for a minute, and reads the answer when it awakes.
      const life = live(time, 9, answered(9, 100));
      time.at(3_050, () => time.stepWall(60_000));
      time.flush();
      expect(life.end).toEqual({ at: 3_100, reason: 'LeaseLost' });
      expect(kinds(life)).toEqual(['granted']);
    });
  });
});
