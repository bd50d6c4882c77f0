import { once } from 'node:events';
import { connect, createServer, type Server } from 'node:net';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { listenSomewhere } from '../../support/ports.js';
import { startTcpProxy, type TcpProxy } from '../../support/faultProxies/tcpProxy.js';

let server: Server;
let proxy: TcpProxy;

/** Sends a thousand bytes to each client, and closes the connection. */
beforeEach(async () => {
  server = createServer((socket) => socket.end('x'.repeat(1_000)));
  proxy = await startTcpProxy(`http://127.0.0.1:${await listenSomewhere(server)}`);
});
afterEach(async () => {
  await proxy.close();
  server.close();
});

/** Returns the bytes that a client receives until the end, and how long that takes. */
async function listen(): Promise<{ bytes: number; ms: number }> {
  const begin = performance.now();
  const socket = connect(Number(new URL(proxy.endpoint).port), '127.0.0.1');
  let bytes = 0;
  socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).on('error', () => undefined);
  await once(socket, 'close');
  return { bytes, ms: performance.now() - begin };
}

test('a proxy forwards everything', async () => {
  expect((await listen()).bytes).toBe(1_000);
});

test('a throttled proxy takes as long as its bytes require', async () => {
  proxy.down.bytesPerSecond = 5_000;
  const { bytes, ms } = await listen();
  expect(bytes).toBe(1_000);
  expect(ms).toBeGreaterThanOrEqual(199);
});

test('a proxy that cuts after some bytes forwards exactly these, once', async () => {
  proxy.down.cutAfter(300);
  expect((await listen()).bytes).toBe(300);
  expect((await listen()).bytes).toBe(1_000);
});

test('a stalled proxy holds everything back until it is resumed', async () => {
  proxy.down.stall();
  const heard = listen();
  await once(server, 'connection');
  expect(proxy.down.bytes).toBe(0);
  proxy.down.resume();
  expect((await heard).bytes).toBe(1_000);
});
