import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { createClient } from '../../../../src/index.js';
import { rejection, until } from '../support.js';
import { firstValueFrom } from 'rxjs';

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
  await until('the queue is full', () => waiting.filter(({ connecting }) => !connecting).length >= 2);
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
    await until('it is being made', () => connecting() > before);
    await etcd.close();
    expect(await read).toMatchObject({ reason: 'ClientClosed' });
    await until('it is given up', () => connecting() === before);
  },
);
