import { collectGarbage } from './heap.js';
import type { Contest, Figures, Round, Scenario, Stage, Who } from './scenario.js';

type Turn = readonly [Who, () => Promise<Figures>];

/**
 * Rounds of a scenario, those that only warm up left out. In each of them the sides take turns, each going first as often as the others, so that whatever
 * else the machine does falls on all alike: it is the ratios within a round that are compared.
 */
export async function runRounds({ rounds, prepare }: Scenario, stage: Stage): Promise<readonly Round[]> {
  const { sides, end } = await prepare(stage);
  const turns = turnsOf(sides, stage.who);
  const results: Round[] = [];
  // Between scenarios only: a program collects its own garbage, and so does each side in its turns.
  collectGarbage();
  try {
    for (let index = 0; index < rounds.warmUp + (stage.quick ? rounds.quick : rounds.full); index++) {
      const round = await roundOf(turns, index % turns.length);
      if (index >= rounds.warmUp) results.push(round);
    }
  } finally {
    await end();
  }
  return results;
}

const turnsOf = (sides: Contest['sides'], who: readonly Who[]): readonly Turn[] =>
  who.flatMap((each) => {
    const run = sides[each];
    return run === undefined ? [] : [[each, run] as const];
  });

async function roundOf(turns: readonly Turn[], first: number): Promise<Round> {
  const results: Partial<Record<Who, Figures>> = {};
  for (const [who, run] of [...turns.slice(first), ...turns.slice(0, first)]) {
    results[who] = await run();
  }
  return results;
}
