import { createServer } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { startEtcd, type EtcdServer } from '../support/etcd/index.js';
import { listenSomewhere } from '../support/ports.js';
import { Clients, expectSilentAbout, rejection } from '../faults/support.js';

const clients = new Clients();
afterEach(() => clients.close());

describe('an https endpoint whose server uses plain HTTP', () => {
  let etcd: EtcdServer;
  beforeAll(async () => {
    etcd = await startEtcd();
  });
  afterAll(() => etcd.stop());

  test('fails reads, writes and watches with TlsFailed, which states what to change', async () => {
    const endpoint = etcd.endpoint.replace('http:', 'https:');
    const client = clients.make({ endpoints: endpoint, headers: { 'x-secret': 'hidden' }, auth: { username: 'root', password: 'secret' } });
    for (const use of [client.version(), client.kv.put('a', 'b'), client.watch('a'), client.live({ key: 'a' })]) {
      const failed = await rejection(firstValueFrom<unknown>(use));
      expect(failed).toMatchObject({
        reason: 'TlsFailed',
        endpoint,
        message: expect.stringContaining('does not speak TLS; if that is intended, use an http:// endpoint'),
      });
      expectSilentAbout(failed, 'hidden', 'secret');
    }
  });
});

test('an https endpoint that accepts and closes connections may be down, and is Unreachable', async () => {
  const server = createServer((socket) => socket.on('error', () => undefined).destroy());
  const port = await listenSomewhere(server);
  const client = clients.make({ endpoints: `https://127.0.0.1:${port}` });
  expect(await rejection(firstValueFrom(client.kv.get('a')))).toMatchObject({
    reason: 'Unreachable',
    message: expect.stringContaining('If the server does not use TLS, use an http:// endpoint'),
  });
  server.close();
});

test.each([
  ['rejects', '400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n'],
  ['redirects', '301 Moved Permanently\r\nLocation: https://127.0.0.1/version\r\n\r\n'],
])('an https endpoint that resets a handshake, and %s plain HTTP as servers with TLS do, is Unreachable', async (_, response) => {
  // The first byte of a handshake is 22.
  const server = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.once('data', (data) => {
      if (data[0] === 22) socket.resetAndDestroy();
      else socket.end(`HTTP/1.0 ${response}`);
    });
  });
  const port = await listenSomewhere(server);
  const client = clients.make({ endpoints: `https://127.0.0.1:${port}` });
  expect(await rejection(firstValueFrom(client.kv.get('a')))).toMatchObject({
    reason: 'Unreachable',
    message: expect.stringContaining('the TLS handshake was cut off'),
  });
  server.close();
});

test.each([
  ['a get', (client: ReturnType<Clients['make']>) => client.kv.get('a'), 'KV.Range'],
  ['a put', (client: ReturnType<Clients['make']>) => client.kv.put('a', 'b'), 'KV.Put'],
  ['a lease', (client: ReturnType<Clients['make']>) => client.lease({ ttl: 5 }), 'Lease.LeaseGrant'],
] as const)('%s whose connection is refused names the call and the request before it', async (_, use, rpc) => {
  const server = createServer();
  const port = await listenSomewhere(server);
  await new Promise((resolve) => server.close(resolve));
  const client = clients.make({ endpoints: `http://127.0.0.1:${port}`, requestTimeoutMs: 20_000 });
  const failed = await rejection(firstValueFrom<unknown>(use(client)));
  expect(failed).toMatchObject({
    reason: 'Unreachable',
    message: `${rpc} failed: no connection: the connection was refused (GET /version at http://127.0.0.1:${port})`,
  });
});
