import type { Who } from '../scenario.js';
import { median } from '../stats.js';
import { exponentOf, type Point } from './fit.js';
import type { Sample, ScaleRow } from './scenario.js';

/** A row with its figures at each size: the median of the rounds, or the lowest. */
export interface ScaleResult {
  readonly scenario: string;
  readonly row: ScaleRow;
  readonly ours: readonly Point[];
  readonly peer: readonly Point[];
  readonly floor: readonly Point[];
  /** The exponent of ours over the sizes. */
  readonly exponent: number | undefined;
  /** Ours divided by the other subject, at the largest size: the median of the ratios of the rounds. */
  readonly toPeer: number | undefined;
  readonly toFloor: number | undefined;
}

export function scaleResultOf(scenario: string, row: ScaleRow, samples: readonly Sample[], { of = median } = {}): ScaleResult {
  const [ours, peer, floor] = (['ours', 'peer', 'floor'] as const).map((who) => pointsOf(who, row, samples, of));
  return {
    scenario,
    row,
    ours: ours ?? [],
    peer: peer ?? [],
    floor: floor ?? [],
    exponent: exponentOf(ours ?? []),
    toPeer: ratioTo('peer', row, samples),
    toFloor: ratioTo('floor', row, samples),
  };
}

function pointsOf(who: Who, { figure }: ScaleRow, samples: readonly Sample[], of: (values: readonly number[]) => number): readonly Point[] {
  const ofWho = samples.filter((sample) => sample.who === who);
  return [...new Set(ofWho.map(({ size }) => size))].flatMap((size) => {
    const values = ofWho.flatMap((sample) => (sample.size === size ? (sample.figures[figure] ?? []) : []));
    return values.length === 0 ? [] : [[size, of(values)] as const];
  });
}

function ratioTo(who: Who, { figure }: ScaleRow, samples: readonly Sample[]): number | undefined {
  const largest = Math.max(...samples.map(({ size }) => size));
  const figureOf = (subject: Who, round: number): number | undefined =>
    samples.find((sample) => sample.who === subject && sample.size === largest && sample.round === round)?.figures[figure];
  const ratios = [...new Set(samples.map(({ round }) => round))].flatMap((round) => {
    const [ours, other] = [figureOf('ours', round), figureOf(who, round)];
    return ours === undefined || other === undefined || other === 0 ? [] : [ours / other];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}
