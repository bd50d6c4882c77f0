import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { WebSocket } from 'ws';
import { startTestServer, type RunningTestServer } from 'rxetcd/testing/server';
import { withEtcd } from '../support/fixture.js';

const fixture = withEtcd({ own: true });
let memory: RunningTestServer;

beforeAll(async () => {
  memory = await startTestServer({ version: fixture.server.version });
});
afterAll(() => memory.close());

/** A request, and the number of messages to read of its response. */
interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  /** The number of lines after which a stream is closed. */
  readonly lines?: number;
  /** The words of the error differ, as they quote Go's parser. */
  readonly malformed?: boolean;
  /** A real server sends these messages in either order, as the created watch and the progress have separate paths. */
  readonly anyOrder?: boolean;
}

const inOneOrder = (messages: readonly unknown[]): unknown[] =>
  messages.toSorted((x, y) => JSON.stringify(x).localeCompare(JSON.stringify(y)));

const b64 = (text: string): string => Buffer.from(text).toString('base64');
const a = b64('a');
const post = (path: string, body: unknown, more: Partial<Asked> = {}): Asked => ({ method: 'POST', path: `PREFIX${path}`, body, ...more });

const HEADERS = /^(access-control-.*|allow|content-type|x-content-type-options|grpc-metadata-.*|www-authenticate)$/;

async function ask(endpoint: string, { method = 'GET', path, body, headers = {}, lines, ...how }: Asked): Promise<unknown> {
  const leave = new AbortController();
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body);
  const response = await fetch(endpoint + path.replace('PREFIX', fixture.has('3.4') ? '/v3' : '/v3beta'), {
    method,
    headers,
    ...(text === undefined ? {} : { body: text }),
    signal: leave.signal,
  });
  const received = await linesOf(response, lines);
  leave.abort();
  const kept = Object.fromEntries([...response.headers].filter(([name]) => HEADERS.test(name)));
  const messages = received.map(how.malformed === true ? codeIn : comparable);
  return { status: response.status, headers: kept, body: how.anyOrder === true ? inOneOrder(messages) : messages };
}

async function linesOf(response: Response, count = Infinity): Promise<string[]> {
  let text = '';
  if (response.body === null) return [];
  for await (const chunk of response.body) {
    text += Buffer.from(chunk as Uint8Array).toString();
    if (text.split('\n').length > count) break;
  }
  return text.split('\n').filter((line) => line !== '');
}

/** Removes the fields of a message that differ between clusters, and with time. */
function comparable(line: string): unknown {
  try {
    return JSON.parse(line, (name, value: unknown) => {
      if (/^((cluster|member)_id|hash|token)$/.test(name)) return 'any';
      return name === 'TTL' && /^9\d$/.test(String(value)) ? 'nearly 100' : value;
    });
  } catch {
    return line;
  }
}

const codeIn = (line: string): unknown => (JSON.parse(line) as { readonly code: unknown }).code;

