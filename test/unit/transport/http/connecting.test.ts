import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { setImmediate as nextTurn, setTimeout as delay } from 'node:timers/promises';
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
/** What fills the queue of those who want to connect: the packets of all others are dropped. */
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
  'a connection over %s that is being made when the client is closed is given up, and keeps no process alive',
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

/**
 * Resolves with the result of a call that ends before a timer of this length, which starts now; undefined if the timer is first. A stall of the
 * machine makes both late, and does not change their order.
 */
async function endedBefore<T>(ms: number, call: Promise<T>): Promise<T | undefined> {
  let result: T | undefined;
  void call.then((value) => (result = value));
  await delay(ms);
  // Timers that are due at the same time run in one turn; an error comes with the next ones.
  for (let turn = 0; turn < 3; turn++) await nextTurn();
  return result;
}

describe('connectTimeoutMs', () => {
  test.each([
    ['http', 400],
    ['https', 400],
    ['http', 150],
    ['http', 1_100],
  ] as const)('over %s of %d ms ends within 100 ms of what was asked', async (scheme, connectTimeoutMs) => {
    await using etcd = createClient({ endpoints: `${scheme}://127.0.0.1:${port}`, connectTimeoutMs, retry: false });
    const before = connecting();
    const begun = performance.now();
    let over = false;
    const read = rejection(firstValueFrom(etcd.kv.get('a'))).then((error) => {
      over = true;
      return { error, tookMs: performance.now() - begun };
    });
    // A stall of the machine may be longer than all of it.
    await waitFor('it is being made', () => over || connecting() > before);
    const ended = await endedBefore(connectTimeoutMs + 100, read);
    expect(ended?.error).toMatchObject({ reason: 'Unreachable', message: expect.stringContaining('connecting timed out') });
    expect(ended?.tookMs).toBeGreaterThanOrEqual(connectTimeoutMs - 1);
  });

  test('also limits a TLS handshake that is never answered', async () => {
    const mute = createServer((socket) => socket.on('error', () => undefined));
    const place = await listenSomewhere(mute);
    await using etcd = createClient({ endpoints: `https://127.0.0.1:${place}`, connectTimeoutMs: 300, retry: false });
    const connected = once(mute, 'connection');
    const read = rejection(firstValueFrom(etcd.kv.get('a')));
    await connected;
    expect(await endedBefore(400, read)).toMatchObject({ reason: 'Unreachable' });
    mute.close();
  });

  test('of two calls that begin at different times ends each by its own time', async () => {
    await using etcd = createClient({ endpoints: `http://127.0.0.1:${port}`, apiPrefix: '/v3', connectTimeoutMs: 300, retry: false });
    let over = 0;
    const begun = (): number => connecting() + over;
    const ended = async (): Promise<unknown> => {
      const before = begun();
      const read = rejection(firstValueFrom(etcd.call('/kv/range', {}, { endpoint: `http://127.0.0.1:${port}` })));
      void read.then(() => (over += 1));
      await waitFor('it is being made', () => begun() > before);
      return endedBefore(400, read);
    };
    const first = ended();
    await new Promise((resolve) => setTimeout(resolve, 120));
    for (const error of await Promise.all([first, ended()])) expect(error).toMatchObject({ reason: 'Unreachable' });
  });
});
