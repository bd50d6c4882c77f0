import { numberText, type Column } from '../table.js';
import type { Point } from './fit.js';
import { verdictsOf } from './goals.js';
import type { ScaleResult } from './result.js';

const perSize = (points: readonly Point[], text: (point: Point) => string): string => points.map(text).join(' · ');
const figures = (points: readonly Point[]): string => perSize(points, ([, figure]) => numberText(figure));
const twoDigits = (figure: number | undefined): string => figure?.toFixed(2) ?? '';

/** The columns of the scale table; one cell has the figures of all sizes. */
export const scaleColumns = (options: { readonly short: boolean }): readonly Column<ScaleResult>[] => [
  { head: 'scenario', cell: ({ scenario }) => scenario },
  { head: 'figure', cell: ({ row }) => row.figure },
  { head: 'unit', cell: ({ row }) => row.unit },
  { head: 'sizes', cell: ({ ours }) => perSize(ours, ([size]) => numberText(size)), right: true },
  { head: 'ours', cell: ({ ours }) => figures(ours), right: true },
  { head: 'peer', cell: ({ peer }) => figures(peer), right: true },
  { head: 'floor', cell: ({ floor }) => figures(floor), right: true },
  { head: 'exponent', cell: ({ exponent }) => twoDigits(exponent), right: true },
  { head: 'to peer', cell: ({ toPeer }) => twoDigits(toPeer), right: true },
  { head: 'to floor', cell: ({ toFloor }) => twoDigits(toFloor), right: true },
  {
    head: 'goals',
    cell: (result) =>
      verdictsOf(result, options)
        .map(({ goal }) => goal)
        .join(', '),
  },
  { head: 'hold', cell: (result) => holdText(verdictsOf(result, options).map(({ holds }) => holds)) },
];

function holdText(holds: readonly boolean[]): string {
  if (holds.length === 0) return '';
  return holds.every(Boolean) ? 'yes' : 'no';
}
