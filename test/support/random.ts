/** A source of random numbers that are the same for the same seed, so that a run can be repeated. */
export interface Random {
  readonly seed: number;
  /** In [0, 1). */
  next(): number;
  /** Returns an integer from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** Returns true in this share of the cases. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Returns a separate source for a part of the run, which does not depend on the numbers that other parts draw. */
  fork(part: string): Random;
}

/** Mulberry32 is short, and uniform enough to distribute faults. */
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

/** Returns the seed in the environment's `SEED`, to repeat a run, or else a new one. */
export function askedSeed(): number {
  const asked = process.env['SEED'];
  if (asked === undefined || asked === '') return Math.floor(Math.random() * 2 ** 32);
  const seed = Number(asked);
  if (!Number.isSafeInteger(seed)) throw new Error(`SEED=${asked} is not a whole number`);
  return seed;
}

/** The hash is FNV-1a. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193);
  return value >>> 0;
}
