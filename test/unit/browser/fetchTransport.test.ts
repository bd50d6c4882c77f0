import { afterEach, describe, expect, test } from '@jest/globals';
import { createServer, type ServerResponse } from 'node:http';
import { firstValueFrom, throwError } from 'rxjs';
import { WebSocket } from 'undici';
import { baseUrlOf } from '../../../src/browser/browserPlatform.js';
import { headersFor } from '../../../src/browser/fetchRequest.js';
import { fetchTransport } from '../../../src/browser/fetchTransport.js';
import type { BrowserHost, FetchInit } from '../../../src/browser/host.js';
import { hasReason } from '../../../src/errors/index.js';
import { createClient } from '../../../src/index.browser.js';
import type { HttpRequest, HttpResponse } from '../../../src/transport/http/transport.js';
import { listenSomewhere } from '../../support/ports.js';
import { waitFor } from '../../support/waitFor.js';
import { expectSilentAbout, rejection } from '../transport/support.js';

const ends: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end();
});

async function startServer(respond: (response: ServerResponse) => void) {
  const paths: string[] = [];
  const open = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    paths.push(request.url ?? '');
    open.add(response.on('close', () => open.delete(response)));
    request.resume().on('end', () => respond(response));
  });
  const origin = `http://127.0.0.1:${await listenSomewhere(server)}`;
  ends.push(
    () => new Promise((resolve) => server.close(resolve)),
    () => server.closeAllConnections(),
  );
  return { origin, paths, open };
}

/** A page with Node's implementation of browser APIs, its listeners, and its requests. */
function makePage(more: Partial<BrowserHost> = {}) {
  const listeners = new Map<string, () => void>();
  const fetched: string[] = [];
  const host = {
    // Node has no page, so every origin is a foreign one to it.
    fetch: (url: string, { mode: _, ...init }: FetchInit) => {
      fetched.push(url);
      return fetch(url, init as RequestInit);
    },
    WebSocket,
    addEventListener: (type: string, listener: () => void) => listeners.set(type, listener),
    removeEventListener: (type: string) => listeners.delete(type),
    ...more,
  } as unknown as BrowserHost;
  return { host, listeners, fetched, leave: () => listeners.get('pagehide')?.(), comeBack: () => listeners.get('pageshow')?.() };
}

type Page = ReturnType<typeof makePage>;

function transportIn({ host }: Page, maxResponseBytes = 1_000) {
  const transport = fetchTransport({ maxResponseBytes }, host);
  ends.push(() => transport.close());
  return transport;
}

const postTo = (origin: string): HttpRequest => ({
  origin,
  method: 'POST',
  path: '/v3/watch',
  headers: {},
  body: '{}',
  rpc: 'Watch.Watch',
});
const outcome = { read: (response: HttpResponse) => response, recover: (failure: unknown) => throwError(() => failure) };

/** Subscribes to this many streams, and collects the reasons of their failures. */
function openStreams(transport: ReturnType<typeof fetchTransport>, origin: string, count: number): string[] {
  const reasons: string[] = [];
  for (let number = 0; number < count; number++)
    transport.stream(postTo(origin)).subscribe({ error: ({ reason }: { readonly reason: string }) => void reasons.push(reason) });
  return reasons;
}

