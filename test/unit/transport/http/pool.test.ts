import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom } from 'rxjs';
import { createClient, type Client, type ClientOptions } from '../../../../src/index.js';
import { OK, startFakeServer, type FakeReply, type FakeServer } from '../../../support/fakes/fakeServer.js';
import { rejection } from '../support.js';
import { waitFor } from '../../../support/waitFor.js';

let server: FakeServer;
const clients: Client[] = [];

/** Makes a client that does not retry calls on a busy machine: calls and connections are counted here. */
const clientOf = (options: ClientOptions = {}): Client => {
  const client = createClient({ endpoints: server.endpoint, attemptTimeoutMs: 60_000, requestTimeoutMs: 60_000, ...options });
  clients.push(client);
  return client;
};

const puts = (): number => server.at('/v3/kv/put').length;
const ranges = (): number => server.at('/v3/kv/range').length;

/** Makes the server hold its responses back; returns a function that releases one. */
function holdAnswers(): FakeReply[] {
  const held: FakeReply[] = [];
  server.script = (_, reply) => held.push(reply);
  return held;
}

beforeEach(async () => {
  server = await startFakeServer();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await server.close();
});

describe('pooled connections', () => {
  test('are reused: a hundred sequential calls need two', async () => {
    const { kv } = clientOf();
    for (let n = 0; n < 100; n++) await firstValueFrom(kv.put('a', 'b'));
    expect(puts()).toBe(100);
    // One would be enough, but undici reports a response before it treats its connection as free.
    expect(server.accepted).toBeLessThanOrEqual(2);
  });

  test('are at most maxConnections, however many calls wait', async () => {
    const { kv } = clientOf({ maxConnections: 3 });
    await firstValueFrom(kv.put('a', 'b'));
    const held = holdAnswers();
    const calls = Array.from({ length: 20 }, () => firstValueFrom(kv.put('a', 'b')));
    await waitFor('three puts are at the server', () => held.length === 3);
    let answered = 0;
    while (answered < 20) {
      await waitFor('there is one to answer', () => held.length > answered);
      expect(server.open).toBeLessThanOrEqual(3);
      expect(held.length - answered).toBeLessThanOrEqual(3);
      held[answered++]?.json(200, {});
    }
    expect(await Promise.all(calls)).toHaveLength(20);
    expect(server.accepted).toBe(3);
  });

  test('are closed after being idle for keepAliveMs', async () => {
    const { kv } = clientOf({ keepAliveMs: 50 });
    await firstValueFrom(kv.put('a', 'b'));
    const before = server.accepted;
    await waitFor('none is open', () => server.open === 0);
    await firstValueFrom(kv.put('a', 'b'));
    expect(server.accepted).toBe(before + 1);
  });

  test('are not used by streams, which have separate ones', async () => {
    const client = clientOf({ maxConnections: 1, streams: { transport: 'chunked' } });
    const streaming: FakeReply[] = [];
    server.script = (request, reply) => {
      if (request.path !== '/v3/lease/keepalive') return OK(request, reply);
      reply.stream().flushHeaders();
      streaming.push(reply);
    };
    const streams = Array.from({ length: 5 }, () => client.call('/lease/keepalive', {}, { streaming: true, safety: 'read' }).subscribe());
    await waitFor('five streams are open', () => streaming.length === 5);
    await firstValueFrom(client.kv.put('a', 'b'));
    expect(new Set(streaming.map(({ socket }) => socket)).size).toBe(5);
    for (const stream of streams) stream.unsubscribe();
    await waitFor('their connections are closed', () => streaming.every(({ socket }) => socket.destroyed));
  });
});

describe('unsubscribing from a call', () => {
  test('in progress closes the connection, which the server detects', async () => {
    const { kv } = clientOf();
    const held = holdAnswers();
    const call = kv.put('a', 'b').subscribe();
    await waitFor('the put is at the server', () => held.length === 1);
    call.unsubscribe();
    await waitFor('its connection is closed', () => held[0]?.socket.destroyed === true);
  });

  test('that waits for a connection sends nothing, and closes no connection', async () => {
    const { kv } = clientOf({ maxConnections: 1 });
    await firstValueFrom(kv.get('a'));
    const held = holdAnswers();
    const first = firstValueFrom(kv.get('a'));
    await waitFor('the first holds the connection', () => held.length === 1);
    const waiting = Array.from({ length: 10 }, () => kv.put('a', 'b').subscribe());
    const last = firstValueFrom(kv.get('a'));
    for (const call of waiting) call.unsubscribe();
    held[0]?.json(200, {});
    await first;
    await waitFor('the last is at the server', () => held.length === 2);
    held[1]?.json(200, {});
    await last;
    expect([puts(), ranges(), server.accepted]).toEqual([0, 3, 1]);
  });

  test('two thousand times leaves no socket and no timer, and a working client', async () => {
    const client = clientOf({ maxConnections: 8 });
    await firstValueFrom(client.kv.get('a'));
    const { signal } = new AbortController();
    let listeners = 0;
    const { addEventListener, removeEventListener } = signal;
    signal.addEventListener = (...given: Parameters<typeof addEventListener>) => (listeners++, addEventListener.apply(signal, given));
    signal.removeEventListener = (...given: Parameters<typeof removeEventListener>) => (
      listeners--,
      removeEventListener.apply(signal, given)
    );
    const timers = (): number => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
    // undici has an internal clock, which runs while connections are open: a timer with an open connection is no leak.
    const before = timers();
    for (let round = 0; round < 2_000; round++) {
      const call = client.kv.get('a', { signal }).subscribe();
      // Some fail at once, some after they were sent.
      if (round % 5 === 0) await new Promise(setImmediate);
      call.unsubscribe();
    }
    await firstValueFrom(client.kv.get('a'));
    expect(listeners).toBe(0);
    // The connect timeout limits a connection that is being opened.
    await waitFor('no timer is left', () => timers() <= before);
    await waitFor('no more connections are open than may be', () => server.open <= 8);
    await client.close();
    await waitFor('none is open', () => server.open === 0);
  });
});

