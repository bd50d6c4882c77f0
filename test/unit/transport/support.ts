import { inspect } from 'node:util';
import { expect } from '@jest/globals';

/** What a function throws; it is an error of the test if it does not. */
export function failure(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('it should have thrown');
}

/** All that a log could show of an error: nothing in it may be a secret. */
export function expectSilentAbout(error: unknown, ...secrets: string[]): void {
  const { message, stack } = error as Error;
  const shown = [message, stack ?? '', String(error), JSON.stringify(error), inspect(error, { depth: 9, showHidden: true })].join('\n');
  for (const secret of secrets) expect(shown).not.toContain(secret);
}

/** The error that an Observable's promise rejects with; a value is an error of the test. */
export async function rejection(promise: Promise<unknown>): Promise<unknown> {
  const settled = await promise.then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  );
  if ('error' in settled) return settled.error;
  throw new Error(`it should have failed, and gave ${JSON.stringify(settled.value)}`);
}
