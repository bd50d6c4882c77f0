/** Chance that comes out the same for the same seed, so that a run can be repeated. */
export interface Random {
  readonly seed: number;
  /** In [0, 1). */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** True in this share of the cases. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Chance of its own for a part of the run: what the others draw, and when, does not change it. */
  fork(part: string): Random;
}

/** Mulberry32: short, and even enough to spread faults. */
export function randomFrom(seed: number): Random {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  const int = (low: number, high: number): number => low + Math.floor(next() * (high - low + 1));
  return {
    seed: seed >>> 0,
    next,
    int,
    chance: (share) => next() < share,
    pick: (items) => {
      const item = items[int(0, items.length - 1)];
      if (item === undefined) throw new Error('there is nothing to pick from');
      return item;
    },
    fork: (part) => randomFrom(hash(`${seed >>> 0} ${part}`)),
  };
}

/** The seed of the environment's `SEED`, to repeat a run; else a new one. */
export function askedSeed(): number {
  const asked = process.env['SEED'];
  if (asked === undefined || asked === '') return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(asked);
  if (!Number.isSafeInteger(seed)) throw new Error(`SEED=${asked} is not a whole number`);
  return seed;
}

/** FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
