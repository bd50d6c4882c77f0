import { describe, expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { asyncScheduler } from 'rxjs';
import { TimerQueue, type TimerEntry } from '../../../../src/concurrency/lease/refreshScheduler.js';
import { HOUR, runInVirtualTime, type VirtualTime } from '../support.js';

/** The functions that ran, and when. */
function run(
  test: (queue: TimerQueue, note: (what: string | number) => () => void, time: VirtualTime) => void,
): [string | number, number][] {
  const notes: [string | number, number][] = [];
  runInVirtualTime((time) => {
    test(new TimerQueue(), (what) => () => notes.push([what, time.now()]), time);
    time.flush();
  });
  return notes;
}

describe('a queue of timers', () => {
  test('runs each task at its time, whatever the order of scheduling and cancelling', () => {
    const step = fc.record({ afterMs: fc.nat(50), ms: fc.nat(5_000), cancelAfterMs: fc.option(fc.nat(5_000), { nil: undefined }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const expected: [number, number][] = [];
        const actual = run((queue, note, { at }) => {
          let begun = 0;
          steps.forEach(({ afterMs, ms, cancelAfterMs }, index) => {
            begun += afterMs;
            if (cancelAfterMs === undefined || cancelAfterMs > ms) expected.push([index, begun + ms]);
            at(begun, () => {
              const appointment = queue.in(ms, note(index));
              // A timer that is cancelled in the same moment in which it is due may run or not; none is cancelled so here.
              if (cancelAfterMs !== undefined && cancelAfterMs !== ms) at(cancelAfterMs, () => appointment.cancel());
              else if (cancelAfterMs === ms) appointment.cancel();
            });
          });
        });
        const sorted = (list: readonly (readonly (string | number)[])[]) =>
          [...list].sort((a, b) => Number(a[1]) - Number(b[1]) || Number(a[0]) - Number(b[0]));
        expect(sorted(actual)).toEqual(sorted(expected));
        expect(actual.map(([, when]) => when)).toEqual([...actual.map(([, when]) => when)].sort((a, b) => a - b));
      }),
      { numRuns: 300 },
    );
  });

  test('sets one timer for any number of tasks, and none without tasks', () => {
    runInVirtualTime(({ timers, flush }) => {
      const queue = new TimerQueue();
      expect(timers()).toBe(0);
      const made = Array.from({ length: 1_000 }, (_, index) => queue.in(((index * 7_919) % 1_000) + 1, () => undefined));
      expect(timers()).toBe(1);
      for (const appointment of made.slice(0, 999)) appointment.cancel();
      expect(timers()).toBe(1);
      made.at(-1)?.cancel();
      expect(timers()).toBe(0);
      queue.in(5, () => undefined);
      flush();
      expect(timers()).toBe(0);
    });
  });

  test('ignores the cancelling of a task that has run', () => {
    const notes = run((queue, note, { at }) => {
      const first = queue.in(10, note('first'));
      queue.in(30, note('second'));
      at(20, () => first.cancel());
    });
    expect(notes).toEqual([
      ['first', 10],
      ['second', 30],
    ]);
  });

  test('schedules and cancels tasks while it runs one', () => {
    const notes = run((queue, note) => {
      const later: TimerEntry = queue.in(20, note('never'));
      queue.in(10, () => {
        later.cancel();
        queue.in(0, note('at once'));
        queue.in(15, note('next'));
      });
    });
    expect(notes).toEqual([
      ['at once', 10],
      ['next', 25],
    ]);
  });

  test('waits for longer than the longest timer of Node, which would fire at once', async () => {
    const schedule = jest.spyOn(asyncScheduler, 'schedule');
    let ran = false;
    const appointment = new TimerQueue().in(9e12, () => (ran = true));
    await new Promise((resolve) => setTimeout(resolve, 30));
    appointment.cancel();
    expect(ran).toBe(false);
    expect(schedule).toHaveBeenCalledTimes(1);
    schedule.mockRestore();
  });
});

describe('a queue of timers, when the wall clock', () => {
  test('is set back, keeps its times', () => {
    const notes = run((queue, note, { at, stepWall }) => {
      queue.in(10_000, note('due'));
      at(3_000, () => stepWall(-HOUR));
      at(4_000, () => void queue.in(10_000, note('made after it')));
    });
    expect(notes).toEqual([
      ['due', 10_000],
      ['made after it', 14_000],
    ]);
  });

  test('jumps ahead, or the machine has slept, runs due tasks within a second', () => {
    const notes = run((queue, note, { at, stepWall }) => {
      queue.in(100_000, note('due'));
      queue.in(HOUR, note('not yet due'));
      at(3_500, () => stepWall(100_000));
    });
    expect(notes[0]?.[1]).toBeLessThanOrEqual(4_500);
    expect(notes[1]).toEqual(['not yet due', HOUR - 100_000]);
  });

  test('jumps ahead and back again, neither stops nor hurries', () => {
    const notes = run((queue, note, { at, stepWall }) => {
      at(1_000, () => stepWall(HOUR));
      at(2_000, () => stepWall(-HOUR));
      at(3_000, () => void queue.in(60_000, note('due')));
      at(20_000, () => stepWall(10_000));
    });
    expect(notes).toEqual([['due', 53_000]]);
  });
});
