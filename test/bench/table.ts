import type { Ratio, Result } from './result.js';

const HEAD = ['scenario', 'unit', 'better', 'ours', 'peer', 'floor', 'to peer', 'to floor', 'spread'];
/** Columns of words; the others are numbers. */
const WORDS = 3;

/** The cells of the table, its head first; a column that is empty throughout is left out. */
function cells(results: readonly Result[]): readonly (readonly string[])[] {
  const rows = results.map(({ row, ours, peer, floor, toPeer, toFloor }) => [
    row.name,
    row.unit,
    row.better,
    number(ours),
    number(peer),
    number(floor),
    times(toPeer),
    times(toFloor),
    spread(toFloor ?? toPeer),
  ]);
  const used = HEAD.map((_, column) => rows.some((row) => row[column] !== ''));
  return [HEAD, ...rows].map((row) => row.filter((_, column) => used[column]));
}

/** For a terminal. */
export function textTable(results: readonly Result[]): string {
  const rows = cells(results);
  const widths = widthsOf(rows);
  const line = (row: readonly string[]): string =>
    row
      .map((cell, column) => pad(cell, column, widths))
      .join('  ')
      .trimEnd();
  const [head = [], ...body] = rows;
  return [line(head), widths.map((width) => '-'.repeat(width)).join('  '), ...body.map(line)].join('\n');
}

/** For docs/benchmarks.md. */
export function markdownTable(results: readonly Result[]): string {
  const rows = cells(results);
  const widths = widthsOf(rows);
  const line = (row: readonly string[]): string => `| ${row.map((cell, column) => pad(cell, column, widths)).join(' | ')} |`;
  const rule = widths.map((width, column) => (column < WORDS ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  const [head = [], ...body] = rows;
  return [line(head), `| ${rule.join(' | ')} |`, ...body.map(line)].join('\n');
}

const widthsOf = (rows: readonly (readonly string[])[]): readonly number[] =>
  (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));

function pad(cell: string, column: number, widths: readonly number[]): string {
  const width = widths[column] ?? 0;
  return column < WORDS ? cell.padEnd(width) : cell.padStart(width);
}

/** Three figures that count; more would be noise. */
function number(value: number | undefined): string {
  if (value === undefined) return '';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  if (Number.isInteger(value) || digits === 0) return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
  return value.toFixed(digits);
}

const times = (ratio: Ratio | undefined): string => (ratio === undefined ? '' : ratio.median.toFixed(2));
const spread = (ratio: Ratio | undefined): string => (ratio === undefined ? '' : `${ratio.low.toFixed(2)}–${ratio.high.toFixed(2)}`);
