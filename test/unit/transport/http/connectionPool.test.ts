import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { inspect } from 'node:util';
import { buildConnector } from 'undici';
import { firstValueFrom, of, type Observable } from 'rxjs';
import { settingsOf } from '../../../../src/options/clientOptions.js';
import { TlsSource } from '../../../../src/node/certificates.js';
import { undiciTransport } from '../../../../src/node/undiciTransport.js';
import type { Transport } from '../../../../src/transport/http/transport.js';
import { OK, startFakeServer, type FakeReply, type FakeServer } from '../../../support/fakes/fakeServer.js';
import { waitFor } from '../../../support/waitFor.js';

/** The maximum number of connections that a pool makes at the same time. */
const MAX_CONNECTING = 8;

/** A connection that the transport wants to make: makes it, or lets it fail. */
interface Attempt {
  make(): void;
  fail(error: Error): void;
}

let server: FakeServer;
let transport: Transport;
/** The connections that are being made. */
let attempts: Attempt[];
/** The number of requests that were sent. */
let sent: number;

beforeEach(async () => {
  server = await startFakeServer();
  attempts = [];
  sent = 0;
  const connect = buildConnector({});
  transport = undiciTransport({
    ...settingsOf({ maxConnections: 64 }),
    tls: new TlsSource({}),
    connect: (options, callback) => void attempts.push({ make: () => connect(options, callback), fail: (error) => callback(error, null) }),
  });
});
afterEach(async () => {
  await transport.close();
  await server.close();
});

/** Sends a request. It emits the status of its response, or the reason of its failure. */
const request = (): Observable<unknown> =>
  transport.exchange<unknown>(
    { origin: server.endpoint, method: 'POST', path: '/v3/kv/put', headers: {}, body: '{}', rpc: 'KV.Put', onSent: () => void (sent += 1) },
    { read: ({ status }) => status, recover: (failure) => of((failure as { reason: unknown }).reason) },
  );
const requests = (count: number): Promise<unknown>[] => Array.from({ length: count }, () => firstValueFrom(request()));
const next = (): Attempt => attempts.shift() ?? { make: () => undefined, fail: () => undefined };
/** Makes all connections, also those that are wanted meanwhile. */
async function makeAll(): Promise<void> {
  while (attempts.length > 0) {
    next().make();
    await settled();
  }
}
/** Waits until the callbacks of the pool have run. */
const settled = (): Promise<void> => new Promise((resolve) => void setImmediate(() => setImmediate(resolve)));

describe('connections that are made at the same time', () => {
  test('are at most eight, and all requests use the first that is open', async () => {
    const calls = requests(100);
    await settled();
    expect(attempts).toHaveLength(MAX_CONNECTING);
    next().make();
    // One more is made in its place, while others wait.
    expect(await Promise.all(calls.slice(0, 1))).toEqual([200]);
    await waitFor('the open one has served the requests that waited', () => sent >= 100 - 2 * MAX_CONNECTING);
    expect(server.accepted).toBe(1);
    await makeAll();
    expect(await Promise.all(calls)).toEqual(Array.from({ length: 100 }, () => 200));
    expect([sent, server.at('/v3/kv/put').length]).toEqual([100, 100]);
  });

  test('are replaced by others when they are open and in use', async () => {
    const held: FakeReply[] = [];
    server.script = (_, reply) => held.push(reply);
    const calls = requests(20);
    await settled();
    for (let made = 1; made <= 20; made++) {
      next().make();
      await waitFor('a request is at the server', () => held.length === made);
      await settled();
      expect(attempts).toHaveLength(Math.min(MAX_CONNECTING, 20 - made));
    }
    for (const reply of held) reply.json(200, {});
    expect(new Set(await Promise.all(calls))).toEqual(new Set([200]));
  });

  test('are at most eight after all connections were in use, and broke', async () => {
    const held: FakeReply[] = [];
    server.script = (_, reply) => held.push(reply);
    const first = requests(64);
    await waitFor('all connections are in use', async () => {
      await makeAll();
      return held.length === 64;
    });
    const calls = requests(100);
    await settled();
    expect(attempts).toHaveLength(0);
    server.script = OK;
    for (const reply of held) reply.cut();
    expect(new Set(await Promise.all(first))).toEqual(new Set(['ConnectionLost']));
    await settled();
    expect(attempts).toHaveLength(MAX_CONNECTING);
    const settling = Promise.all(calls);
    await waitFor('all have a response', async () => {
      await makeAll();
      return server.at('/v3/kv/put').length === 164;
    });
    expect(await settling).toEqual(calls.map(() => 200));
  });

  test('do not count any more when they fail', async () => {
    const [first] = requests(1);
    await settled();
    next().make();
    await first;
    await settled();
    const held: FakeReply[] = [];
    server.script = (_, reply) => held.push(reply);
    // One request holds the open connection. The others need new ones.
    const calls = requests(1 + MAX_CONNECTING + 3);
    await waitFor('the first is at the server', () => held.length === 1);
    await settled();
    expect(attempts).toHaveLength(MAX_CONNECTING);
    for (let failed = 0; failed < MAX_CONNECTING; failed++) next().fail(new Error('no route'));
    await settled();
    expect(attempts).toHaveLength(3);
    server.script = OK;
    held[0]?.json(200, {});
    await makeAll();
    const results = await Promise.all([calls[0], ...calls.slice(1 + MAX_CONNECTING)]);
    expect(results).toEqual([200, 200, 200, 200]);
    expect(await Promise.all(calls.slice(1, 1 + MAX_CONNECTING))).toEqual(Array.from({ length: MAX_CONNECTING }, () => 'Unreachable'));
  });
});

