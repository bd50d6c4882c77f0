import { collectGarbage } from './heap.js';
import type { Contest, Figures, Round, Scenario, Stage, Who } from './scenario.js';

type Turn = readonly [Who, () => Promise<Figures>];

/**
 * Runs the rounds of a scenario, without those that only warm up. In each round the sides take turns, and each side
 * goes first equally often. So other work on the machine affects all sides alike, and only the ratios within a round
 * are compared.
 */
export async function runRounds({ rounds, prepare }: Scenario, stage: Stage): Promise<readonly Round[]> {
  const { sides, end } = await prepare(stage);
  const turns = turnsOf(sides, stage.who);
  const results: Round[] = [];
  // Garbage is collected between scenarios only: a program collects its own garbage, and so does each side in its turns.
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
