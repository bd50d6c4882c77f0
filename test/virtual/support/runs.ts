import { setImmediate as endOfTurn } from 'node:timers/promises';
import { askedSeed, randomFrom } from '../../support/random.js';

const trulyRandom = Math.random;

/** The runs that broke a promise, and what all of them together did. */
export interface Summary<F> {
  readonly failures: readonly string[];
  readonly figures: readonly F[];
}

/** Runs one seed after the other. Each failure says how it is repeated. */
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
    // Promises of a closed client keep all of it until they are through.
    await endOfTurn();
  }
  return { failures, figures };
}
