import { setTimeout as delay } from 'node:timers/promises';
import { resultOf, type Result } from './result.js';
import { runRounds } from './rounds.js';
import type { Scenario, Stage } from './scenario.js';

/** To whoever waits; what is to be kept goes to stdout. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

const PATIENCE_MS = 300_000;

/** What waits for an event that was lost would wait for ever. */
async function tooLong(signal: AbortSignal): Promise<never> {
  await delay(PATIENCE_MS, undefined, { signal });
  throw new Error(`not done within ${PATIENCE_MS / 1000} s`);
}

async function measureOne(scenario: Scenario, stage: Stage): Promise<readonly Result[]> {
  const start = performance.now();
  const patience = new AbortController();
  const rounds = await Promise.race([runRounds(scenario, stage), tooLong(patience.signal)]);
  patience.abort();
  say(`${scenario.name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return scenario.rows.map((row) => resultOf(row, rounds));
}

/** What was measured, and whether all of it could be. */
export interface Measured {
  readonly results: readonly Result[];
  readonly whole: boolean;
}

/** One scenario after another; one that fails is told of and left out, for the others can do without it. */
export async function measure(scenarios: readonly Scenario[], stage: Stage): Promise<Measured> {
  const results: Result[] = [];
  let whole = true;
  for (const scenario of scenarios) {
    try {
      results.push(...(await measureOne(scenario, stage)));
    } catch (error) {
      whole = false;
      say(`${scenario.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  return { results, whole };
}
