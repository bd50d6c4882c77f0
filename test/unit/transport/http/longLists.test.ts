import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { firstValueFrom, throwError } from 'rxjs';
import { settingsOf } from '../../../../src/options/clientOptions.js';
import { TlsSource } from '../../../../src/node/certificates.js';
import { undiciTransport } from '../../../../src/node/undiciTransport.js';
import type { Transport } from '../../../../src/transport/http/transport.js';

const BYTES = 32 * 2 ** 20;
/** A server in a separate thread: in this one, it would write only between two turns in which the client reads. */
const SERVER = `const { parentPort, workerData } = require('node:worker_threads');
const server = require('node:http').createServer((request, response) => response.end(Buffer.alloc(workerData, 'x')));
server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port));`;

let server: Worker;
let origin: string;
let transport: Transport;

beforeEach(async () => {
  server = new Worker(SERVER, { eval: true, workerData: BYTES });
  const [port] = (await once(server, 'message')) as [number];
  origin = `http://127.0.0.1:${port}`;
  transport = undiciTransport({ ...settingsOf({}), tls: new TlsSource({}) });
});
afterEach(async () => {
  await transport.close();
  await server.terminate();
});

/** How long a turn of the event loop may read a list, in milliseconds; and one part more. */
const TURN_MS = 10;

test('a list whose parts take long to read is read in several turns of the event loop, and whole', async () => {
  const request = { origin, method: 'POST', path: '/v3/kv/range', headers: {}, body: '{}', rpc: 'KV.Range' } as const;
  const PART_MS = 6;
  const SLOW_BYTES = 4 * 2 ** 20;
  let slow = false;
  let [read, turn, longest] = [0, 0, 0];
  const partsOfTurn = new Map<number, number>();
  const nextTurn = (): void => {
    turn += 1;
    if (read < BYTES) setImmediate(nextTurn);
  };
  nextTurn();
  const parts = {
    push: (bytes: Uint8Array) => {
      read += bytes.length;
      // The kernel takes more data at a time after it was read quickly.
      if (read < BYTES - SLOW_BYTES) return;
      // More data arrives during the first slow part than a turn may read.
      for (const end = performance.now() + (slow ? PART_MS : 300); performance.now() < end;);
      slow = true;
      const ofTurn = (partsOfTurn.get(turn) ?? 0) + 1;
      partsOfTurn.set(turn, ofTurn);
      longest = Math.max(longest, ofTurn);
    },
    text: 'read',
  };
  const result = await firstValueFrom(
    transport.exchange(request, { parts, read: ({ body: text }) => text, recover: (failure) => throwError(() => failure) }),
  );
  expect([result, read]).toEqual(['read', BYTES]);
  // A turn begins between two parts for this test, so that it may see those of two turns.
  expect(longest).toBeLessThanOrEqual(2 * Math.ceil(TURN_MS / PART_MS + 1));
});
