import { writeFile } from 'node:fs/promises';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { writeBaseline } from './baseline.js';
import { writeDocs } from './docs.js';
import { guard } from './guard.js';
import { load, machine } from './machine.js';
import { measure, say } from './measure.js';
import { optionsOf, UsageError, type Options } from './options.js';
import { toJson } from './result.js';
import { scaleBench } from './scale/main.js';
import { scenarios } from './scenarios/index.js';
import { COLUMNS, markdownTable, textTable } from './table.js';

const ALL_SIDES = ['ours', 'peer', 'floor'] as const;

/**
 * Measures the requested scenarios, and writes the figures to the requested places. @returns whether all scenarios
 * could be measured
 */
async function bench({ scenarios: asked, shows, quick, json, docs }: Options, server: EtcdServer): Promise<boolean> {
  const before = load();
  const measured = await measure(asked, { server, quick, who: ALL_SIDES });
  const results = measured.results.filter(({ row }) => shows(row));
  const made = `${machine(server.version)}; load ${before} before, ${load()} after; ${quick ? 'quick' : 'full'} run.`;
  process.stdout.write(`\n${textTable(COLUMNS, results)}\n\n${made}\n`);
  if (json !== undefined) await writeFile(json, `${JSON.stringify(results.map(toJson), undefined, 2)}\n`);
  if (docs) {
    say(`written: ${await writeDocs(`\n${markdownTable(COLUMNS, results)}\n\n${made}\n`)}`);
    say(`written: ${await writeBaseline(results)}`);
  }
  return measured.whole;
}

async function main(options: Options): Promise<boolean> {
  const server = await startEtcd({ own: true, version: process.env['ETCD_VERSION'] ?? '3.5' });
  try {
    return options.guard ? await guard(scenarios, { server }) : await bench(options, server);
  } finally {
    await server.stop();
  }
}

try {
  const args = process.argv.slice(2);
  const well = args.includes('--scale') ? await scaleBench(args) : await main(optionsOf(args, scenarios));
  // Tests check that nothing is left open; here an open handle must not delay the exit.
  process.exit(well ? 0 : 1);
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  say(error.message);
  process.exitCode = 2;
}
