import { startEtcd } from '../../support/etcd/index.js';
import { say } from '../measure.js';
import type { Who } from '../scenario.js';
import { least } from '../stats.js';
import { measureInChild } from './child.js';
import { verdictsOf } from './goals.js';
import { scaleResultOf, type ScaleResult } from './result.js';
import { stageOf, type Sample, type ScaleScenario } from './scenario.js';

const ALL_SIDES: readonly Who[] = ['ours', 'peer', 'floor'];

export interface RunOptions {
  /** Measures only ours, at small sizes, and checks the goals that hold on any machine. */
  readonly short: boolean;
  readonly version: string;
}

/** Rounds of the short form for a scenario that missed a goal in its first run. */
const ROUNDS_AGAIN = 3;

/**
 * Runs a scenario. In the short form a scenario that missed a goal runs again, in several rounds. Its counts are then
 * those of the second run, and its costs the lowest of both runs. Other work on the machine only adds to a cost, and a
 * quadratic cost has no round that is linear.
 */
export async function runScale(scenario: ScaleScenario, options: RunOptions): Promise<readonly ScaleResult[]> {
  const { name, rows, rounds = { full: 3, short: 1 } } = scenario;
  const first = await samplesOf(scenario, { ...options, rounds: options.short ? rounds.short : rounds.full });
  const results = rows.map((row) => scaleResultOf(name, row, first));
  const holds = results.every((result) => verdictsOf(result, options).every((verdict) => verdict.holds));
  if (holds || !options.short) return results;
  const second = await samplesOf(scenario, { ...options, rounds: ROUNDS_AGAIN });
  return rows.map((row) =>
    row.count === true ? scaleResultOf(name, row, second) : scaleResultOf(name, row, [...first, ...second], { of: least }),
  );
}

async function samplesOf(
  scenario: ScaleScenario,
  { short, version, rounds }: RunOptions & { readonly rounds: number },
): Promise<readonly Sample[]> {
  const { name, subjects, serverArgs = [] } = scenario;
  const sizes = short ? scenario.sizes.short : scenario.sizes.full;
  const whose = ALL_SIDES.filter((who) => subjects[who] !== undefined && (!short || who === 'ours'));
  const start = performance.now();
  const server = await startEtcd({ own: true, version, args: serverArgs });
  const samples: Sample[] = [];
  try {
    for (const size of sizes) {
      const stage = stageOf(server, size);
      await scenario.prepare?.(stage);
      for (let round = 0; round < rounds; round++) {
        const first = round % whose.length;
        // Each subject goes first as often as the others.
        for (const who of [...whose.slice(first), ...whose.slice(0, first)]) {
          samples.push({ who, size, round, figures: await measureInChild({ scenario: name, who, stage }) });
        }
      }
    }
  } finally {
    await server.stop();
  }
  say(`${name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return samples;
}
