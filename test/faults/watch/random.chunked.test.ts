import { test } from '@jest/globals';
import { PATIENCE_MS, randomRun } from './support/randomRun.js';

test(
  'random faults over chunked responses break no watch guarantee',
  async () => {
    await randomRun('chunked', {
      transport: 'chunked',
      faults: { cut: 12, stall: 1, refuse: 2, kill: 1, compact: 1 },
      cuts: 35,
      events: 20_000,
    });
  },
  PATIENCE_MS,
);
