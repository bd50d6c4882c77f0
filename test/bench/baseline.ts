import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { projectRoot } from '../support/etcd/project.js';
import type { Result } from './result.js';
import type { Row } from './scenario.js';

/**
 * The rows that CI checks: a call that writes, one that reads, a large response, a stream, a change of a live range,
 * and loading the package.
 */
export const GUARDED: readonly string[] = ['put-64', 'get-64-single', 'range-5000', 'watch-replay-50k', 'import'];

/** The share of the recorded ratio that still passes. */
const SHARE = 0.7;

/** The ratios of the guarded rows to the floor, in the run whose figures are in the docs. */
export type Baseline = Readonly<Record<string, number>>;

const file = (): string => join(projectRoot(), 'test', 'bench', 'baseline.json');

export const readBaseline = async (): Promise<Baseline> => JSON.parse(await readFile(file(), 'utf8')) as Baseline;

/** Records the measured rows, and keeps the others unchanged. */
export async function writeBaseline(results: readonly Result[]): Promise<string> {
  const measured = results.flatMap(({ row: { name }, toFloor }) =>
    toFloor === undefined || !GUARDED.includes(name) ? [] : [[name, Number(toFloor.median.toFixed(3))] as const],
  );
  const baseline = { ...(await readBaseline()), ...Object.fromEntries(measured) };
  await writeFile(file(), `${JSON.stringify(baseline, undefined, 2)}\n`);
  return file();
}

/** Returns the worst ratio to the floor that still passes. */
export function bound({ better, name }: Row, baseline: Baseline): number {
  const recorded = baseline[name];
  if (recorded === undefined) throw new Error(`${file()} has no ${name}: npm run bench -- --docs --only ${name} records it`);
  return better === 'more' ? recorded * SHARE : recorded / SHARE;
}

/** Returns whether a row is within its bound. */
export function holds({ row, toFloor }: Result, baseline: Baseline): boolean {
  const ratio = toFloor?.median ?? NaN;
  return row.better === 'more' ? ratio >= bound(row, baseline) : ratio <= bound(row, baseline);
}
