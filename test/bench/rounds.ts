import { collectGarbage } from './heap.js';
import type { Contest, Figures, Round, Scenario, Stage, Who } from './scenario.js';

/** Rounds of a scenario, those that only warm up left out. */
export async function runRounds({ rounds, prepare }: Scenario, stage: Stage): Promise<readonly Round[]> {
  const contest = await prepare(stage);
  const results: Round[] = [];
  try {
    for (let index = 0; index < rounds.warmUp + (stage.quick ? rounds.quick : rounds.full); index++) {
      const round = await contest.round(index);
      if (index >= rounds.warmUp) results.push(round);
    }
  } finally {
    await contest.end();
  }
  return results;
}

/**
 * Each side in turn, and each first as often as the others, so that whatever else the machine does falls on all alike: it is the ratios within a round
 * that are compared.
 */
export function inTurn(sides: Readonly<Partial<Record<Who, () => Promise<Figures>>>>): Contest['round'] {
  const entries = Object.entries(sides) as [Who, () => Promise<Figures>][];
  return async (index) => {
    const first = index % entries.length;
    const results: Partial<Record<Who, Figures>> = {};
    for (const [who, run] of [...entries.slice(first), ...entries.slice(0, first)]) {
      // What one side leaves behind is not for the next to clear away.
      collectGarbage();
      results[who] = await run();
    }
    return results;
  };
}
