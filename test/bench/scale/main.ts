import { findEtcd } from '../../support/etcd/index.js';
import { writeDocs } from '../docs.js';
import { load, machine } from '../machine.js';
import { say } from '../measure.js';
import { markdownTable, textTable } from '../table.js';
import { verdictsOf } from './goals.js';
import { scaleOptionsOf } from './options.js';
import type { ScaleResult } from './result.js';
import { runScale } from './run.js';
import { scaleScenarios } from './scenarios/index.js';
import { scaleColumns } from './table.js';

/** `npm run bench -- --scale`. Resolves to whether all scenarios ran and all goals hold. */
export async function scaleBench(args: readonly string[]): Promise<boolean> {
  const options = scaleOptionsOf(args, scaleScenarios);
  const { version } = await findEtcd({ own: true, version: process.env['ETCD_VERSION'] ?? '3.5' });
  const before = load();
  const results: ScaleResult[] = [];
  let whole = true;
  for (const scenario of options.scenarios) {
    try {
      results.push(...(await runScale(scenario, { ...options, version })));
    } catch (error) {
      whole = false;
      say(`${scenario.name} failed: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
    }
  }
  const columns = scaleColumns(options);
  const made = `${machine(version)}; load ${before} before, ${load()} after${options.short ? '; short form' : ''}.`;
  process.stdout.write(`\n${textTable(columns, results)}\n\n${made}\n`);
  if (options.docs) say(`written: ${await writeDocs(`\n${markdownTable(columns, results)}\n\n${made}\n`, 'scale')}`);
  const missed = results.flatMap((result) =>
    verdictsOf(result, options).flatMap(({ goal, holds }) => (holds ? [] : [[result, goal] as const])),
  );
  for (const [{ scenario, row }, goal] of missed) say(`MISSED  ${scenario}, ${row.figure}: ${goal}`);
  return whole && missed.length === 0;
}
