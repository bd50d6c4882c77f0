import { parseArgs } from 'node:util';
import type { Row, Scenario } from './scenario.js';

/** The options of the command line. */
export interface Options {
  readonly scenarios: readonly Scenario[];
  readonly shows: (row: Row) => boolean;
  readonly quick: boolean;
  /** The file for the figures as JSON. */
  readonly json: string | undefined;
  /** Writes the table into docs/benchmarks.md, and the figures that CI checks into baseline.json. */
  readonly docs: boolean;
  /** Checks the guarded rows against baseline.json, and does nothing else. */
  readonly guard: boolean;
}

/** An invalid command line. */
export class UsageError extends Error {}

const USAGE = `npm run bench -- [--quick] [--only NAME]… [--json FILE] [--docs]
npm run bench -- --guard
npm run bench -- --scale [--short] [--only NAME]… [--docs]
  --quick      less than a minute in all, and figures that are less sure
  --only NAME  a scenario or one of its rows; may be given more than once
  --json FILE  writes the figures as JSON
  --docs       writes the table into docs/benchmarks.md, and what CI holds into test/bench/baseline.json
  --guard      fails where something fell below 0.7 of what baseline.json says of it and the floor
  --scale      costs at growing sizes: exponents, and goals that have to hold`;

/** @throws UsageError that lists the possible options */
export function optionsOf(args: readonly string[], all: readonly Scenario[]): Options {
  const { quick, only, json, docs, guard } = parsed(args);
  const names = all.flatMap(({ name, rows }) => [name, ...rows.map((row) => row.name)]);
  const unknown = only.find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new UsageError(
      `There is no scenario ${JSON.stringify(unknown)}. There are:\n${[...new Set(names)].map((name) => `  ${name}`).join('\n')}`,
    );
  }
  const asked = ({ name, rows }: Scenario): boolean => only.includes(name) || rows.some((row) => only.includes(row.name));
  const scenarios = only.length === 0 ? all.filter(({ slow }) => !quick || slow !== true) : all.filter(asked);
  const shown = new Set(
    scenarios.flatMap(({ name, rows }) =>
      only.length === 0 || only.includes(name) ? rows : rows.filter((row) => only.includes(row.name)),
    ),
  );
  return { scenarios, shows: (row) => shown.has(row), quick, json, docs, guard };
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        quick: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        json: { type: 'string' },
        docs: { type: 'boolean', default: false },
        guard: { type: 'boolean', default: false },
      },
    });
    return { quick: values.quick, only: values.only, json: values.json, docs: values.docs, guard: values.guard };
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}
