import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, lastValueFrom, toArray } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../../../src/index.js';
import { startFakeServer, type FakeReply, type FakeServer } from '../../../support/fakes/fakeServer.js';
import { frame, startFakeStreams, type FakeStreams } from '../../../support/fakes/fakeStreams.js';
import { rejection } from '../support.js';
import { waitFor } from '../../../support/waitFor.js';

const LIMIT = 10_000;
const LONG = 'x'.repeat(LIMIT);
const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };

const clients: Client[] = [];
const clientOf = (options: ClientOptions): Client => {
  // The client does not hedge on a busy machine.
  const client = createClient({ maxResponseBytes: LIMIT, attemptTimeoutMs: 60_000, ...options });
  clients.push(client);
  return client;
};
afterEach(() => Promise.all(clients.splice(0).map((client) => client.close())));

describe('a response longer than maxResponseBytes', () => {
  let server: FakeServer;
  beforeEach(async () => {
    server = await startFakeServer();
  });
  afterEach(() => server.close());
  const tooLarge = (rpc: string) => ({
    reason: 'ResponseTooLarge',
    code: 'ResourceExhausted',
    rpc,
    endpoint: server.endpoint,
    message: expect.stringContaining('the option maxResponseBytes'),
  });

  test('fails, is not retried, and its connection is closed', async () => {
    const replies: FakeReply[] = [];
    server.script = (_, reply) => {
      replies.push(reply);
      reply.json(200, { header, unknown: LONG });
    };
    const { kv } = clientOf({ endpoints: server.endpoint });
    expect(await rejection(firstValueFrom(kv.get('a')))).toMatchObject(tooLarge('KV.Range'));
    expect(replies).toHaveLength(1);
    await waitFor('its connection is closed', () => replies[0]?.socket.destroyed === true);
  });

  test('to a write leaves its outcome unknown', async () => {
    server.script = (_, reply) => reply.json(200, { header, unknown: LONG });
    expect(await rejection(firstValueFrom(clientOf({ endpoints: server.endpoint }).kv.put('a', 'b')))).toMatchObject({
      reason: 'AmbiguousWrite',
      cause: tooLarge('KV.Put'),
    });
  });

  test('fails a call that may wait on the server, too', async () => {
    server.script = (_, reply) => reply.json(200, { header, unknown: LONG });
    expect(await rejection(firstValueFrom(clientOf({ endpoints: server.endpoint }).lockService.lock('a')))).toMatchObject({
      reason: 'AmbiguousWrite',
      cause: tooLarge('Lock.Lock'),
    });
  });

  test('fails with ResponseTooLarge if it is an error, of a call or of a stream', async () => {
    server.script = (_, reply) => reply.text(500, LONG + LONG);
    const client = clientOf({ endpoints: server.endpoint });
    expect(await rejection(firstValueFrom(client.kv.get('a')))).toMatchObject(tooLarge('KV.Range'));
    expect(await rejection(firstValueFrom(client.maintenance.snapshot()))).toMatchObject(tooLarge('Maintenance.Snapshot'));
  });

  test('fails all requests to plain HTTP paths', async () => {
    server.version = undefined;
    server.script = (_, reply) => reply.text(200, LONG + LONG);
    const client = clientOf({ endpoints: server.endpoint });
    expect(await rejection(firstValueFrom(client.health()))).toMatchObject(tooLarge('GET /version'));
    server.version = '3.5.0';
    expect(await rejection(firstValueFrom(client.health()))).toMatchObject(tooLarge('GET /health'));
    expect(await rejection(firstValueFrom(client.metricsText()))).toMatchObject(tooLarge('GET /metrics'));
  });

  test('that never ends is cut off, and takes no more memory than the limit', async () => {
    const replies: FakeReply[] = [];
    server.script = (_, reply) => {
      replies.push(reply);
      const stream = reply.stream();
      const more = (): void => {
        if (reply.socket.destroyed) return;
        stream.write(LONG, more);
      };
      stream.write('{"');
      more();
    };
    const client = clientOf({ endpoints: server.endpoint });
    const ended = rejection(firstValueFrom(client.call('/watch', {}, { streaming: true, safety: 'read' })));
    expect(await ended).toMatchObject(tooLarge('POST /watch'));
    expect(await rejection(firstValueFrom(client.kv.get('a')))).toMatchObject(tooLarge('KV.Range'));
    await waitFor('their connections are closed', () => replies.length === 2 && replies.every(({ socket }) => socket.destroyed));
  });

  test('is allowed for a stream of short messages', async () => {
    server.script = (_, reply) => reply.stream().end(`${JSON.stringify({ result: { a: LONG.slice(0, 6_000) } })}\n`.repeat(10));
    const answers = clientOf({ endpoints: server.endpoint }).call('/watch', {}, { streaming: true, safety: 'read' });
    expect(await firstValueFrom(answers.pipe(toArray()))).toHaveLength(10);
  });

  test('makes pages shorter', async () => {
    const keys = ['a', 'b', 'c', 'd', 'e'];
    server.script = ({ body }, reply) => {
      const { key, limit } = JSON.parse(body) as { key: string; limit: number };
      const rest = keys.filter((name) => name >= atob(key).replace(/\0$/, '~'));
      const kvs = rest.slice(0, limit).map((name) => ({ key: btoa(name), value: btoa(LONG.slice(0, 3_000)) }));
      reply.json(200, { header, kvs, more: rest.length > kvs.length, count: String(rest.length) });
    };
    const pages = await lastValueFrom(clientOf({ endpoints: server.endpoint }).kv.pages({ from: 'a' }, { pageSize: 8 }).pipe(toArray()));
    expect(pages.flatMap(({ kvs }) => kvs.map(({ key }) => key))).toEqual(keys);
    expect(Math.max(...pages.map(({ kvs }) => kvs.length))).toBe(2);
  });
});