const REQUESTS: readonly Asked[] = [
  { path: '/version' },
  { path: '/health' },
  { path: '/nothing' },
  { path: '/version', method: 'PUT' },
  { path: '/nothing', method: 'PUT' },
  { path: 'PREFIX/kv/put' },
  { path: 'PREFIX/nothing' },
  post('/nothing', {}),
  { path: '/v3alpha/kv/range', method: 'POST', body: { key: a } },
  { path: '/v3beta/kv/range', method: 'POST', body: { key: a } },
  { path: 'PREFIX/kv/put', method: 'PUT', body: {} },
  { path: 'PREFIX/kv/put', method: 'OPTIONS', headers: { origin: 'http://x', 'access-control-request-method': 'POST' } },
  post('/kv/put', ''),
  post('/kv/put', {}),
  post('/kv/put', '{'),
  post('/kv/put', [], { malformed: true }),
  post('/kv/put', { key: 1 }, { malformed: true }),
  post('/kv/put', { key: '???' }, { malformed: true }),
  post('/kv/put', { key: a, value: b64('1'), nonsense: 1 }),
  post('/kv/put', { key: a, value: b64('2'), prevKv: true }),
  post('/kv/put', { key: a, value: b64('3'), prev_kv: true }),
  post('/kv/range', { key: a, rangeEnd: b64('b'), sort_order: 1, limit: '5' }),
  post('/kv/range', { key: a, limit: 1.5 }, { malformed: true }),
  post('/kv/range', { key: a, limit: 'x' }, { malformed: true }),
  post('/kv/range', { key: a, serializable: 'yes' }, { malformed: true }),
  post('/kv/range', { key: a, revision: 1_000_000 }),
  post('/kv/put', { key: a, lease: '77' }),
  post('/kv/put', { key: a, value: b64('1'.repeat(1_600_000)) }),
  post('/kv/deleterange', { key: b64('none') }),
  post('/kv/txn', { compare: [{ target: 'VERSION', key: a, version: '1' }], failure: [{ requestRange: { key: a } }] }),
  post('/kv/txn', { success: [{ request_put: { key: a } }, { request_put: { key: a } }] }),
  post('/kv/compaction', { revision: 100 }),
  // Larger than the integers that a number in JavaScript can hold.
  post('/lease/grant', '{"ID":7587870461384563291,"TTL":100}'),
  post('/lease/grant', { ID: '7587870461384563291', TTL: 100 }),
  post('/lease/revoke', { ID: 6 }),
  post('/kv/lease/revoke', { ID: 6 }),
  post('/kv/lease/timetolive', { ID: '7587870461384563291', keys: true }),
  post('/lease/keepalive', { ID: 6 }),
  post('/lease/keepalive', '{"ID":6}{"ID":7}'),
  post('/lease/keepalive', ''),
  post('/lease/keepalive', '{'),
  post('/lock/lock', { name: a, lease: 9 }),
  post('/election/leader', { name: b64('nobody') }),
  post('/election/proclaim', { value: a }),
  post('/auth/authenticate', { name: 'a', password: 'b' }),
  post('/auth/enable', {}),
  post('/auth/user/get', { name: 'a' }),
  post('/cluster/member/remove', { ID: '6' }),
  post('/cluster/member/add', { peerURLs: ['x'] }),
  post('/maintenance/hashkv', {}),
  post('/watch', { create_request: { key: a } }, { lines: 1 }),
  post('/watch', { createRequest: { key: a, startRevision: 1 } }, { lines: 2 }),
  post('/watch', '{"create_request":{"key":"YQ=="}}\n{"progress_request":{}}\n{', { lines: 2, anyOrder: true }),
];

const AUTH_REQUESTS: readonly Asked[] = [
  post('/auth/authenticate', { name: 'root', password: 'wrong' }),
  post('/auth/authenticate', { name: 'root', password: 'pw' }),
  post('/kv/range', { key: a }),
  post('/kv/range', { key: a }, { headers: { authorization: 'bad.1' } }),
  post('/kv/range', { key: a }, { headers: { authorization: 'TOKEN' } }),
  post('/kv/range', { key: a }, { headers: { authorization: 'Bearer TOKEN' } }),
  post('/watch', { create_request: { key: a } }, { lines: 1 }),
  post('/watch', { create_request: { key: a } }, { headers: { authorization: 'bad.1' }, lines: 1 }),
  post('/lease/keepalive', { ID: 1 }),
  post('/lease/keepalive', { ID: 1 }, { headers: { authorization: 'bad.1' } }),
  post('/maintenance/snapshot', {}, { headers: { authorization: 'bad.1' } }),
  post('/lock/lock', { name: a }, { headers: { authorization: 'bad.1' } }),
];

test('each request over HTTP has the response of a real server', async () => {
  for (const asked of REQUESTS) {
    const real = await ask(fixture.server.endpoint, asked);
    expect({ asked, ...((await ask(memory.endpoint, asked)) as object) }).toEqual({ asked, ...(real as object) });
  }
});

/** Messages to send over a WebSocket, and the number of expected messages. */
interface Spoken {
  readonly what: string;
  readonly path: string;
  readonly messages: readonly string[];
  readonly until: number;
  readonly anyOrder?: boolean;
}

