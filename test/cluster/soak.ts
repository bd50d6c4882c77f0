/** Every fault at random, on one cluster after the other, for a given time: `npm run soak -- --minutes 10 --seed 1`. */
import { parseArgs } from 'node:util';
import { randomFrom, type Random } from '../support/random.js';
import { AUTH_FAULTS, FAULTS, TLS_FAULTS, TOKEN_TTL, type Fault } from '../support/workload/faults.js';
import { growth, growthFaults } from '../support/workload/leaks.js';
import { play } from '../support/workload/runScenario.js';
import type { Row } from '../support/workload/resultRow.js';
import { tableOf } from '../support/workload/table.js';

const USAGE = 'Usage: npm run soak -- [--minutes 5] [--seed 1] [--version 3.5]';

/** The lifetime of a cluster. At its end its writes are checked, revision by revision. */
const ROUND_MS = 90_000;
const CALLS_A_MINUTE = 2_000;
const MOST_CALLS = 50_000;

interface Options {
  readonly minutes: number;
  readonly seed: number;
  readonly version: string | undefined;
}

/** Rows of the table, and the violations. */
interface Soaked {
  readonly rows: Row[];
  readonly breaches: string[];
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

function optionsOf(args: readonly string[]): Options {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ args: [...args], options: { minutes: text, seed: text, version: text } });
  const { minutes = '5', seed = String(Math.floor(Math.random() * 2 ** 32)), version } = values;
  if (!(Number(minutes) > 0) || !Number.isSafeInteger(Number(seed))) throw new Error(USAGE);
  return { minutes: Number(minutes), seed: Number(seed), version };
}

async function soak({ minutes, seed, version }: Options): Promise<Soaked> {
  const random = randomFrom(seed);
  const begun = performance.now();
  const end = begun + minutes * 60_000;
  const soaked: Soaked = { rows: [], breaches: [] };
  const calls = Math.min(MOST_CALLS, Math.round(minutes * CALLS_A_MINUTE));
  const grown = await growth({ calls, version, onMeasured: (now) => print(JSON.stringify(now)) });
  soaked.breaches.push(...growthFaults(grown));
  for (let round = 1; performance.now() < end; round++) {
    const played = await playRound(`round ${round}`, random.fork(`round ${round}`), Math.min(end, performance.now() + ROUND_MS), version);
    soaked.rows.push(...played.rows);
    soaked.breaches.push(...played.breaches.map((what) => `round ${round}: ${what}`));
  }
  return soaked;
}

/** Chooses a cluster with TLS and auth, with one of them, or with neither. */
async function playRound(title: string, random: Random, end: number, version: string | undefined) {
  const [tls, auth] = [random.chance(0.5), random.chance(0.5)];
  const faults: readonly (readonly [string, Fault])[] = Object.entries({ ...FAULTS, ...(tls && TLS_FAULTS), ...(auth && AUTH_FAULTS) });
  const heading = [title, tls ? 'TLS' : 'no TLS', auth ? 'auth' : 'no auth'].join(', ');
  print(heading);
  const next = () => (performance.now() < end ? random.pick(faults) : undefined);
  return play({ version, tls, auth, ...(auth && { tokenTtl: TOKEN_TTL }), random, next, onFault: (name) => print(`  ${name}`) });
}

async function main(): Promise<void> {
  const options = optionsOf(process.argv.slice(2));
  print(`SEED=${options.seed}, ${options.minutes} minutes`);
  const { rows, breaches } = await soak(options);
  print(`\n${tableOf(rows)}\n`);
  for (const { fault, readsBack, slowest } of rows)
    if (slowest !== undefined) print(`  ${fault}, a read of ${Math.round(readsBack)} ms: ${slowest}`);
  print(breaches.length === 0 ? `All held, SEED=${options.seed}` : `${breaches.length} breaches, SEED=${options.seed}:`);
  for (const what of breaches.slice(0, 50)) print(`  ${what}`);
  process.exitCode = breaches.length === 0 ? 0 : 1;
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  process.exitCode = 2;
});
