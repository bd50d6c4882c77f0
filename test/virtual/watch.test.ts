import { expect, test } from '@jest/globals';
import { runAll } from './support/runs.js';
import { watchRun } from './support/watchRun.js';

/** Many more by hand: `RUNS=10000 npm run virtual`. */
const RUNS = 40;

test('an hour of faults breaks no guarantee of a watch, a live range or a write', async () => {
  const { failures, figures } = await runAll('watch', RUNS, watchRun);
  expect(failures).toEqual([]);
  expect(figures.reduce((sum, { faults }) => sum + faults, 0)).toBeGreaterThan(5 * RUNS);
  expect(figures.reduce((sum, { wipes }) => sum + wipes, 0)).toBeGreaterThan(RUNS / 2);
  expect(figures.reduce((sum, { events }) => sum + events, 0)).toBeGreaterThan(100 * RUNS);
});