describe('a request', () => {
  test('has the headers of the options, the user agent, and a JSON body', async () => {
    const { kv } = clientOf({ headers: { 'X-Tenant': 'blue' }, userAgent: 'app/1.0' });
    await firstValueFrom(kv.put('key', 'välue'));
    const [version, put] = server.requests;
    expect(version).toMatchObject({ method: 'GET', path: '/version', headers: { 'x-tenant': 'blue', 'user-agent': 'app/1.0' } });
    expect(put).toMatchObject({
      method: 'POST',
      headers: { 'x-tenant': 'blue', 'user-agent': 'app/1.0', 'content-type': 'application/json' },
      body: JSON.stringify({ key: btoa('key'), value: Buffer.from('välue').toString('base64') }),
    });
    expect(put?.headers).not.toHaveProperty('authorization');
  });

  test('has the token, in calls and streams', async () => {
    const client = clientOf({ auth: { token: 'simple.1' } });
    await firstValueFrom(client.kv.put('a', 'b'));
    const stream = client.call('/lease/keepalive', {}, { streaming: true }).subscribe({ error: () => undefined });
    await waitFor('the stream is there', () => server.at('/v3/lease/keepalive').length === 1);
    stream.unsubscribe();
    expect(server.requests.filter(({ path }) => path !== '/version').map(({ headers }) => headers.authorization)).toEqual([
      'simple.1',
      'simple.1',
    ]);
  });
});

describe('close()', () => {
  test('fails reads with ClientClosed, sent writes with AmbiguousWrite, unsent ones with ClientClosed, and closes every socket', async () => {
    // The order of the calls matters here.
    const client = clientOf({ maxConnections: 2, batchReads: false });
    await firstValueFrom(client.kv.get('a'));
    const held = holdAnswers();
    const calls = [client.kv.get('a'), client.kv.put('a', 'b'), client.kv.put('c', 'd')].map((call) =>
      rejection(firstValueFrom<unknown>(call)),
    );
    await waitFor('two are at the server', () => held.length === 2);
    await client.close();
    expect(await Promise.all(calls)).toMatchObject([
      { reason: 'ClientClosed', rpc: 'KV.Range', endpoint: server.endpoint },
      { reason: 'AmbiguousWrite', rpc: 'KV.Put', endpoint: server.endpoint, cause: { reason: 'ClientClosed' } },
      { reason: 'ClientClosed', rpc: 'KV.Put', endpoint: server.endpoint },
    ]);
    await waitFor('none is open', () => server.open === 0);
    expect(puts()).toBe(1);
  });

  test('fails streams with ClientClosed', async () => {
    const client = clientOf();
    server.script = (_, reply) => reply.stream().flushHeaders();
    const stream = rejection(firstValueFrom(client.call('/lease/keepalive', {}, { streaming: true, safety: 'read' })));
    await waitFor('the stream is there', () => server.at('/v3/lease/keepalive').length === 1);
    await client.close();
    expect(await stream).toMatchObject({ reason: 'ClientClosed' });
    await waitFor('none is open', () => server.open === 0);
  });

  test('can be called twice, and before anything was sent; later calls fail with ClientClosed and are not sent', async () => {
    const client = clientOf();
    await Promise.all([client.close(), client.close()]);
    expect(await rejection(firstValueFrom(client.kv.put('a', 'b')))).toMatchObject({ reason: 'ClientClosed' });
    expect(server.accepted).toBe(0);
  });

  test('calls no token function for a later call', async () => {
    let asked = 0;
    const client = clientOf({ auth: { token: () => `t${++asked}` } });
    await client.close();
    expect(await rejection(firstValueFrom(client.kv.put('a', 'b')))).toMatchObject({ reason: 'ClientClosed' });
    expect(asked).toBe(0);
  });
});
