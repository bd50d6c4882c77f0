import type { Result } from './result.js';
import type { Row } from './scenario.js';

/** Returns the goal of a row in words: `≥ 1.2 × peer`. */
export function targetText({ target = {}, better }: Row): string {
  const sign = better === 'more' ? '≥' : '≤';
  const parts = [
    target.ours === undefined ? [] : `${sign} ${target.ours.toLocaleString('en').replaceAll(',', ' ')}`,
    target.toPeer === undefined ? [] : `${sign} ${target.toPeer} × peer`,
    target.toFloor === undefined ? [] : `${sign} ${target.toFloor} × floor`,
  ];
  return parts.flat().join(', ');
}

/** Returns whether the goal is reached; undefined without a goal, or if the other side was not measured. */
export function isMet({ row: { target = {}, better }, ours, toPeer, toFloor }: Result): boolean | undefined {
  const pairs: readonly (readonly [number | undefined, number | undefined])[] = [
    [ours, target.ours],
    [toPeer?.median, target.toPeer],
    [toFloor?.median, target.toFloor],
  ];
  const wanted = pairs.filter(([, bound]) => bound !== undefined);
  if (wanted.length === 0 || wanted.some(([figure]) => figure === undefined)) return undefined;
  return wanted.every(([figure = NaN, bound = NaN]) => (better === 'more' ? figure >= bound : figure <= bound));
}
