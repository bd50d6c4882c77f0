import type { Round, Row, Who } from './scenario.js';
import { median, quantile } from './stats.js';

/** The ratio of ours to another side: the median over all rounds, and the range of the middle half. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** A row with its figures. */
export interface Result {
  readonly row: Row;
  readonly ours: number | undefined;
  readonly peer: number | undefined;
  readonly floor: number | undefined;
  readonly toPeer: Ratio | undefined;
  readonly toFloor: Ratio | undefined;
}

/** Returns the figures of a row over all rounds. */
export function resultOf(row: Row, rounds: readonly Round[]): Result {
  const middle = (who: Who): number | undefined => {
    const values = rounds.flatMap((round) => round[who]?.[row.name] ?? []);
    return values.length === 0 ? undefined : median(values);
  };
  return {
    row,
    ours: middle('ours'),
    peer: middle('peer'),
    floor: middle('floor'),
    toPeer: ratioTo('peer', row, rounds),
    toFloor: ratioTo('floor', row, rounds),
  };
}

function ratioTo(who: Who, { name }: Row, rounds: readonly Round[]): Ratio | undefined {
  const ratios = rounds.flatMap((round) => {
    const [ours, other] = [round.ours?.[name], round[who]?.[name]];
    return ours === undefined || other === undefined ? [] : [ours / other];
  });
  return ratios.length === 0 ? undefined : { median: median(ratios), low: quantile(ratios, 0.25), high: quantile(ratios, 0.75) };
}

/** Returns the JSON for `--json`, by which runs can be compared. */
export function toJson({ row, ours, peer, floor, toPeer, toFloor }: Result) {
  return {
    scenario: row.name,
    unit: row.unit,
    ours: ours ?? null,
    peer: peer ?? null,
    floor: floor ?? null,
    toPeer: toPeer?.median ?? null,
    toFloor: toFloor?.median ?? null,
  };
}
