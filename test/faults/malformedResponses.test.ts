import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, toArray, type Observable } from 'rxjs';
import { get, put, range, type Client, type ClientOptions } from '../../src/index.js';
import { OK, startFakeServer, type FakeReply, type FakeServer } from '../support/fakes/fakeServer.js';
import { Clients, expectSilentAbout, rejection } from './support.js';
import { waitFor } from '../support/waitFor.js';

const SECRET = 'hunter2';

let server: FakeServer;
const clients = new Clients();
const clientOf = (options: ClientOptions = {}): Client => clients.make({ endpoints: server.endpoint, requestTimeoutMs: 5_000, ...options });

beforeEach(async () => {
  server = await startFakeServer();
});
afterEach(async () => {
  await clients.close();
  await server.close();
});

/** Writes a response byte for byte, and ends the connection. */
const raw = (reply: FakeReply, text: string): void => void reply.socket.end(text);
const GOOD = '{"header":{"cluster_id":"1","member_id":"1","revision":"7","raft_term":"1"}}';

describe('a read whose response', () => {
  test.each<[string, (reply: FakeReply) => void, string]>([
    ['a page of HTML', (reply) => reply.text(200, `<html>${SECRET}</html>`, 'text/html'), 'MalformedResponse'],
    ['a page of HTML and status 500', (reply) => reply.text(500, `<html>${SECRET}</html>`, 'text/html'), 'MalformedResponse'],
    ['a redirect', (reply) => reply.text(302, SECRET), 'ProxyRefused'],
    ['plain text', (reply) => reply.text(200, SECRET), 'MalformedResponse'],
    ['nothing', (reply) => reply.text(200, ''), 'MalformedResponse'],
    ['status 204', (reply) => raw(reply, 'HTTP/1.1 204 No Content\r\n\r\n'), 'MalformedResponse'],
    ['an unknown status', (reply) => raw(reply, `HTTP/1.1 999 ${SECRET}\r\ncontent-length: 0\r\n\r\n`), 'MalformedResponse'],
    ['not HTTP', (reply) => raw(reply, `SSH-2.0-${SECRET}\r\n`), 'MalformedResponse'],
    ['a head with an invalid line', (reply) => raw(reply, `HTTP/1.1 200 OK\r\nbad ${SECRET}\r\n\r\n{}`), 'MalformedResponse'],
    ['bad chunks', (reply) => raw(reply, `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz${SECRET}\r\n`), 'MalformedResponse'],
    [
      'less than its content-length',
      (reply) => raw(reply, `HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"a":"${SECRET}`),
      'ConnectionLost',
    ],
    ['half of its chunks', (reply) => raw(reply, `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\n{"a\r\n`), 'ConnectionLost'],
    [
      'half of a body that ends with the connection',
      (reply) => raw(reply, `HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{"a":"${SECRET}`),
      'MalformedResponse',
    ],
    ['the end of the connection', (reply) => reply.cut(), 'ConnectionLost'],
    ['half a head', (reply) => raw(reply, 'HTTP/1.1 200 OK\r\ncontent-'), 'ConnectionLost'],
    ['JSON of another shape', (reply) => reply.json(200, [SECRET]), 'MalformedResponse'],
    ['a field of another type', (reply) => reply.json(200, { kvs: [{ key: 7, value: SECRET }] }), 'MalformedResponse'],
    ['a key that is not base64', (reply) => reply.json(200, { kvs: [{ key: `${SECRET}!` }] }), 'MalformedResponse'],
    ['a number that JSON cannot hold', (reply) => reply.json(200, { count: '9223372036854775807' }), 'MalformedResponse'],
    ['an error and status 200', (reply) => reply.json(200, { error: 'etcdserver: mvcc: database space exceeded', code: 8 }), 'NoSpace'],
    ['JSON nested deep', (reply) => reply.text(200, '['.repeat(100_000)), 'MalformedResponse'],
  ])('is %s fails with an error that names the endpoint and quotes nothing', async (_, answer, reason) => {
    server.script = (__, reply) => answer(reply);
    const error = await rejection(firstValueFrom(clientOf().kv.get('a')));
    expect(error).toMatchObject({ reason, rpc: 'KV.Range', endpoint: server.endpoint });
    expectSilentAbout(error, SECRET);
  });

  test('follows a provisional response succeeds', async () => {
    server.script = (_, reply) =>
      raw(reply, `HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: ${GOOD.length}\r\n\r\n${GOOD}`);
    expect((await firstValueFrom(clientOf().kv.range('a'))).header.revision).toBe(7);
  });

  test('arrives one byte at a time succeeds, also with characters of several bytes', async () => {
    const body = JSON.stringify({ kvs: [{ key: btoa('a'), value: Buffer.from('漢😀').toString('base64') }], count: '1', ünknown: '😀' });
    server.script = (_, reply) => {
      const stream = reply.stream();
      reply.socket.setNoDelay(true);
      const bytes = [...Buffer.from(body)];
      const next = (): void => {
        const byte = bytes.shift();
        if (byte === undefined) stream.end();
        else stream.write(Buffer.of(byte), () => setImmediate(next));
      };
      next();
    };
    expect((await firstValueFrom(clientOf().kv.get('a')))?.value).toBe('漢😀');
  });

  test('has an endless head or body fails at the deadline', async () => {
    server.script = (_, reply) => {
      const stream = reply.stream();
      const more = (): void => void (reply.socket.destroyed || (stream.write(' '.repeat(1_000)), setTimeout(more, 5)));
      more();
    };
    expect(await rejection(firstValueFrom(clientOf({ requestTimeoutMs: 200 }).kv.get('a')))).toMatchObject({ reason: 'DeadlineExceeded' });
  });
});

