import { describe, expect, test } from '@jest/globals';
import { least } from '../../bench/stats.js';
import { UsageError } from '../../bench/options.js';
import { exponentOf } from '../../bench/scale/fit.js';
import { verdictsOf } from '../../bench/scale/goals.js';
import { scaleOptionsOf } from '../../bench/scale/options.js';
import { scaleResultOf } from '../../bench/scale/result.js';
import type { Goals, Sample, ScaleRow, ScaleScenario } from '../../bench/scale/scenario.js';
import type { Who } from '../../bench/scenario.js';

const SIZES = [1_000, 2_000, 4_000];
const FULL = { short: false };
const SHORT = { short: true };

const samples = (who: Who, figureOf: (size: number, round: number) => number, rounds = 1): readonly Sample[] =>
  SIZES.flatMap((size) =>
    Array.from({ length: rounds }, (_, round): Sample => ({ who, size, round, figures: { cpu: figureOf(size, round) } })),
  );
const rowOf = (goals: Goals, rest: Partial<ScaleRow> = {}): ScaleRow => ({ figure: 'cpu', unit: 'ms', goals, ...rest });
const verdicts = (row: ScaleRow, given: readonly Sample[], options = FULL) => verdictsOf(scaleResultOf('growth', row, given), options);

describe('the exponent of a cost', () => {
  test.each([
    ['constant', (): number => 7, 0],
    ['linear', (size: number): number => 3 * size, 1],
    ['n log n', (size: number): number => size * Math.log(size), 1.13],
    ['quadratic', (size: number): number => 0.001 * size ** 2, 2],
  ])('of a %s cost is fitted over three sizes', (_, cost, exponent) => {
    expect(exponentOf(SIZES.map((size) => [size, cost(size)]))).toBeCloseTo(exponent, 2);
  });

  test('is that of the best fit, not of the first and last figure', () => {
    // Calculated by hand: the logarithms to base 2 are 0, 1, 3 over 0, 1, 2.
    expect(exponentOf([[1, 1], [2, 2], [4, 8]])).toBeCloseTo(1.5); // prettier-ignore
    expect(exponentOf([[1, 1], [2, 8], [4, 4]])).toBeCloseTo(1); // prettier-ignore
  });

  test('is undefined for a single size, and for a figure without a logarithm', () => {
    expect(exponentOf([[1_000, 5]])).toBeUndefined();
    expect(exponentOf([])).toBeUndefined();
    expect(exponentOf([[1_000, 0], [2_000, 5]])).toBeUndefined(); // prettier-ignore
    expect(exponentOf([[1_000, NaN], [2_000, 5]])).toBeUndefined(); // prettier-ignore
  });
});

describe('the goals of a scale scenario', () => {
  test('bound the exponent of the medians of the rounds', () => {
    const disturbed = samples('ours', (size, round) => (round === 1 && size === 4_000 ? 1e9 : size), 3);
    expect(verdicts(rowOf({ exponent: 1.1 }), disturbed)).toEqual([{ goal: 'exponent ≤ 1.1', holds: true }]);
    expect(
      verdicts(
        rowOf({ exponent: 1.1 }),
        samples('ours', (size) => size ** 1.2),
      ),
    ).toEqual([{ goal: 'exponent ≤ 1.1', holds: false }]);
  });

  test('bound the exponent of the least of the rounds, if requested', () => {
    const exponent = (given: readonly Sample[]) => scaleResultOf('growth', rowOf({ exponent: 1.1 }), given, { of: least }).exponent;
    expect(exponent(samples('ours', (size, round) => (round === 2 ? size : size * 50), 3))).toBeCloseTo(1);
    expect(exponent(samples('ours', (size, round) => size ** 2 * (round + 1), 3))).toBeCloseTo(2);
  });

  test('bound the ratio to peer and floor at the largest size, by the rounds', () => {
    const both = [
      ...samples('ours', (size, round) => (size === 4_000 ? 10 : 1_000) * (round + 1), 3),
      ...samples('peer', (_, round) => 10 * (round + 1), 3),
      ...samples('floor', (_, round) => 5 * (round + 1), 3),
    ];
    expect(verdicts(rowOf({ toPeer: 1, toFloor: 1.9 }), both)).toEqual([
      { goal: '≤ 1 × peer', holds: true },
      { goal: '≤ 1.9 × floor', holds: false },
    ]);
  });

  test('bound the figure itself at each size', () => {
    const growing = samples('ours', (size) => size);
    expect(verdicts(rowOf({ atMost: 4_000, atLeast: 1_000 }), growing).map(({ holds }) => holds)).toEqual([true, true]);
    expect(verdicts(rowOf({ atMost: 3_999, atLeast: 1_001 }), growing).map(({ holds }) => holds)).toEqual([false, false]);
  });

  test('fail for figures that were not measured', () => {
    const goals = { exponent: 1.1, toPeer: 1, toFloor: 1, atMost: 1, atLeast: 0 };
    expect(verdicts(rowOf(goals), []).map(({ holds }) => holds)).toEqual([false, false, false, false, false]);
    expect(
      verdicts(
        rowOf(goals),
        samples('ours', () => NaN),
      ).map(({ holds }) => holds),
    ).toEqual([false, false, false, false, false]);
  });

  test('in the short form are exponents, and bounds of counts', () => {
    const goals = { exponent: 1.1, toPeer: 1, toFloor: 1, atMost: 5, atLeast: 1 };
    const given = samples('ours', (size) => size);
    expect(verdicts(rowOf(goals), given, SHORT).map(({ goal }) => goal)).toEqual(['exponent ≤ 1.5']);
    expect(verdicts(rowOf(goals, { count: true }), given, SHORT).map(({ goal }) => goal)).toEqual(['exponent ≤ 1.5', '≤ 5', '≥ 1']);
  });

  test.each([
    [1.1, true],
    [1.4, true],
    [1.6, false],
    [2, false],
  ])('in the short form treat an exponent of %d as noise: %s', (exponent, holds) => {
    const given = samples('ours', (size) => size ** exponent);
    expect(verdicts(rowOf({ exponent: 1.1 }), given, SHORT)).toEqual([{ goal: 'exponent ≤ 1.5', holds }]);
  });
});

describe('the command line of the scale benchmark', () => {
  const scenario = (name: string): ScaleScenario => ({
    name,
    of: 'keys',
    sizes: { full: SIZES, short: SIZES },
    rows: [],
    subjects: { ours: async () => ({}) },
  });
  const all = [scenario('live'), scenario('watches')];

  test('accepts all scenarios, or the named ones', () => {
    expect(scaleOptionsOf(['--scale'], all)).toEqual({ scenarios: all, short: false, docs: false });
    expect(scaleOptionsOf(['--scale', '--short', '--only', 'watches'], all)).toEqual({ scenarios: [all[1]], short: true, docs: false });
  });

  test.each([
    [['--scale', '--only', 'liv'], /received "liv"[\s\S]*live\n {2}watches/],
    [['--scale', '--docs', '--short'], /--docs: expected neither/],
    [['--scale', '--quick'], /--quick/],
  ])('rejects %j', (args, message) => {
    expect(() => scaleOptionsOf(args, all)).toThrow(UsageError);
    expect(() => scaleOptionsOf(args, all)).toThrow(message);
  });
});
