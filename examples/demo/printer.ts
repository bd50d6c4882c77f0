import { styleText } from 'node:util';

/** Something to show. */
export interface Line {
  readonly who: 'demo' | 'operator' | 'config' | 'service' | 'registry';
  readonly text: string;
  readonly tone?: 'good' | 'bad';
  /** Names and values, shown below. */
  readonly details?: readonly (readonly [name: string, value: string])[];
}

const COLORS = {
  demo: 'bold',
  operator: 'magenta',
  config: 'cyan',
  service: 'blue',
  registry: 'yellow',
  good: 'green',
  bad: 'red',
} as const;
const INDENT = ' '.repeat(21);

/** Shows lines with the seconds since the start; in colours only on a terminal whose user has not set NO_COLOR. */
export function printer(out: NodeJS.WriteStream): (line: Line) => void {
  const startedAt = performance.now();
  const coloured = out.isTTY && (process.env['NO_COLOR'] ?? '') === '';
  const paint = (color: keyof typeof COLORS, text: string): string => (coloured ? styleText(COLORS[color], text) : text);
  return ({ who, text, tone, details = [] }) => {
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1).padStart(6);
    out.write(`${seconds} s  ${paint(who, who.padEnd(10))}${tone === undefined ? text : paint(tone, text)}\n`);
    for (const [name, value] of details) out.write(`${INDENT}${name.padEnd(10)}${value}\n`);
  };
}
