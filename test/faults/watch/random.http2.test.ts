import { test } from '@jest/globals';
import { PATIENCE_MS, randomRun } from './support/randomRun.js';

test(
  'random faults over HTTP/2 break no watch guarantee',
  async () => {
    await randomRun('http2 on TLS', {
      transport: 'http2',
      tls: true,
      faults: { cut: 12, stall: 1, refuse: 2, kill: 1, compact: 1 },
      cuts: 35,
      events: 20_000,
    });
  },
  PATIENCE_MS,
);
