import { expect, test } from '@jest/globals';
import { lockRun } from './support/lockRun.js';
import { runAll } from './support/runs.js';

/** Many more by hand: `KIND=locks RUNS=10000 npm run virtual`. */
const RUNS = 20;

test('a lock has one owner at a time during ten minutes of faults, and each loss is noticed in time', async () => {
  const { failures, figures } = await runAll('locks', RUNS, lockRun);
  expect(failures).toEqual([]);
  expect(figures.reduce((sum, { writes }) => sum + writes, 0)).toBeGreaterThan(20 * RUNS);
  expect(figures.reduce((sum, { lost }) => sum + lost, 0)).toBeGreaterThan(0);
});
