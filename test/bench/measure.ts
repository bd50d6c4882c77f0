import { setTimeout as delay } from 'node:timers/promises';
import { resultOf, type Result } from './result.js';
import { runRounds } from './rounds.js';
import type { Scenario, Stage } from './scenario.js';

/** Prints progress for the user; results go to stdout. */
export const say = (text: string): void => void process.stderr.write(`${text}\n`);

const PATIENCE_MS = 300_000;

/** Limits a scenario, as a wait for a lost event would never end. */
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

/** The measured figures, and whether all scenarios could be measured. */
export interface Measured {
  readonly results: readonly Result[];
  readonly whole: boolean;
}

/** Runs one scenario after another. A scenario that fails is reported and skipped, as the others do not need it. */
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
