import type { ScaleResult } from './result.js';
import type { Goals, ScaleRow } from './scenario.js';

/** A goal with its outcome. */
export interface Verdict {
  /** `exponent ≤ 1.1`. */
  readonly goal: string;
  readonly holds: boolean;
}

type Check = (result: ScaleResult, bound: number) => Verdict;

const atMost = (figure: number | undefined, bound: number): boolean => figure !== undefined && figure <= bound;

/** A figure that was not measured reaches no goal. */
const CHECKS: Readonly<Record<keyof Goals, Check>> = {
  exponent: ({ exponent }, bound) => ({ goal: `exponent ≤ ${bound}`, holds: atMost(exponent, bound) }),
  toPeer: ({ toPeer }, bound) => ({ goal: `≤ ${bound} × peer`, holds: atMost(toPeer, bound) }),
  toFloor: ({ toFloor }, bound) => ({ goal: `≤ ${bound} × floor`, holds: atMost(toFloor, bound) }),
  atMost: ({ ours }, bound) => ({ goal: `≤ ${bound}`, holds: ours.length > 0 && ours.every(([, figure]) => figure <= bound) }),
  atLeast: ({ ours }, bound) => ({ goal: `≥ ${bound}`, holds: ours.length > 0 && ours.every(([, figure]) => figure >= bound) }),
};

const NAMES = Object.keys(CHECKS) as readonly (keyof Goals)[];

/**
 * Added to the bound of an exponent in the short form. Its sizes are small and measured once, on busy machines: a
 * linear cost then fits exponents of up to 1.3. A quadratic one fits 1.7 and more.
 */
const SHORT_SLACK = 0.4;

/** The short form measures only ours, at small sizes: it checks exponents, and bounds of counts. */
const checkedInShort = (name: keyof Goals, { count }: ScaleRow): boolean =>
  name === 'exponent' || (count === true && (name === 'atMost' || name === 'atLeast'));

/** Checks the goals of a row; in the short form only those that hold on any machine. */
export function verdictsOf(result: ScaleResult, { short }: { readonly short: boolean }): readonly Verdict[] {
  const { goals = {} } = result.row;
  return NAMES.flatMap((name) => {
    const bound = goals[name];
    if (bound === undefined || (short && !checkedInShort(name, result.row))) return [];
    return [CHECKS[name](result, short && name === 'exponent' ? Number((bound + SHORT_SLACK).toFixed(2)) : bound)];
  });
}
