import { test } from '@jest/globals';
import { PATIENCE_MS, randomRun } from './support/randomRun.js';

// The server discards a token after a second without use, and all tokens when it is restarted.
const auth = { auth: true, args: ['--auth-token-ttl', '1'] };

test(
  'random faults over HTTP/2 with auth break no watch guarantee',
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
  'random faults over chunked responses with auth break no watch guarantee',
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
