import { bound, GUARDED, holds, readBaseline, type Baseline } from './baseline.js';
import { measure, say } from './measure.js';
import type { Result } from './result.js';
import type { Scenario, Stage } from './scenario.js';

const SIDES = ['ours', 'floor'] as const;

/**
 * Returns whether the rows that CI checks are about as fast as before, by their ratio to the floor. The floor is
 * measured in the same rounds, so a slow machine slows both. A row that failed in the quick run is measured again at
 * full length before it counts, as a few short rounds can have bad luck.
 */
export async function guard(scenarios: readonly Scenario[], { server }: Pick<Stage, 'server'>): Promise<boolean> {
  const baseline = await readBaseline();
  const guarded = scenarios.filter(({ rows }) => rows.some(({ name }) => GUARDED.includes(name)));
  const first = await rows(guarded, { server, quick: true, who: SIDES });
  const fallen = first.filter((result) => !holds(result, baseline));
  const again = guarded.filter((scenario) => fallen.some(({ row }) => scenario.rows.includes(row)));
  const second = again.length === 0 ? [] : await rows(again, { server, quick: false, who: SIDES });
  const last = first.map((result) => second.find(({ row }) => row === result.row) ?? result);
  for (const result of last) say(verdict(result, baseline));
  return last.length === GUARDED.length && last.every((result) => holds(result, baseline));
}

async function rows(scenarios: readonly Scenario[], stage: Stage): Promise<readonly Result[]> {
  const { results } = await measure(scenarios, stage);
  return results.filter(({ row }) => GUARDED.includes(row.name));
}

function verdict(result: Result, baseline: Baseline): string {
  const { row, toFloor } = result;
  const limit = `${row.better === 'more' ? 'at least' : 'at most'} ${bound(row, baseline).toFixed(2)}`;
  return `${holds(result, baseline) ? 'holds' : 'FELL'}  ${row.name}: ${toFloor?.median.toFixed(2) ?? 'not measured'} of the floor, ${limit} is asked for`;
}