describe.each(['websocket', 'http2', 'chunked'] as const)('a message longer than maxResponseBytes over %s', (transport) => {
  let server: FakeStreams;
  beforeEach(async () => {
    server = await startFakeStreams(transport);
  });
  afterEach(() => server.close());
  const client = (): Client =>
    clientOf({
      endpoints: server.endpoint,
      ...(server.tls === undefined ? {} : { tls: { ca: server.tls.ca } }),
      streams: { transport, initialBackoffMs: 1 },
    });
  const created = `${JSON.stringify({ result: { header, created: true } })}\n`;
  const long = `${JSON.stringify({ result: { header, cancel_reason: LONG } })}\n`;
  const tooLarge = () => ({
    reason: 'ResponseTooLarge',
    rpc: 'Watch.Watch',
    endpoint: server.endpoint,
    message: expect.stringContaining('the option maxResponseBytes'),
  });

  test('ends the watch, and the connection', async () => {
    server.script = (stream) => {
      stream.send(created);
      stream.send(long);
    };
    expect(await rejection(lastValueFrom(client().watch('a')))).toMatchObject(tooLarge());
    // The second message would have come in fragments.
    expect(server.opened).toBe(2);
    await clients[0]?.close();
    await waitFor('its connections are closed', () => server.open === 0);
  });

  test('ends the watch before it has arrived completely', async () => {
    server.script = (stream) => {
      stream.send(created);
      // A length far above any that is ever sent, or a message without an end.
      if (transport === 'websocket') stream.socket.write(frame(1, Buffer.from(LONG.slice(0, 100)), LIMIT + 1));
      else stream.send(`{"result":"${LONG}${LONG}`);
    };
    expect(await rejection(lastValueFrom(client().watch('a')))).toMatchObject(tooLarge());
  });

  test('fails, while a shorter one is decoded', async () => {
    server.script = (stream) => {
      stream.send(created);
      const kv = { key: btoa('a'), value: btoa('x'.repeat(7_000)), create_revision: '8', mod_revision: '8', version: '1' };
      stream.send(`${JSON.stringify({ result: { header, events: [{ kv }] } })}\n`);
    };
    expect((await firstValueFrom(client().watch('a'))).kv.value).toHaveLength(7_000);
  });
});
