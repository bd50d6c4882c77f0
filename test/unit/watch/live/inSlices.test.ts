import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, firstValueFrom } from 'rxjs';
import { inSlices, type Steps } from '../../../../src/watch/live/listAndWatch.js';
import { kv } from '../../../operators/support.js';
import { entriesOf } from '../support.js';

function* counting(steps: number, at: (step: number) => void): Steps<string> {
  for (let step = 0; step < steps; step++) {
    at(step);
    yield;
  }
  return `${steps} steps`;
}

/** Returns the longest run of steps between two turns of the event loop, measured by a timer that is always due. */
async function longestRun(work: (step: () => void) => Promise<unknown>): Promise<number> {
  let [run, longest] = [0, 0];
  const turns = asyncScheduler.schedule(function () {
    run = 0;
    this.schedule();
  });
  await work(() => {
    run += 1;
    longest = Math.max(longest, run);
  });
  turns.unsubscribe();
  return longest;
}

describe('long work', () => {
  test('is done in slices with a turn of the event loop between them, and its result is emitted', async () => {
    const seen: number[] = [];
    const longest = await longestRun(async (step) => {
      const result = await firstValueFrom(
        inSlices(() =>
          counting(100_000, (index) => {
            seen.push(index);
            step();
          }),
        ),
      );
      expect(result).toBe('100000 steps');
    });
    expect(seen).toEqual(Array.from({ length: 100_000 }, (_, index) => index));
    expect(longest).toBeLessThan(20_000);
  });

  test('waits for the next turn after a few long steps', async () => {
    const longest = await longestRun(async (step) => {
      const result = await firstValueFrom(
        inSlices(() =>
          counting(200, () => {
            step();
            for (const end = performance.now() + 1; performance.now() < end;);
          }),
        ),
      );
      expect(result).toBe('200 steps');
    });
    expect(longest).toBeLessThan(50);
  });

  test('ends when no subscriber waits for it any more', async () => {
    let steps = 0;
    const working = inSlices(() => counting(1_000_000, () => (steps += 1))).subscribe();
    await new Promise<void>((resolve) => asyncScheduler.schedule(() => resolve(), 5));
    working.unsubscribe();
    const done = steps;
    await new Promise<void>((resolve) => asyncScheduler.schedule(() => resolve(), 5));
    expect(steps).toBe(done);
    expect(steps).toBeLessThan(1_000_000);
  });

  test('passes its error to the waiting subscribers', async () => {
    const failing = inSlices(() =>
      counting(5, () => {
        throw new Error('boom');
      }),
    );
    await expect(firstValueFrom(failing)).rejects.toThrow('boom');
  });

  test('includes the changes of a live range while its history was lost', async () => {
    const many = (revision: number) => entriesOf(Array.from({ length: 50_000 }, (_, index) => kv(`k${index}`, 'v', revision)));
    const [before, later] = [many(2), many(9)];
    const changing = before.changesTo(later, 9);
    const longest = await longestRun(async (step) => {
      const changes = await firstValueFrom(
        inSlices(function* () {
          for (let next = changing.next(); ; next = changing.next()) {
            if (next.done === true) return next.value;
            step();
            yield;
          }
        }),
      );
      expect(changes).toHaveLength(50_000);
    });
    expect(longest).toBeLessThan(20_000);
  });
});
