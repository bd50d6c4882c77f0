import { together, type Row } from './resultRow.js';

const ms = (value: number): string => String(Math.round(value));

const COLUMNS: readonly (readonly [head: string, cell: (row: Row) => string])[] = [
  ['fault', ({ fault }) => fault],
  ['times', ({ times }) => String(times)],
  ['reads', ({ reads }) => String(reads)],
  ['back in ms', ({ readsBack }) => ms(readsBack)],
  ['failed', ({ failedReads }) => String(failedReads)],
  ['watches back in ms', ({ watchesBack }) => ms(watchesBack)],
  ['writes', ({ writes }) => String(writes)],
  ['back in ms', ({ writesBack }) => ms(writesBack)],
  ['ambiguous', ({ ambiguous }) => String(ambiguous)],
  ['lost', ({ lost }) => String(lost)],
  ['repeated', ({ repeated }) => String(repeated)],
  ['leases lost', ({ leasesLost }) => String(leasesLost)],
  ['lock back in ms', ({ locksBack }) => ms(locksBack)],
  ['lost', ({ locksLost }) => String(locksLost)],
];

/** Prints a line for each kind of fault, in the order of their first occurrence. */
export function tableOf(rows: readonly Row[]): string {
  const faults = [...new Set(rows.map(({ fault }) => fault))];
  const body = faults
    .map((fault) => together(rows.filter((row) => row.fault === fault)))
    .map((row) => COLUMNS.map(([, cell]) => cell(row)));
  const lines = [COLUMNS.map(([head]) => head), ...body];
  const widths = COLUMNS.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  const format = (line: readonly string[]): string =>
    line.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ');
  const [head = '', ...rest] = lines.map(format);
  return [head, '-'.repeat(head.length), ...rest].join('\n');
}
