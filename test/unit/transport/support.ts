import { inspect } from 'node:util';
import { expect } from '@jest/globals';

/** Returns the error that a function throws; fails if it does not throw. */
export function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it should have thrown');
}

/** Returns everything that a log could show of an error: it must not contain a secret. */
export function expectSilentAbout(error: unknown, ...secrets: string[]): void {
  const { message, stack } = error as Error;
  const shown = [message, stack ?? '', String(error), JSON.stringify(error), inspect(error, { depth: 9, showHidden: true })].join('\n');
  for (const secret of secrets) expect(shown).not.toContain(secret);
}

/** Returns the error of an Observable's promise; fails if it resolves. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const settled = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in settled) return settled.error;
  throw new Error(`it should have failed, and gave ${JSON.stringify(settled.value)}`);
}