describe('renewed connections', () => {
  test('are those that are open', async () => {
    const [first] = requests(1);
    await settled();
    await makeAll();
    expect(await first).toBe(200);
    transport.renew(server.endpoint);
    const calls = requests(1);
    await settled();
    expect(attempts).toHaveLength(1);
    await makeAll();
    expect(await Promise.all(calls)).toEqual([200]);
    expect(server.accepted).toBe(2);
  });

  test('are not those that are being made', async () => {
    const calls = requests(2);
    await settled();
    transport.renew(server.endpoint);
    const later = requests(1);
    await settled();
    expect(attempts).toHaveLength(3);
    next().make();
    expect(await calls[0]).toBe(200);
    await settled();
    // The open connection is still used.
    expect(await Promise.all(requests(1))).toEqual([200]);
    expect(server.accepted).toBe(1);
    await makeAll();
    expect(await Promise.all([...calls, ...later])).toEqual([200, 200, 200]);
  });
});

describe('requests that wait for a connection', () => {
  test('fail with the first connection, if none is open', async () => {
    const calls = requests(MAX_CONNECTING + 40);
    await settled();
    next().fail(new Error('no route'));
    expect(new Set(await Promise.all([calls[0], ...calls.slice(MAX_CONNECTING)]))).toEqual(new Set(['Unreachable']));
    expect(sent).toBe(0);
    await settled();
    expect(attempts).toHaveLength(MAX_CONNECTING - 1);
    for (const attempt of attempts.splice(0)) attempt.make();
    expect(await Promise.all(calls.slice(1, MAX_CONNECTING))).toEqual(Array.from({ length: MAX_CONNECTING - 1 }, () => 200));
  });

  test('are not sent once they are unsubscribed', async () => {
    const calls = requests(MAX_CONNECTING);
    const unsubscribed = Array.from({ length: 20 }, () => request().subscribe());
    const last = firstValueFrom(request());
    for (const subscription of unsubscribed) subscription.unsubscribe();
    await settled();
    await makeAll();
    expect(await Promise.all([...calls, last])).toEqual([...calls, last].map(() => 200));
    expect(sent).toBe(MAX_CONNECTING + 1);
  });

  test('end in ClientClosed when the client is closed', async () => {
    const calls = requests(MAX_CONNECTING + 5);
    await settled();
    await transport.close();
    expect(await Promise.all(calls)).toEqual(calls.map(() => 'ClientClosed'));
    expect(sent).toBe(0);
  });

  test('move to new connections when those of their endpoint are renewed', async () => {
    const held: FakeReply[] = [];
    server.script = (_, reply) => held.push(reply);
    const calls = requests(MAX_CONNECTING + 5);
    await settled();
    for (let made = 1; made <= 2; made++) {
      next().make();
      await waitFor('a request is at the server', () => held.length === made);
      await settled();
    }
    // Two requests are at the server, which sends no response. Eight connections are being made, and never open.
    const stuck = attempts.splice(0);
    expect(stuck).toHaveLength(MAX_CONNECTING);
    server.script = OK;
    transport.renew(server.endpoint);
    await settled();
    expect(attempts).toHaveLength(3);
    await makeAll();
    expect(await Promise.all(calls.slice(-3))).toEqual([200, 200, 200]);
    for (const reply of held) reply.json(200, {});
    for (const attempt of stuck) attempt.make();
    expect(await Promise.all(calls)).toEqual(calls.map(() => 200));
    expect(sent).toBe(calls.length);
    await waitFor('the connections of the earlier pool are closed', () => server.open === 3);
  });

  test('are still sent when the connections of their endpoint are released', async () => {
    const calls = requests(MAX_CONNECTING + 5);
    await settled();
    transport.release(server.endpoint);
    const later = requests(1);
    await settled();
    // The later request has a connection of the next pool.
    expect(attempts).toHaveLength(MAX_CONNECTING + 1);
    await makeAll();
    expect(await Promise.all([...calls, ...later])).toEqual([...calls, ...later].map(() => 200));
    await waitFor('the connections of the released pool are closed', () => server.open === 1);
  });
});

test('a log that shows the subscription of a waiting request shows neither its token nor its body', async () => {
  const secret = 's3cret';
  const subscriptions = Array.from({ length: MAX_CONNECTING + 2 }, () =>
    transport
      .exchange<unknown>(
        { origin: server.endpoint, method: 'POST', path: '/v3/kv/put', headers: { authorization: secret }, body: secret, rpc: 'KV.Put' },
        { read: ({ status }) => status, recover: () => of('failed') },
      )
      .subscribe(),
  );
  await settled();
  expect(attempts).toHaveLength(MAX_CONNECTING);
  expect(inspect(subscriptions, { depth: 12, showHidden: true })).not.toContain(secret);
  for (const subscription of subscriptions) subscription.unsubscribe();
});
