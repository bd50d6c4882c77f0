import { expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, map, NEVER, throwError, timer, toArray, type Observable } from 'rxjs';
import { hedged } from '../../../src/util/rx.js';

/** Runs of these durations, which begin in order and emit their index. */
function runs(...times: readonly number[]): { readonly run: () => Observable<number>; readonly begun: () => number } {
  let begun = 0;
  const run = (): Observable<number> => {
    const number = ++begun;
    const ms = times[number - 1];
    return ms === undefined ? NEVER : timer(ms).pipe(map(() => number));
  };
  return { run, begun: () => begun };
}

test('a source that emits in time is subscribed to once', async () => {
  const { run, begun } = runs(10);
  expect(await lastValueFrom(hedged(run, 5_000).pipe(toArray()))).toEqual([1]);
  expect(begun()).toBe(1);
});

test('a source that is late is subscribed to a second time, and the first value counts', async () => {
  expect(await firstValueFrom(hedged(runs(60_000, 1).run, 10))).toBe(2);
  expect(await lastValueFrom(hedged(runs(30, 60_000).run, 5).pipe(toArray()))).toEqual([1]);
});

test('without a limit a source is subscribed to once, however long it takes', async () => {
  const { run, begun } = runs(20);
  expect(await firstValueFrom(hedged(run, Infinity))).toBe(1);
  expect(begun()).toBe(1);
});

test('an error is passed on without waiting for the limit', async () => {
  await expect(firstValueFrom(hedged(() => throwError(() => new Error('refused')), 60_000))).rejects.toThrow('refused');
});