describe('a WebSocket of the etcd in memory', () => {
  test.each<Spoken>([
    { what: 'a call', path: '/kv/range', messages: [`{"key":"${a}"}`], until: Infinity },
    { what: 'a second request of a call', path: '/kv/range', messages: [`{"key":"${a}"}`, `{"key":"${a}"}`], until: Infinity },
    { what: 'a refused call', path: '/kv/range', messages: ['{}'], until: Infinity },
    { what: 'an unknown path', path: '/nothing', messages: ['{}'], until: Infinity },
    { what: 'keepalives', path: '/lease/keepalive', messages: ['{"ID":1}', '{"ID":2}'], until: 2 },
    { what: 'two requests in a frame', path: '/lease/keepalive', messages: ['{"ID":1}\n{"ID":2}'], until: 2 },
    {
      what: 'a watch',
      path: '/watch',
      messages: [`{"create_request":{"key":"${a}"}}`, '{"progress_request":{}}'],
      until: 2,
      anyOrder: true,
    },
    { what: 'the history of a watch', path: '/watch', messages: [`{"create_request":{"key":"${a}","start_revision":1}}`], until: 2 },
  ])('has the messages of a real server: $what', async ({ path, messages, until, anyOrder = false }) => {
    const real = await talk(fixture.server.endpoint, path, messages, until);
    expect(real.length).toBeGreaterThan(0);
    const inMemory = await talk(memory.endpoint, path, messages, until);
    const compared = (received: readonly unknown[]): readonly unknown[] => (anyOrder ? inOneOrder(received) : received);
    expect(compared(inMemory)).toEqual(compared(real));
  });
});

/** Sends messages over a WebSocket, and returns the messages that arrive, up to a number or to the end. */
function talk(endpoint: string, path: string, messages: readonly string[], until: number): Promise<unknown[]> {
  const prefix = fixture.has('3.4') ? '/v3' : '/v3beta';
  return new Promise((resolve, reject) => {
    const received: unknown[] = [];
    const socket = new WebSocket(endpoint.replace('http', 'ws') + prefix + path);
    socket.on('open', () => messages.forEach((message) => socket.send(message)));
    socket.on('message', (data: Buffer) => {
      received.push(comparable(data.toString()));
      if (received.length >= until) socket.terminate();
    });
    socket.on('close', (code) => resolve([...received, code]));
    socket.on('error', reject);
  });
}

describe('the etcd in memory with auth', () => {
  const tokens = new Map<string, string>();
  const withToken = (endpoint: string, asked: Asked): Promise<unknown> => {
    const headers = Object.entries(asked.headers ?? {}).map(([name, value]) => [name, value.replace('TOKEN', tokens.get(endpoint) ?? '')]);
    return ask(endpoint, { ...asked, headers: Object.fromEntries(headers) as Record<string, string> });
  };
  const both = (): readonly string[] => [fixture.server.endpoint, memory.endpoint];

  beforeAll(async () => {
    const prefix = fixture.has('3.4') ? '/v3' : '/v3beta';
    for (const endpoint of both()) {
      const call = async (path: string, body: object): Promise<unknown> =>
        (await fetch(endpoint + prefix + path, { method: 'POST', body: JSON.stringify(body) })).json();
      await call('/auth/user/add', { name: 'root', password: 'pw' });
      await call('/auth/role/add', { name: 'root' });
      await call('/auth/user/grant', { user: 'root', role: 'root' });
      await call('/auth/enable', {});
      const { token } = (await call('/auth/authenticate', { name: 'root', password: 'pw' })) as { readonly token: string };
      tokens.set(endpoint, token);
    }
  });
  afterAll(async () => {
    for (const endpoint of both()) await withToken(endpoint, post('/auth/disable', {}, { headers: { authorization: 'TOKEN' } }));
  });

  test('has the response of a real server to each request', async () => {
    for (const asked of AUTH_REQUESTS) {
      const real = await withToken(fixture.server.endpoint, asked);
      expect({ asked, ...((await withToken(memory.endpoint, asked)) as object) }).toEqual({ asked, ...(real as object) });
    }
  });

  test('accepts the token in the subprotocol of a WebSocket where a real server does', async () => {
    const first = (endpoint: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const prefix = fixture.has('3.4') ? '/v3' : '/v3beta';
        const socket = new WebSocket(`${endpoint.replace('http', 'ws')}${prefix}/watch`, ['Bearer', tokens.get(endpoint) ?? '']);
        socket.on('open', () => socket.send(`{"create_request":{"key":"${a}"}}`));
        socket.on('message', (data: Buffer) => {
          resolve([socket.protocol, comparable(data.toString())]);
          socket.terminate();
        });
        socket.on('error', reject);
      });
    expect(await first(memory.endpoint)).toEqual(await first(fixture.server.endpoint));
  });
});
