import { expect, test } from '@jest/globals';
import { cacheRun } from './support/cacheRun.js';
import { runAll } from './support/runs.js';

/** Many more by hand: `KIND=cache RUNS=10000 npm run virtual`. */
const RUNS = 6;

test('an hour of faults makes no linearizable read of a cache stale or wrong, unlike local reads', async () => {
  const { failures, figures } = await runAll('cache', RUNS, cacheRun);
  expect(failures).toEqual([]);
  const sum = (of: (each: (typeof figures)[number]) => number): number => figures.reduce((total, each) => total + of(each), 0);
  expect(sum(({ faults }) => faults)).toBeGreaterThan(5 * RUNS);
  expect(sum(({ linearizable }) => linearizable)).toBeGreaterThan(100 * RUNS);
  expect(sum(({ staleLocal }) => staleLocal)).toBeGreaterThan(0);
  expect(sum(({ lists }) => lists)).toBeGreaterThan(0);
});
