import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { firstValueFrom, type Observable, toArray, throwError } from 'rxjs';
import { kvRpcs } from '../../../src/codec/kv.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import { EtcdError } from '../../../src/errors/index.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import { fetchTransport } from '../../../src/browser/fetchTransport.js';
import type { BrowserHost } from '../../../src/browser/host.js';
import { undiciTransport } from '../../../src/node/undiciTransport.js';
import { jsonWire } from '../../../src/transport/json/jsonWire.js';
import { messagesOf } from '../../../src/transport/json/streamMessages.js';
import { TlsSource } from '../../../src/node/certificates.js';
import type { CallAttempt, Destination, Wire } from '../../../src/transport/wire.js';
import { WebSocket } from 'undici';
import { startFakeStreams } from '../../support/fakes/fakeStreams.js';
import { listenSomewhere } from '../../support/ports.js';
import { waitFor } from '../../support/waitFor.js';
import { failure, rejection } from './support.js';

/** The parts of a browser that Node has, with the WebSocket of undici. */
const HOST = { fetch: (...args: Parameters<typeof fetch>) => fetch(...args), WebSocket } as unknown as BrowserHost;

/**
 * The implementations of the contract, and whether they know that a request was not sent. A browser never reports that.
 */
const WIRES: readonly (readonly [name: string, make: () => Wire, knowsUnsent: boolean])[] = [
  ['JSON over undici', () => jsonWire(undiciTransport({ ...settingsOf({}), tls: new TlsSource({}) }), settingsOf({}), messagesOf), true],
  ['JSON over fetch', () => jsonWire(fetchTransport(settingsOf({}), HOST), settingsOf({}), messagesOf), false],
];

