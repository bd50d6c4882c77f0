import { afterEach, describe, expect, test } from '@jest/globals';
import * as t from 'io-ts';
import { Subject, firstValueFrom, materialize, take } from 'rxjs';
import { createClient } from '../../../src/index.js';
import { failureWith } from '../../integration/support/outcomes.js';
import { startFakeServer, type FakeServer } from '../../support/fakes/fakeServer.js';

let server: FakeServer | undefined;
afterEach(() => server?.close());

describe('a raw call', () => {
  test.each(['/lock/lock', '/election/campaign', '/maintenance/defragment'])(
    'to %s waits as long as the method for it does',
    async (path) => {
      const arrived = new Subject<void>();
      server = await startFakeServer((request) => {
        if (request.path.endsWith(path)) arrived.next();
      });
      const etcd = createClient({ endpoints: server.endpoint, requestTimeoutMs: 60 });
      let ended: unknown;
      const sent = firstValueFrom(arrived);
      const waiting = etcd
        .call(path, {})
        .pipe(materialize(), take(1))
        .subscribe((end) => (ended = end));
      await sent;
      // A call that begins later, with the usual deadline.
      await failureWith('DeadlineExceeded', etcd.call('/kv/range', {}, { safety: 'read' }));
      expect(ended).toBeUndefined();
      waiting.unsubscribe();
      await etcd.close();
    },
  );

  test('has its own timeoutMs', async () => {
    server = await startFakeServer();
    const etcd = createClient({ endpoints: server.endpoint });
    // From now on a call is sent at once, however busy the machine is.
    await firstValueFrom(etcd.call('/kv/range', {}, { safety: 'read' }));
    server.script = () => undefined;
    await failureWith('AmbiguousWrite', etcd.call('/lock/lock', {}, { timeoutMs: 1_000 }));
    await etcd.close();
  });
});

describe('the headers of one call', () => {
  const headersAt = (path: string) => server?.at(path).map(({ headers }) => [headers['x-id'], headers['grpc-metadata-hasleader']]);

  test('are sent only with it, and replace those of the client', async () => {
    server = await startFakeServer();
    const etcd = createClient({ endpoints: server.endpoint, headers: { 'x-id': 'client', 'x-app': 'a' } });
    await firstValueFrom(etcd.kv.put('a', '1', { headers: { 'X-ID': 'call' }, requireLeader: true }));
    await firstValueFrom(etcd.kv.put('a', '1'));
    await firstValueFrom(etcd.call('/kv/range', {}, { safety: 'read', headers: { 'x-id': 'raw' } }));
    await firstValueFrom(etcd.metricsText({ headers: { 'x-id': 'plain' } }).pipe(materialize()));
    expect(headersAt('/v3/kv/put')).toEqual([
      ['call', 'true'],
      ['client', undefined],
    ]);
    expect(headersAt('/v3/kv/range')).toEqual([['raw', undefined]]);
    expect(headersAt('/metrics')).toEqual([['plain', undefined]]);
    expect(server.at('/v3/kv/put')[0]?.headers['x-app']).toBe('a');
    await etcd.close();
  });

  test.each([
    ['a reserved name', { Authorization: 'x' }, 'headers["Authorization"] of KV.Put: expected a header that is not reserved'],
    ['a line break', { a: 'x\ny' }, 'headers["a"] of KV.Put: expected a string that is not empty'],
    ['a name twice', { a: 'x', A: 'y' }, 'headers["A"] of KV.Put: expected each header once'],
    ['no object', new Map(), 'headers of KV.Put: expected an object of strings'],
  ])('are rejected with %s, and nothing is sent', async (_, headers, message) => {
    server = await startFakeServer();
    const etcd = createClient({ endpoints: server.endpoint });
    const error = await failureWith('InvalidArgument', etcd.kv.put('a', '1', { headers: headers as Record<string, string> }));
    expect(error.message).toContain(message);
    expect(server.requests).toEqual([]);
    await etcd.close();
  });

  test('are in no error, even if the server repeats them', async () => {
    server = await startFakeServer((_, reply) => reply.json(400, { error: 'bad header s3cret-value', code: 3 }));
    const etcd = createClient({ endpoints: server.endpoint });
    const error = await failureWith('Unknown', etcd.kv.put('a', '1', { headers: { 'x-key': 's3cret-value' } }));
    expect(error.message).toContain('[redacted]');
    expect(JSON.stringify(error)).not.toContain('s3cret-value');
    await etcd.close();
  });

  test('do not make a plain request require a leader', async () => {
    const etcd = createClient();
    await failureWith('InvalidArgument', etcd.version({ requireLeader: true }));
    await etcd.close();
  });
});

describe('a raw call', () => {
  test('joins the values of a header that occurs twice', async () => {
    server = await startFakeServer((_, reply) => {
      reply.socket.end('HTTP/1.1 200 OK\r\nX-Seen: a\r\nx-seen: b\r\ncontent-type: text/plain\r\ncontent-length: 11\r\n\r\n{ "a" : 1 }');
    });
    const etcd = createClient({ endpoints: server.endpoint });
    const raw = await firstValueFrom(etcd.call('/kv/new', {}, { raw: true }));
    expect(raw).toMatchObject({ status: 200, body: '{ "a" : 1 }', headers: { 'x-seen': 'a, b', 'content-type': 'text/plain' } });
    await etcd.close();
  });

  test('accepts no codec', async () => {
    const etcd = createClient();
    const options = { raw: true, codec: t.unknown } as const;
    expect((await failureWith('InvalidArgument', etcd.call('/kv/range', {}, options))).message).toContain('expected no codec');
    await etcd.close();
  });
});
