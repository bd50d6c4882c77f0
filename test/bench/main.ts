import { writeFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { startEtcd } from '../support/etcd/index.js';
import { writeDocs } from './docs.js';
import { load, machine } from './machine.js';
import { optionsOf, UsageError, type Options } from './options.js';
import { resultOf, toJson, type Result } from './result.js';
import { runRounds } from './rounds.js';
import type { Scenario, Stage } from './scenario.js';
import { scenarios } from './scenarios/index.js';
import { markdownTable, textTable } from './table.js';

const say = (text: string): void => void process.stderr.write(`${text}\n`);

const PATIENCE_MS = 300_000;
const EVERYBODY = ['ours', 'peer', 'floor'] as const;

/** What waits for an event that was lost would wait for ever. */
async function tooLong(signal: AbortSignal): Promise<never> {
  await delay(PATIENCE_MS, undefined, { signal });
  throw new Error(`not done within ${PATIENCE_MS / 1000} s`);
}

async function measure(scenario: Scenario, stage: Stage, shows: Options['shows']): Promise<Result[]> {
  const start = performance.now();
  const patience = new AbortController();
  const rounds = await Promise.race([runRounds(scenario, stage), tooLong(patience.signal)]);
  patience.abort();
  say(`${scenario.name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return scenario.rows.filter(shows).map((row) => resultOf(row, rounds));
}

/** One scenario after another; one that fails is told of and left out, for the others can do without it. @returns whether all went well */
async function bench({ scenarios: asked, shows, quick, json, docs }: Options): Promise<boolean> {
  const version = process.env['ETCD_VERSION'] ?? '3.5';
  const server = await startEtcd({ own: true, version });
  const results: Result[] = [];
  const before = load();
  let whole = true;
  try {
    for (const scenario of asked) {
      try {
        results.push(...(await measure(scenario, { server, quick, who: EVERYBODY }, shows)));
      } catch (error) {
        whole = false;
        say(`${scenario.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
      }
    }
  } finally {
    await server.stop();
  }
  const made = `${machine(server.version)}; load ${before} before, ${load()} after; ${quick ? 'quick' : 'full'} run.`;
  process.stdout.write(`\n${textTable(results)}\n\n${made}\n`);
  if (json !== undefined) await writeFile(json, `${JSON.stringify(results.map(toJson), undefined, 2)}\n`);
  if (docs) say(`written: ${await writeDocs(`\n${markdownTable(results)}\n\n${made}\n`)}`);
  return whole;
}

try {
  const whole = await bench(optionsOf(process.argv.slice(2), scenarios));
  // Whatever was left open is for the tests to find; here it must not keep anybody waiting.
  process.exit(whole ? 0 : 1);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(error.message);
  process.exitCode = 2;
}
