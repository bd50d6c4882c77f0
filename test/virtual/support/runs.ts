import { setImmediate as endOfTurn } from 'node:timers/promises';
import { askedSeed, randomFrom } from '../../support/random.js';

const trulyRandom = Math.random;

/** The runs that violated a guarantee, and the sums of all figures. */
export interface Summary<F> {
  readonly failures: readonly string[];
  readonly figures: readonly F[];
}

/** Runs one seed after the other. Each failure is printed with the way to repeat it. */
export async function runAll<F>(
  kind: string,
  count: number,
  run: (seed: number) => F,
  onFailure?: (text: string) => void,
): Promise<Summary<F>> {
  const first = askedSeed() % 1_000_000_000;
  const failures: string[] = [];
  const figures: F[] = [];
  for (let seed = first; seed < first + count; seed++) {
    // The client's pauses are random, too.
    Math.random = randomFrom(seed).fork('client').next;
    try {
      figures.push(run(seed));
    } catch (error) {
      const text = `KIND=${kind} RUNS=1 SEED=${seed} npm run virtual: ${String(error)}`;
      failures.push(text);
      onFailure?.(text);
    } finally {
      Math.random = trulyRandom;
    }
    // Promises of a closed client keep all of its memory until they are settled.
    await endOfTurn();
  }
  return { failures, figures };
}
