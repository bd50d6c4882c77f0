import type { Ratio, Result } from './result.js';
import { isMet, targetText } from './target.js';

interface Column {
  readonly head: string;
  readonly cell: (result: Result) => string;
  /** Numbers stand to the right. */
  readonly right?: true;
}

/** Three figures that count; more would be noise. */
function number(value: number | undefined): string {
  if (value === undefined) return '';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  if (Number.isInteger(value) || digits === 0) return Math.round(value).toLocaleString('en').replaceAll(',', ' ');
  return value.toFixed(digits);
}

const fixed = (ratio: number): string => (Number.isFinite(ratio) ? ratio.toFixed(2) : '∞');
const times = (ratio: Ratio | undefined): string => (ratio === undefined ? '' : fixed(ratio.median));
const spread = (ratio: Ratio | undefined): string => (ratio === undefined ? '' : `${fixed(ratio.low)}–${fixed(ratio.high)}`);

const COLUMNS: readonly Column[] = [
  { head: 'scenario', cell: ({ row }) => row.name },
  { head: 'unit', cell: ({ row }) => row.unit },
  { head: 'better', cell: ({ row }) => row.better },
  { head: 'ours', cell: ({ ours }) => number(ours), right: true },
  { head: 'peer', cell: ({ peer }) => number(peer), right: true },
  { head: 'floor', cell: ({ floor }) => number(floor), right: true },
  { head: 'to peer', cell: ({ toPeer }) => times(toPeer), right: true },
  { head: 'spread', cell: ({ toPeer }) => spread(toPeer), right: true },
  { head: 'to floor', cell: ({ toFloor }) => times(toFloor), right: true },
  { head: 'spread', cell: ({ toFloor }) => spread(toFloor), right: true },
  { head: 'target', cell: ({ row }) => targetText(row) },
  { head: 'met', cell: (result) => ({ true: 'yes', false: 'no' })[String(isMet(result))] ?? '' },
];

/** A column of cells of one width, its head first. */
interface Drawn {
  readonly right: boolean;
  readonly width: number;
  readonly cells: readonly string[];
}

/** A column that is empty throughout is left out. */
function drawn(results: readonly Result[]): readonly Drawn[] {
  return COLUMNS.flatMap(({ head, cell, right = false }) => {
    const texts = results.map(cell);
    if (texts.every((text) => text === '')) return [];
    const width = Math.max(...[head, ...texts].map(({ length }) => length));
    return [{ right, width, cells: [head, ...texts].map((text) => (right ? text.padStart(width) : text.padEnd(width))) }];
  });
}

const lines = (columns: readonly Drawn[], join: (cells: readonly string[]) => string): readonly string[] =>
  (columns[0]?.cells ?? []).map((_, line) => join(columns.map(({ cells }) => cells[line] ?? '')));

/** For a terminal. */
export function textTable(results: readonly Result[]): string {
  const columns = drawn(results);
  const [head = '', ...body] = lines(columns, (cells) => cells.join('  ').trimEnd());
  return [head, columns.map(({ width }) => '-'.repeat(width)).join('  '), ...body].join('\n');
}

/** For docs/benchmarks.md. */
export function markdownTable(results: readonly Result[]): string {
  const columns = drawn(results);
  const [head = '', ...body] = lines(columns, (cells) => `| ${cells.join(' | ')} |`);
  const rule = columns.map(({ width, right }) => (right ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width)));
  return [head, `| ${rule.join(' | ')} |`, ...body].join('\n');
}