describe('the streams of a page over HTTP/1.1', () => {
  /** Opens four streams, and two more that wait for a free slot. */
  async function fourAndTwo() {
    const { origin, open } = await startServer((response) => response.write('{'));
    const page = makePage();
    const transport = transportIn(page);
    const first = openStreams(transport, origin, 4);
    await waitFor('four streams are open', () => open.size === 4);
    return { open, page, transport, first, others: openStreams(transport, origin, 2) };
  }

  test('end when the page is left, and those that wait begin when it is shown again', async () => {
    const { open, page, first, others } = await fourAndTwo();
    page.leave();
    expect(first).toEqual(Array.from({ length: 4 }, () => 'ConnectionLost'));
    expect(page.fetched).toHaveLength(4);
    await waitFor('the server has none', () => open.size === 0);
    page.comeBack();
    expect(page.fetched).toHaveLength(6);
    await waitFor('two streams are open', () => open.size === 2);
    expect(others).toEqual([]);
  });

  test('fail when the client is closed, also those that wait, and leave no listener', async () => {
    const { open, page, transport, first, others } = await fourAndTwo();
    await transport.close();
    expect([...first, ...others]).toEqual(Array.from({ length: 6 }, () => 'ClientClosed'));
    expect(page.fetched).toHaveLength(4);
    expect(page.listeners.size).toBe(0);
    await waitFor('the server has none', () => open.size === 0);
  });

  test('are at most four for all clients together, and one that has waited too long fails', async () => {
    const { origin, open } = await startServer((response) => response.write('{'));
    const [one, another] = [makePage(), makePage()];
    openStreams(transportIn(one), origin, 4);
    await waitFor('four streams are open', () => open.size === 4);
    const refused = openStreams(transportIn(another), origin, 1);
    await waitFor('it is refused', () => refused.length === 1);
    expect(refused).toEqual(['TooManyPending']);
    expect(another.fetched).toEqual([]);
  });

  test('leave one connection for a stream that replaces another', async () => {
    const { origin, open } = await startServer((response) => response.write('{'));
    const page = makePage();
    const transport = transportIn(page);
    const streams = Array.from({ length: 4 }, () => transport.stream(postTo(origin)).subscribe({ error: () => undefined }));
    await waitFor('four streams are open', () => open.size === 4);
    const waiting = transport.stream(postTo(origin)).subscribe({ error: () => undefined });
    transport.stream({ ...postTo(origin), replaces: true }).subscribe({ error: () => undefined });
    await waitFor('the fifth is open', () => open.size === 5);
    // The end of the stream that was replaced makes no room for a further stream, but the next end does.
    streams[0]?.unsubscribe();
    expect(page.fetched).toHaveLength(5);
    streams[1]?.unsubscribe();
    expect(page.fetched).toHaveLength(6);
    waiting.unsubscribe();
  });

  test('share their limit with calls that wait on the server', async () => {
    const { origin, open } = await startServer((response) => response.write('{'));
    const transport = transportIn(makePage());
    const waiting = { ...postTo(origin), patient: true };
    for (let number = 0; number < 4; number++) transport.exchange(waiting, outcome).subscribe({ error: () => undefined });
    await waitFor('four calls are open', () => open.size === 4);
    expect(await rejection(firstValueFrom(transport.exchange(waiting, outcome)))).toMatchObject({ reason: 'TooManyPending' });
    transport.exchange(postTo(origin), outcome).subscribe({ error: () => undefined });
    await waitFor('another call is open', () => open.size === 5);
  });
});

