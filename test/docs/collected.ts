import { expect } from '@jest/globals';

/** The tests of a block of the docs, which are run by the test of the block. */
const collected: (() => unknown)[] = [];

/** Stands in a block for the function of the test runner. */
export const test = (_name: string, run: () => unknown): void => void collected.push(run);
export { expect };

/** Takes out the tests that were collected. */
export const takeTests = (): readonly (() => unknown)[] => collected.splice(0);
