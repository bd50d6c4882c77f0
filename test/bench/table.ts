import type { Ratio, Result } from './result.js';
import { isMet, targetText } from './target.js';

/** A column of a table, with the cell that it shows of a row. */
export interface Column<T> {
  readonly head: string;
  readonly cell: (row: T) => string;
  /** Whether the column is aligned to the right, as for numbers. */
  readonly right?: true;
}

/** Formats three significant figures; more would be noise. */
export function numberText(value: number | undefined): string {
  if (value === undefined) return '';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  if (Number.isInteger(value) || digits === 0) return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
  return value.toFixed(digits);
}

const fixed = (ratio: number): string => (Number.isFinite(ratio) ? ratio.toFixed(2) : '∞');
const times = (ratio: Ratio | undefined): string => (ratio === undefined ? '' : fixed(ratio.median));
const spread = (ratio: Ratio | undefined): string => (ratio === undefined ? '' : `${fixed(ratio.low)}–${fixed(ratio.high)}`);

/** The columns of the benchmarks' table. */
export const COLUMNS: readonly Column<Result>[] = [
  { head: 'scenario', cell: ({ row }) => row.name },
  { head: 'unit', cell: ({ row }) => row.unit },
  { head: 'better', cell: ({ row }) => row.better },
  { head: 'ours', cell: ({ ours }) => numberText(ours), right: true },
  { head: 'peer', cell: ({ peer }) => numberText(peer), right: true },
  { head: 'floor', cell: ({ floor }) => numberText(floor), right: true },
  { head: 'to peer', cell: ({ toPeer }) => times(toPeer), right: true },
  { head: 'spread', cell: ({ toPeer }) => spread(toPeer), right: true },
  { head: 'to floor', cell: ({ toFloor }) => times(toFloor), right: true },
  { head: 'spread', cell: ({ toFloor }) => spread(toFloor), right: true },
  { head: 'target', cell: ({ row }) => targetText(row) },
  { head: 'met', cell: (result) => ({ true: 'yes', false: 'no' })[String(isMet(result))] ?? '' },
];

/** Returns the cells of a column at one width, the head first. */
interface Drawn {
  readonly right: boolean;
  readonly width: number;
  readonly cells: readonly string[];
}

/** Leaves out a column whose cells are all empty. */
function drawn<T>(columns: readonly Column<T>[], rows: readonly T[]): readonly Drawn[] {
  return columns.flatMap(({ head, cell, right = false }) => {
    const texts = rows.map(cell);
    if (texts.every((text) => text === '')) return [];
    const width = Math.max(...[head, ...texts].map(({ length }) => length));
    return [{ right, width, cells: [head, ...texts].map((text) => (right ? text.padStart(width) : text.padEnd(width))) }];
  });
}

const lines = (columns: readonly Drawn[], join: (cells: readonly string[]) => string): readonly string[] =>
  (columns[0]?.cells ?? []).map((_, line) => join(columns.map(({ cells }) => cells[line] ?? '')));

/** Formats the table for a terminal. */
export function textTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const drawnColumns = drawn(columns, rows);
  const [head = '', ...body] = lines(drawnColumns, (cells) => cells.join('  ').trimEnd());
  return [head, drawnColumns.map(({ width }) => '-'.repeat(width)).join('  '), ...body].join('\n');
}

/** Formats the table for docs/benchmarks.md. */
export function markdownTable<T>(columns: readonly Column<T>[], rows: readonly T[]): string {
  const drawnColumns = drawn(columns, rows);
  const [head = '', ...body] = lines(drawnColumns, (cells) => `| ${cells.join(' | ')} |`);
  const rule = drawnColumns.map(({ width, right }) => (right ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [head, `| ${rule.join(' | ')} |`, ...body].join('\n');
}