describe('a call by fetch', () => {
  test('follows no redirect', async () => {
    const { origin, paths } = await startServer((response) => response.writeHead(307, { location: '/elsewhere' }).end());
    const response = await firstValueFrom(transportIn(makePage()).exchange(postTo(origin), outcome));
    expect(response.status).toBe(307);
    expect(paths).toEqual(['/v3/watch']);
  });

  test('recognises a redirect that the browser hides', async () => {
    const fetchHidden = () => Promise.resolve({ status: 0, type: 'opaqueredirect', body: null });
    const response = await firstValueFrom(transportIn(makePage({ fetch: fetchHidden })).exchange(postTo('http://127.0.0.1:1'), outcome));
    expect(response.status).toBe(302);
  });

  test('fails if the response is too long, and aborts it on the server', async () => {
    const { origin, open } = await startServer((response) => response.write('x'.repeat(1_001)));
    const failed = rejection(firstValueFrom(transportIn(makePage()).exchange(postTo(origin), outcome)));
    expect(await failed).toMatchObject({ reason: 'ResponseTooLarge', rpc: 'Watch.Watch', endpoint: origin });
    await waitFor('the server was notified', () => open.size === 0);
  });

  test('reports that a response began if it is cut off', async () => {
    const { origin } = await startServer((response) => {
      response.write('{', () => response.socket?.destroy());
    });
    const failed = rejection(firstValueFrom(transportIn(makePage()).exchange(postTo(origin), outcome)));
    expect(await failed).toMatchObject({ reason: 'ConnectionLost', message: expect.stringMatching(/^the response was cut off: /) });
  });

  test('fails without being sent if there is no fetch, as in jsdom', async () => {
    let sent = false;
    const request = { ...postTo('http://127.0.0.1:1'), onSent: () => (sent = true) };
    const failed = rejection(firstValueFrom(transportIn(makePage({ fetch: undefined })).exchange(request, outcome)));
    expect(await failed).toMatchObject({ reason: 'UnsupportedRuntime', rpc: 'Watch.Watch' });
    expect(sent).toBe(false);
  });

  test('lists possible causes of a failure, as the browser gives none', async () => {
    const { origin } = await startServer((response) => response.destroy());
    const client = createClient({ endpoints: origin, retry: false });
    ends.push(() => client.close());
    const error = await rejection(firstValueFrom(client.kv.get('a')));
    expect(String(error)).toMatch(/gives no reason; .*certificate.*--cors/);
  });

  test('gives the reason of Bun, whose errors have a code', async () => {
    const failure = Object.assign(new TypeError('unable to verify the first certificate'), { code: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE' });
    const transport = transportIn(makePage({ fetch: () => Promise.reject(failure) }));
    const error = await rejection(firstValueFrom(transport.exchange(postTo('https://127.0.0.1:2379'), outcome)));
    expect(error).toMatchObject({ message: expect.stringMatching(/no response: unable to verify the first certificate \(Watch/) });
  });

  test('returns the headers of a response', async () => {
    const { origin } = await startServer((response) => response.writeHead(200, { 'X-Seen': ['a', 'b'] }).end('{}'));
    const response = await firstValueFrom(transportIn(makePage()).exchange(postTo(origin), outcome));
    expect(response.headers).toMatchObject({ 'x-seen': 'a, b' });
  });

  test('rejects headers of one call to another origin, and sends nothing', async () => {
    const { origin, paths } = await startServer((response) => response.end('{}'));
    const request = { ...postTo(origin), headers: { 'x-id': '1' }, hasOwnHeaders: true };
    const elsewhere = makePage({ location: { href: 'http://page.test/a', origin: 'http://page.test' } });
    const failed = await rejection(firstValueFrom(transportIn(elsewhere).exchange(request, outcome)));
    expect(failed).toMatchObject({ reason: 'InvalidArgument', message: expect.stringContaining("etcd's CORS rejects them") });
    expect(paths).toEqual([]);
    const own = makePage({ location: { href: `${origin}/a`, origin } });
    await firstValueFrom(transportIn(own).exchange(request, outcome));
    expect(paths).toEqual(['/v3/watch']);
  });

  test("sends the header for the leader to the page's own origin, and user-agent never", () => {
    const request = { origin: 'http://a', headers: { 'user-agent': 'x', 'grpc-metadata-hasleader': 'true', accept: 'y' } };
    expect(headersFor(request, 'http://a')).toEqual({ 'grpc-metadata-hasleader': 'true', accept: 'y' });
    expect(headersFor(request, 'http://b')).toEqual({ accept: 'y' });
  });
});

describe('a WebSocket that does not open', () => {
  const openIn = (transport: ReturnType<typeof transportIn>, origin: string, token?: string) => {
    const { path, headers, rpc } = postTo(origin);
    return rejection(firstValueFrom(transport.duplex({ origin, path, headers, rpc, token, transport: 'websocket' })));
  };
  const open = (page: Page, origin: string, token?: string) => openIn(transportIn(page), origin, token);

  test.each([
    [405, 'TransportUnsupported'],
    [501, 'TransportUnsupported'],
    [502, 'Unreachable'],
  ])('fails, where a plain request gets HTTP %d, with %s', async (status, reason) => {
    const { origin } = await startServer((response) => response.writeHead(status).end());
    expect(await open(makePage(), origin)).toMatchObject({ reason, rpc: 'Watch.Watch', endpoint: origin });
  });

  test('fails with TransportUnsupported if it fails again and the response of another origin is hidden', async () => {
    const hidden = () => Promise.resolve({ status: 0, type: 'opaque', body: null });
    const transport = transportIn(makePage({ fetch: hidden }));
    // The server may have been down for a moment, and be back when it is asked.
    expect(await openIn(transport, 'http://127.0.0.1:1')).toMatchObject({ reason: 'Unreachable' });
    expect(await openIn(transport, 'http://127.0.0.1:1')).toMatchObject({ reason: 'TransportUnsupported' });
    expect(await openIn(transport, 'http://127.0.0.1:2')).toMatchObject({ reason: 'Unreachable' });
  });

  test('fails with Unreachable if there is no response', async () => {
    const transport = transportIn(makePage());
    for (let times = 0; times < 2; times++) expect(await openIn(transport, 'http://127.0.0.1:1')).toMatchObject({ reason: 'Unreachable' });
  });

  test('does not show the token that the browser quotes as an invalid subprotocol', async () => {
    function Refusing(_: string, protocols: readonly string[]): never {
      throw new DOMException(`The subprotocol '${String(protocols[1])}' is invalid.`, 'SyntaxError');
    }
    const error = await open(makePage({ WebSocket: Refusing as unknown as BrowserHost['WebSocket'] }), 'http://127.0.0.1:1', 'my secret');
    expect(hasReason(error, 'TransportUnsupported')).toBe(true);
    expectSilentAbout(error, 'my secret');
  });
});

test.each([
  ['http://a/page', 'http://a', 'http://a/page'],
  ['blob:http://a/0815', 'http://a', 'http://a'],
  ['data:text/javascript,0', 'null', undefined],
])('endpoints of a worker at %s are resolved by %s', (href, origin, baseUrl) => {
  expect(baseUrlOf({ href, origin })).toBe(baseUrl);
});