const RESPONSE = JSON.stringify({ header: { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' } });
const at = (origin: string): Destination => ({
  endpoint: { origin, address: origin, knownEtcd: false },
  info: { prefix: '/v3' },
  credential: { token: undefined },
});
const rethrow = (error: unknown) => throwError(() => error);

describe.each(WIRES)('a wire of %s', (_, make, knowsUnsent) => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  /** A wire, and a server that responds as the test wants. */
  async function setUp(respond: (response: ServerResponse, request: IncomingMessage) => void) {
    const requests: IncomingMessage[] = [];
    const server: Server = createServer((request, response) => {
      requests.push(request);
      request.resume().on('end', () => respond(response, request));
    });
    const origin = `http://127.0.0.1:${await listenSomewhere(server)}`;
    const wire = make();
    ends.push(
      () => new Promise((resolve) => server.close(resolve)),
      () => server.closeAllConnections(),
      () => wire.close(),
    );
    const reports: string[] = [];
    const attempt = {
      to: at(origin),
      onSent: () => void reports.push('sent'),
      onReceived: () => void (reports.at(-1) === 'received' || reports.push('received')),
      onRevision: (revision: number) => void reports.push(`revision ${revision}`),
    };
    const callTo = <A>(more: Partial<CallAttempt<A>> = {}): CallAttempt<A> => ({
      ...attempt,
      onResponse: () => void reports.push('response'),
      recover: rethrow,
      ...more,
    });
    return { wire, origin, requests, reports, attempt, callTo };
  }

  test('reports the progress of a call in order, before it emits the response', async () => {
    const { wire, reports, callTo } = await setUp((response) => response.end(RESPONSE));
    const { header } = await firstValueFrom(wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo()));
    expect(header.revision).toBe(7);
    expect(reports).toEqual(['sent', 'received', 'revision 7', 'response']);
  });

  test('sends a call again with the same encoded request, and nothing before it is subscribed to', async () => {
    const { wire, requests, callTo } = await setUp((response) => response.end(RESPONSE));
    const send = wire.unary(kvRpcs.put, { key: 'a', value: 'b' });
    const call = send(callTo());
    expect(requests).toEqual([]);
    await firstValueFrom(call);
    await firstValueFrom(send(callTo()));
    expect(requests).toHaveLength(2);
  });

  test('refuses a request that cannot be encoded before anything is sent', async () => {
    const { wire, requests } = await setUp((response) => response.end(RESPONSE));
    expect(failure(() => wire.unary(kvRpcs.put, {}))).toMatchObject({ reason: 'InvalidArgument' });
    expect(failure(() => wire.stream(kvRpcs.put, {}))).toMatchObject({ reason: 'InvalidArgument' });
    expect(requests).toEqual([]);
  });

  test('fails if there is no server, and reports nothing as sent where it can know that', async () => {
    const { wire, reports, callTo } = await setUp((response) => response.end(RESPONSE));
    const nowhere = 'http://127.0.0.1:1';
    const call = wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo({ to: at(nowhere) }));
    const reason = knowsUnsent ? 'Unreachable' : 'ConnectionLost';
    expect(await rejection(firstValueFrom(call))).toMatchObject({ reason, rpc: 'KV.Put', endpoint: nowhere });
    expect(reports).toEqual(knowsUnsent ? [] : ['sent']);
  });

  test('fails with ConnectionLost after it has reported the request as sent, if the connection breaks', async () => {
    const { wire, origin, reports, callTo } = await setUp((response) => response.socket?.destroy());
    const call = wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo());
    expect(await rejection(firstValueFrom(call))).toMatchObject({ reason: 'ConnectionLost', rpc: 'KV.Put', endpoint: origin });
    expect(reports).toEqual(['sent']);
  });

  test('passes each failure to recover: of the server, of a response that cannot be read, of a report', async () => {
    const refusal = JSON.stringify({ error: 'etcdserver: mvcc: required revision has been compacted', code: 11 });
    for (const [status, body, reason] of [
      [400, refusal, 'Compacted'],
      [200, '{"header":1}', 'MalformedResponse'],
      [200, RESPONSE, 'StaleRead'],
    ] as const) {
      const { wire, callTo } = await setUp((response) => response.writeHead(status).end(body));
      const onRevision = (): void => {
        if (reason === 'StaleRead') throw new EtcdError('StaleRead', 'too old');
      };
      const failures: unknown[] = [];
      const recover = (error: unknown): Observable<never> => {
        failures.push(error);
        return rethrow(error);
      };
      const call = wire.unary(kvRpcs.range, { key: 'a' })({ ...callTo(), onRevision, recover });
      const error = await rejection(firstValueFrom(call));
      expect(error).toMatchObject({ reason });
      expect(failures).toEqual([error]);
    }
  });

  test('aborts a call at the server when it is unsubscribed from, and reports nothing afterwards', async () => {
    let aborted = false;
    const { wire, requests, reports, callTo } = await setUp((response) => response.on('close', () => (aborted = true)));
    const call = wire.unary(kvRpcs.range, { key: 'a' })(callTo()).subscribe();
    await waitFor('the request arrived', () => requests.length === 1);
    call.unsubscribe();
    await waitFor('the server was notified', () => aborted);
    expect(reports).toEqual(['sent']);
  });

  test('fails the requests in progress, and all later ones, with ClientClosed when it is closed', async () => {
    const { wire, requests, callTo } = await setUp(() => undefined);
    const send = wire.unary(kvRpcs.range, { key: 'a' });
    const failed = rejection(firstValueFrom(send(callTo())));
    await waitFor('the request arrived', () => requests.length === 1);
    await wire.close();
    expect(await failed).toMatchObject({ reason: 'ClientClosed', rpc: 'KV.Range' });
    const later = await rejection(firstValueFrom(send(callTo())));
    expect(later).toMatchObject({ reason: 'ClientClosed', rpc: 'KV.Range', endpoint: expect.stringMatching(/^http:\/\/127/) });
  });

  test('emits the responses of a stream in order, and fails with ConnectionLost if there is none', async () => {
    const messages = [`{"result":${RESPONSE}}`, `{"result":${RESPONSE.replace('7', '8')}}`];
    const some = await setUp((response) => response.end(messages.join('\n')));
    const responses = some.wire.stream(watchRpcs.watch, { progressRequest: {} })(some.attempt);
    expect((await firstValueFrom(responses.pipe(toArray()))).map(({ header }) => header.revision)).toEqual([7, 8]);
    expect(some.reports).toEqual(['sent', 'received', 'revision 7', 'revision 8']);
    const none = await setUp((response) => response.end());
    const empty = none.wire.stream(watchRpcs.watch, { progressRequest: {} })(none.attempt);
    expect(await rejection(firstValueFrom(empty))).toMatchObject({ reason: 'ConnectionLost', rpc: 'Watch.Watch' });
  });

  test('emits a plain response whatever its status, with the error that it stands for', async () => {
    const { wire, origin } = await setUp((response) => response.writeHead(503).end('<html>'));
    const response = await firstValueFrom(wire.get({ to: at(origin), path: '/version', name: 'GET /version' }));
    expect(response).toMatchObject({ status: 503, body: '<html>', isPage: true, redirectsTo: undefined });
    expect(response.error()).toMatchObject({ code: 'Unavailable', rpc: 'GET /version', endpoint: origin });
  });

  test('opens a stream, sends requests on it, decodes responses, and fails with the error of the server', async () => {
    const server = await startFakeStreams('websocket', (stream, message, number) => {
      received.push(JSON.parse(message));
      stream.send(number === 1 ? `{"result":${RESPONSE}}` : '{"error":{"grpc_code":14,"message":"etcdserver: no leader"}}');
    });
    const received: unknown[] = [];
    const wire = make();
    ends.push(
      () => server.close(),
      () => wire.close(),
    );
    const events: string[] = [];
    const error = await new Promise((resolve) => {
      let send: (request: { progressRequest: object }) => void = () => undefined;
      const onRevision = (revision: number): void => void events.push(`revision ${revision}`);
      wire.duplex(watchRpcs.watch, { to: at(server.endpoint), transport: 'websocket', onRevision }).subscribe({
        next: (event) => {
          events.push(event.type === 'message' ? `message ${event.message.header.revision}` : event.type);
          if (event.type === 'open') ({ send } = event);
          send({ progressRequest: {} });
        },
        error: resolve,
      });
    });
    expect(error).toMatchObject({ reason: 'NoLeader', rpc: 'Watch.Watch', endpoint: server.endpoint });
    expect(events).toEqual(['open', 'revision 7', 'message 7', 'revision 0']);
    expect(received).toEqual([{ progress_request: {} }, { progress_request: {} }]);
  });
});
