import { describe, expect, test } from '@jest/globals';
import { type RefreshBatch, RefreshScheduler } from '../../../../src/concurrency/lease/refreshScheduler.js';
import { virtually, type VirtualTime } from '../support.js';

interface Scene {
  readonly scheduler: RefreshScheduler;
  readonly time: VirtualTime;
  /** Puts one down whose time is over at some time, when it leaves. */
  readonly join: (name: string, options: { readonly ms: number; readonly earlyMs: number; readonly endMs?: number }) => { leave(): void };
}

/** What members were told, and when. */
function notes(test: (scene: Scene) => void): [what: string, at: number][] {
  const told: [string, number][] = [];
  virtually((time) => {
    const scheduler = new RefreshScheduler();
    const join: Scene['join'] = (name, { ms, earlyMs, endMs = 10_000 }) => {
      const lease = {
        get remainingMs() {
          return Math.max(0, endMs - time.now());
        },
        onDue: () => void told.push([name, time.now()]),
        onExpired: () => {
          told.push([`${name} ends`, time.now()]);
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
  return told;
}

test('all that wait are due at once when they are hurried, once each, and what is due already stays as it is', () => {
  const told = notes(({ join, scheduler, time }) => {
    const early = join('early', { ms: 1_000, earlyMs: 0 });
    const [one, other] = [join('one', { ms: 5_000, earlyMs: 0 }), join('other', { ms: 6_000, earlyMs: 500 })];
    time.at(2_000, () => scheduler.hurry());
    time.at(3_000, () => scheduler.hurry());
    time.at(4_000, () => [early, one, other].forEach((each) => each.leave()));
  });
  expect(told).toEqual([
    ['early', 1_000],
    ['one', 2_000],
    ['other', 2_000],
  ]);
});

describe('rounds', () => {
  test('take those along who may come earlier, and nobody comes late or earlier than that', () => {
    const told = notes(({ join }) => {
      join('first', { ms: 5_000, earlyMs: 200 });
      join('just in time for it', { ms: 5_200, earlyMs: 200 });
      join('must not come earlier', { ms: 5_050, earlyMs: 0 });
      join('too late for it', { ms: 5_201, earlyMs: 200 });
      join('too early for the last', { ms: 5_100, earlyMs: 200 });
    });
    expect(told.slice(0, 5)).toEqual([
      ['first', 5_000],
      ['just in time for it', 5_000],
      ['must not come earlier', 5_050],
      ['too early for the last', 5_100],
      ['too late for it', 5_201],
    ]);
  });

  test('tell each lease that stays of the end of its time, in time, and none that left', () => {
    const told = notes(({ time, join }) => {
      const gone = join('gone', { ms: 1_000, earlyMs: 100, endMs: 2_000 });
      join('long', { ms: 1_000, earlyMs: 100, endMs: 9_000 });
      join('short', { ms: 1_000, earlyMs: 100, endMs: 2_500 });
      time.at(1_500, () => gone.leave());
    });
    expect(told).toEqual([
      ['gone', 1_000],
      ['long', 1_000],
      ['short', 1_000],
      ['short ends', 2_500],
      ['long ends', 9_000],
    ]);
  });

  test('that all have left do not come, nor take anybody who comes later', () => {
    const told = notes(({ time, join }) => {
      const first = join('first', { ms: 1_000, earlyMs: 500 });
      first.leave();
      expect(time.timers()).toBe(0);
      join('second', { ms: 1_200, earlyMs: 500, endMs: 2_000 });
    });
    expect(told).toEqual([
      ['second', 1_200],
      ['second ends', 2_000],
    ]);
  });
});
