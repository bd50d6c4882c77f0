import { test } from '@jest/globals';
import { PATIENCE_MS, randomRun } from './support/randomRun.js';

// Tokens that are used by nobody for a second are forgotten, and all of them when the server is restarted.
const auth = { auth: true, args: ['--auth-token-ttl', '1'] };

test(
  'over HTTP/2 with auth',
  async () => {
    await randomRun('http2 on TLS with auth', {
      ...auth,
      transport: 'http2',
      tls: true,
      faults: { cut: 12, stall: 1, refuse: 2, kill: 1, compact: 1 },
      cuts: 35,
      events: 20_000,
    });
  },
  PATIENCE_MS,
);

test(
  'over chunked answers with auth',
  async () => {
    await randomRun('chunked on TLS with auth', {
      ...auth,
      transport: 'chunked',
      tls: true,
      faults: { cut: 12, stall: 1, refuse: 2, kill: 1, compact: 1 },
      cuts: 35,
      events: 20_000,
    });
  },
  PATIENCE_MS,
);