test.each([200, 503])('is a page of a proxy with status %d proves nothing about the health of a server', async (status) => {
  server.script = (_, reply) => reply.text(status, `<html>${SECRET}</html>`, 'text/html');
  const client = clientOf({ retry: false });
  const calls: readonly Observable<unknown>[] = [client.health(), client.livez(), client.readyz()];
  for (const call of calls) {
    const error = await rejection(firstValueFrom(call));
    expect(error).toMatchObject({ code: 'Unavailable', endpoint: server.endpoint });
    expectSilentAbout(error, SECRET);
  }
});

test.each<[string, object]>([
  ['fewer results than operations', { succeeded: true, responses: [{ response_put: {} }] }],
  ['the result of another operation', { succeeded: true, responses: [{ response_put: {} }, { response_put: {} }] }],
])('a txn that writes may have been carried out after this response: %s', async (_, answer) => {
  server.script = (__, reply) => reply.json(200, answer);
  const { kv } = clientOf();
  const writing = await rejection(firstValueFrom(kv.txn({ success: [put('a', '1'), get('a')] })));
  expect(writing).toMatchObject({ reason: 'AmbiguousWrite', rpc: 'KV.Txn', cause: { reason: 'MalformedResponse' } });
  const reading = await rejection(firstValueFrom(kv.txn({ success: [range('a'), get('a')] })));
  expect(reading).toMatchObject({ reason: 'MalformedResponse', rpc: 'KV.Txn' });
});

test.each<[string, object]>([
  ['that a compare failed, although there is none', { succeeded: false, responses: [] }],
  ['nothing', {}],
  ['results of a branch that does not exist', { succeeded: false, responses: [{ response_range: {} }, { response_range: {} }] }],
  ['fewer results than keys', { succeeded: true, responses: [{ response_range: {} }] }],
])('batched gets are re-sent individually after this response: %s', async (_, answer) => {
  server.script = ({ path, body }, reply) => {
    if (path.endsWith('/txn')) return reply.json(200, answer);
    const { key } = JSON.parse(body) as { key: string };
    reply.json(200, { kvs: [{ key, value: key, mod_revision: '7' }], count: '1' });
  };
  const { kv } = clientOf();
  const kvs = await Promise.all(['a', 'b'].map((name) => firstValueFrom(kv.get(name))));
  expect(kvs.map((found) => found?.value)).toEqual(['a', 'b']);
  expect(server.at('/v3/kv/txn')).toHaveLength(1);
});

describe('a streamed response', () => {
  const collect = (client: Client): Promise<unknown[]> =>
    firstValueFrom(client.call('/watch', {}, { streaming: true, safety: 'read' }).pipe(toArray()));
  const written = (...chunks: string[]): void => {
    server.script = (_, reply) => {
      const stream = reply.stream();
      const next = (): void => {
        const chunk = chunks.shift();
        if (chunk === undefined) stream.end();
        else stream.write(chunk, () => setImmediate(next));
      };
      next();
    };
  };

  test('is read in any chunks, with and without newlines', async () => {
    written('{"result":{"n":1}}\n{"resu', 'lt":{"n":', '2}}', '\n', '{"result":{"n":3}}{"result":{"n":4}}');
    expect(await collect(clientOf())).toEqual([1, 2, 3, 4].map((n) => ({ n })));
  });

  test.each<[string, string, string]>([
    [
      'an error of gateway v1',
      '{"error":{"grpc_code":14,"http_code":503,"message":"etcdserver: no leader","http_status":"Service Unavailable"}}\n',
      'NoLeader',
    ],
    ['an error of gateway v2', '{"error":{"code":11,"message":"etcdserver: mvcc: required revision has been compacted"}}\n', 'Compacted'],
    ['plain text', 'Not Found', 'MalformedResponse'],
    ['a page of HTML', `<html>${SECRET}</html>`, 'MalformedResponse'],
    ['half a message', `{"result":{"a":"${SECRET}`, 'MalformedResponse'],
    ['neither result nor error', `{"${SECRET}":1}\n`, 'MalformedResponse'],
  ])('that continues with %s fails with that error, after the messages before it', async (_, text, reason) => {
    const seen: unknown[] = [];
    written('{"result":{"n":1}}\n', text);
    const error = await new Promise((resolve) =>
      clientOf()
        .call('/watch', {}, { streaming: true, safety: 'read' })
        .subscribe({ next: (value) => seen.push(value), error: resolve, complete: () => resolve('completed') }),
    );
    expect(seen).toEqual([{ n: 1 }]);
    expect(error).toMatchObject({ reason });
    expectSilentAbout(error, SECRET);
    expect(server.at('/v3/watch')).toHaveLength(1);
  });

  test('that is rejected at once fails with the error of the server, in any shape', async () => {
    server.script = (_, reply) => reply.json(400, { error: 'etcdserver: user name is empty', code: 3 });
    expect(await rejection(collect(clientOf()))).toMatchObject({ reason: 'UserEmpty', endpoint: server.endpoint });
  });

  test('that breaks before its first message is retried, and not afterwards', async () => {
    let tries = 0;
    server.script = (_, reply) => {
      if (++tries === 1) return reply.cut();
      reply.stream().write('{"result":{"n":1}}\n', () => reply.cut());
    };
    expect(await rejection(collect(clientOf()))).toMatchObject({ reason: 'ConnectionLost' });
    expect(server.at('/v3/watch')).toHaveLength(2);
  });
});

