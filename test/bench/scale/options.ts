import { parseArgs } from 'node:util';
import { UsageError } from '../options.js';
import type { ScaleScenario } from './scenario.js';

/** The command line of the scale benchmark. */
export interface ScaleOptions {
  readonly scenarios: readonly ScaleScenario[];
  readonly short: boolean;
  /** Writes the table into docs/benchmarks.md. */
  readonly docs: boolean;
}

const USAGE = `npm run bench -- --scale [--short] [--only NAME]… [--docs]
  --short      small sizes, ours alone; checks exponents and counts, no times
  --only NAME  a scenario; may be given more than once
  --docs       writes the table into docs/benchmarks.md: of all scenarios, at full size`;

/** @throws UsageError that lists the possible options */
export function scaleOptionsOf(args: readonly string[], all: readonly ScaleScenario[]): ScaleOptions {
  const { short, only, docs } = parsed(args);
  const unknown = only.find((name) => !all.some((scenario) => scenario.name === name));
  if (unknown !== undefined) {
    throw new UsageError(
      `--only: expected a scenario, received ${JSON.stringify(unknown)}. There are:\n${all.map(({ name }) => `  ${name}`).join('\n')}`,
    );
  }
  if (docs && (short || only.length > 0)) throw new UsageError(`--docs: expected neither --short nor --only\n${USAGE}`);
  return { scenarios: only.length === 0 ? all : all.filter(({ name }) => only.includes(name)), short, docs };
}

function parsed(args: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        scale: { type: 'boolean', default: false },
        short: { type: 'boolean', default: false },
        only: { type: 'string', multiple: true, default: [] },
        docs: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    throw new UsageError(`${error instanceof Error ? error.message : String(error)}\n${USAGE}`);
  }
}
