import { describe, expect, test } from '@jest/globals';
import { type RefreshBatch, RefreshScheduler } from '../../../../src/concurrency/lease/refreshScheduler.js';
import { runInVirtualTime, type VirtualTime } from '../support.js';

interface Scene {
  readonly scheduler: RefreshScheduler;
  readonly time: VirtualTime;
  /** A member that records its events with their times. */
  readonly join: (name: string, options: { readonly ms: number; readonly earlyMs: number; readonly endMs?: number }) => { leave(): void };
}

/** The events of members, and their times. */
function notes(test: (scene: Scene) => void): [what: string, at: number][] {
  const events: [string, number][] = [];
  runInVirtualTime((time) => {
    const scheduler = new RefreshScheduler();
    const join: Scene['join'] = (name, { ms, earlyMs, endMs = 10_000 }) => {
      const lease = {
        get remainingMs() {
          return Math.max(0, endMs - time.now());
        },
        onDue: () => void events.push([name, time.now()]),
        onExpired: () => {
          events.push([`${name} ends`, time.now()]);
          batch.leave(lease);
        },
      };
      const batch: RefreshBatch = scheduler.schedule(ms, earlyMs, lease);
      return { leave: () => batch.leave(lease) };
    };
    test({ time, join, scheduler });
    time.flush();
    expect(time.timers()).toBe(0);
  });
  return events;
}

test('all waiting leases are due at once when they are hurried, once each, and those already due stay so', () => {
  const events = notes(({ join, scheduler, time }) => {
    const early = join('early', { ms: 1_000, earlyMs: 0 });
    const [one, other] = [join('one', { ms: 5_000, earlyMs: 0 }), join('other', { ms: 6_000, earlyMs: 500 })];
    time.at(2_000, () => scheduler.hurry());
    time.at(3_000, () => scheduler.hurry());
    time.at(4_000, () => [early, one, other].forEach((each) => each.leave()));
  });
  expect(events).toEqual([
    ['early', 1_000],
    ['one', 2_000],
    ['other', 2_000],
  ]);
});

describe('rounds of refreshes', () => {
  test('include leases that may be refreshed earlier, and refresh none too late or too early', () => {
    const events = notes(({ join }) => {
      join('first', { ms: 5_000, earlyMs: 200 });
      join('just in time for it', { ms: 5_200, earlyMs: 200 });
      join('must not come earlier', { ms: 5_050, earlyMs: 0 });
      join('too late for it', { ms: 5_201, earlyMs: 200 });
      join('too early for the last', { ms: 5_100, earlyMs: 200 });
    });
    expect(events.slice(0, 5)).toEqual([
      ['first', 5_000],
      ['just in time for it', 5_000],
      ['must not come earlier', 5_050],
      ['too early for the last', 5_100],
      ['too late for it', 5_201],
    ]);
  });

  test('notify each remaining lease of its end in time, and none that was removed', () => {
    const events = notes(({ time, join }) => {
      const gone = join('gone', { ms: 1_000, earlyMs: 100, endMs: 2_000 });
      join('long', { ms: 1_000, earlyMs: 100, endMs: 9_000 });
      join('short', { ms: 1_000, earlyMs: 100, endMs: 2_500 });
      time.at(1_500, () => gone.leave());
    });
    expect(events).toEqual([
      ['gone', 1_000],
      ['long', 1_000],
      ['short', 1_000],
      ['short ends', 2_500],
      ['long ends', 9_000],
    ]);
  });

  test('without leases are skipped, and include no later lease', () => {
    const events = notes(({ time, join }) => {
      const first = join('first', { ms: 1_000, earlyMs: 500 });
      first.leave();
      expect(time.timers()).toBe(0);
      join('second', { ms: 1_200, earlyMs: 500, endMs: 2_000 });
    });
    expect(events).toEqual([
      ['second', 1_200],
      ['second ends', 2_000],
    ]);
  });
});