describe('no error contains a secret', () => {
  const auth = { username: 'root', password: SECRET };

  test.each<[string, (reply: FakeReply) => void]>([
    ['is refused', (reply) => reply.json(400, { error: 'etcdserver: authentication failed, invalid user ID or password', code: 3 })],
    ['gets an invalid response', (reply) => reply.text(200, `{${SECRET}`)],
    ['gets a response that is not HTTP', (reply) => raw(reply, `${SECRET}\r\n\r\n`)],
    ['gets a response without a token', (reply) => reply.json(200, { token: 7, password: SECRET })],
  ])('when a request for a token %s', async (_, answer) => {
    server.script = (__, reply) => answer(reply);
    const error = await rejection(firstValueFrom(clientOf({ auth }).kv.get('a')));
    expect(error).toMatchObject({ rpc: 'Auth.Authenticate', endpoint: server.endpoint });
    expectSilentAbout(error, SECRET);
  });

  test.each<[string, (reply: FakeReply) => void]>([
    ['is cut off', (reply) => reply.cut()],
    ['gets a page of a proxy', (reply) => reply.text(200, `<html>${SECRET}`)],
  ])('when every request for a token %s until the deadline of the call', async (_, answer) => {
    server.script = (__, reply) => answer(reply);
    const error = await rejection(firstValueFrom(clientOf({ auth, requestTimeoutMs: 1_500 }).kv.get('a')));
    expect(error).toMatchObject({
      reason: 'DeadlineExceeded',
      rpc: 'KV.Range',
      cause: { rpc: 'Auth.Authenticate', endpoint: server.endpoint },
    });
    expectSilentAbout(error, SECRET);
  });

  test.each<[string, (reply: FakeReply) => void]>([
    ['is refused', (reply) => reply.json(403, { error: 'etcdserver: permission denied', code: 7 })],
    ['loses its connection', (reply) => reply.cut()],
    ['gets a response that is not HTTP', (reply) => raw(reply, `token ${SECRET}\r\n\r\n`)],
  ])('when a write with a token %s: neither the token nor the value', async (_, answer) => {
    server.script = (__, reply) => answer(reply);
    const error = await rejection(
      firstValueFrom(clientOf({ auth: { token: SECRET }, headers: { 'x-key': 'top-s3cret' } }).kv.put('a', 'val-s3cret')),
    );
    expect(error).toMatchObject({ rpc: 'KV.Put', endpoint: server.endpoint });
    expectSilentAbout(error, SECRET, 's3cret', btoa('val-s3cret'));
  });

  test('when a deadline or a signal ends a call, or the client is closed', async () => {
    server.script = () => undefined;
    const client = clientOf({ auth: { token: SECRET } });
    // So that the client sends writes at once.
    await firstValueFrom(client.version());
    const controller = new AbortController();
    const ends = [
      client.kv.put('a', 'val-s3cret', { timeoutMs: 1_000 }),
      client.kv.put('a', 'val-s3cret', { signal: controller.signal }),
      client.kv.put('a', 'val-s3cret'),
    ].map((call) => rejection(firstValueFrom(call)));
    await ends[0];
    await waitFor('all are at the server', () => server.at('/v3/kv/put').length === 3);
    controller.abort(new Error(SECRET));
    await ends[1];
    await client.close();
    for (const error of await Promise.all(ends)) {
      expect(error).toMatchObject({ reason: 'AmbiguousWrite' });
      expectSilentAbout(error, SECRET, 's3cret');
    }
  });
});

test('a server that is replaced by another version is detected by its broken connection', async () => {
  server.version = '3.3.25';
  const client = clientOf();
  await firstValueFrom(client.kv.get('a'));
  server.version = '3.5.0';
  server.script = (request, reply) => (request.path.startsWith('/v3/') ? OK(request, reply) : reply.cut());
  await firstValueFrom(client.kv.get('a'));
  expect(server.requests.map(({ path }) => path)).toEqual(['/version', '/v3beta/kv/range', '/v3beta/kv/range', '/version', '/v3/kv/range']);
});
