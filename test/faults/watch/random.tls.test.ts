import { test } from '@jest/globals';
import { PATIENCE_MS, randomRun } from './support/randomRun.js';

test(
  'random faults over WebSocket on TLS break no watch guarantee',
  async () => {
    await randomRun('websocket on TLS', {
      transport: 'websocket',
      tls: true,
      faults: { cut: 12, stall: 1, refuse: 2, kill: 1, compact: 1 },
      cuts: 35,
      events: 20_000,
    });
  },
  PATIENCE_MS,
);
