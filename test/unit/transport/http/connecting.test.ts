import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient } from '../../../../src/index.js';
import { listenSomewhere } from '../../../support/ports.js';
import { rejection } from '../support.js';
import { firstValueFrom } from 'rxjs';
import { waitFor } from '../../../support/waitFor.js';

const LISTENS = `const server = require('node:net').createServer();
server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;

let child: ChildProcess;
let port: number;
/** Connections that fill the queue of a listener: the packets of all others are dropped. */
let waiting: Socket[];

beforeAll(async () => {
  child = spawn(process.execPath, ['-e', LISTENS], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [said] = (await once(child.stdout ?? child, 'data')) as [Buffer];
  port = Number(said.toString());
  child.kill('SIGSTOP');
  waiting = Array.from({ length: 4 }, () => connect(port, '127.0.0.1'));
  for (const socket of waiting) socket.on('error', () => undefined);
  await waitFor('the queue is full', () => waiting.filter(({ connecting }) => !connecting).length >= 2);
});
afterAll(() => {
  for (const socket of waiting) socket.destroy();
  child.kill('SIGKILL');
});

const connecting = (): number => process.getActiveResourcesInfo().filter((name) => name === 'ConnectWrap').length;

test.each(['http', 'https'])(
  'a connection over %s that is still opening when the client is closed is aborted, and keeps no process alive',
  async (scheme) => {
    const before = connecting();
    const etcd = createClient({ endpoints: `${scheme}://127.0.0.1:${port}`, connectTimeoutMs: 60_000 });
    const read = rejection(firstValueFrom(etcd.kv.get('a')));
    await waitFor('it is being made', () => connecting() > before);
    await etcd.close();
    expect(await read).toMatchObject({ reason: 'ClientClosed' });
    await waitFor('it is given up', () => connecting() === before);
  },
);

/** The pause between two checks of the clock, in milliseconds. */
const STEP_MS = 10;

/**
 * Resolves with the result of a call that ends within a time, which begins now; undefined if it does not. Only two
 * checks of a stall count, as a timer that was due in it may be set again for its remaining time.
 */
async function endedWithin<T>(ms: number, call: Promise<T>): Promise<T | undefined> {
  let result: T | undefined;
  void call.then((value) => (result = value));
  let passedMs = 0;
  for (let last = performance.now(); passedMs < ms && result === undefined;) {
    await delay(STEP_MS);
    const now = performance.now();
    passedMs += Math.min(now - last, 2 * STEP_MS);
    last = now;
  }
  return result;
}

describe('connectTimeoutMs', () => {
  test.each([
    ['http', 400],
    ['https', 400],
    ['http', 150],
    ['http', 1_100],
  ] as const)('over %s of %d ms ends within 100 ms of the option', async (scheme, connectTimeoutMs) => {
    await using etcd = createClient({ endpoints: `${scheme}://127.0.0.1:${port}`, connectTimeoutMs, retry: false });
    const before = connecting();
    const begun = performance.now();
    let over = false;
    const read = rejection(firstValueFrom(etcd.kv.get('a'))).then((error) => {
      over = true;
      return { error, tookMs: performance.now() - begun };
    });
    // A stall of the machine may be longer than the whole time.
    await waitFor('it is being made', () => over || connecting() > before);
    const ended = await endedWithin(connectTimeoutMs + 100, read);
    expect(ended?.error).toMatchObject({ reason: 'Unreachable', message: expect.stringContaining('connecting timed out') });
    expect(ended?.tookMs).toBeGreaterThanOrEqual(connectTimeoutMs - 1);
  });

  test('also limits a TLS handshake without a response', async () => {
    const mute = createServer((socket) => socket.on('error', () => undefined));
    const place = await listenSomewhere(mute);
    await using etcd = createClient({ endpoints: `https://127.0.0.1:${place}`, connectTimeoutMs: 300, retry: false });
    const connected = once(mute, 'connection');
    const read = rejection(firstValueFrom(etcd.kv.get('a')));
    await connected;
    expect(await endedWithin(400, read)).toMatchObject({ reason: 'Unreachable' });
    mute.close();
  });

  test('of two calls that begin at different times ends each at its own time', async () => {
    await using etcd = createClient({ endpoints: `http://127.0.0.1:${port}`, apiPrefix: '/v3', connectTimeoutMs: 300, retry: false });
    let over = 0;
    const begun = (): number => connecting() + over;
    const ended = async (): Promise<unknown> => {
      const before = begun();
      const read = rejection(firstValueFrom(etcd.call('/kv/range', {}, { endpoint: `http://127.0.0.1:${port}` })));
      void read.then(() => (over += 1));
      await waitFor('it is being made', () => begun() > before);
      return endedWithin(400, read);
    };
    const first = ended();
    await new Promise((resolve) => setTimeout(resolve, 120));
    for (const error of await Promise.all([first, ended()])) expect(error).toMatchObject({ reason: 'Unreachable' });
  });
});
