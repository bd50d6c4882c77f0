import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { firstValueFrom, map, toArray, type Observable } from 'rxjs';
import * as t from 'io-ts';
import { inspect } from 'node:util';
import { WatchResponse } from '../../../src/codec/watch.js';
import { INVALID } from '../../../src/codec/descriptors.js';
import { errorInResponse } from '../../../src/transport/json/responseError.js';
import { toWatchError } from '../../../src/watch/messages.js';
import { createClient, leaseId, put, type CallOptions, type Client } from '../../../src/index.js';
import { keepSecret, withoutSecrets } from '../../../src/errors/index.js';
import { failureOf } from '../../integration/support/outcomes.js';
import { startFakeServer, type FakeRequest, type FakeScript, type FakeServer } from '../../support/fakes/fakeServer.js';
import { waitFor } from '../../support/waitFor.js';

/** Some secrets have another form in JSON, in a URL, or in ASCII. */
const PASSWORD = 'pass "word" ä€ 1';
const TOKEN = 'tok.en-0123456789';
const HEADER = 'header value 7';
const ANOTHER = 'another\\password';
const SECRETS = [PASSWORD, TOKEN, HEADER, ANOTHER];

const formsOf = (secret: string): string[] => [
  secret,
  JSON.stringify(secret).slice(1, -1),
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replaceAll('=', ''),
];

/**
 * Formats a value as a log does, up to a depth at which output is still possible: a value that occurs twice is shown
 * twice.
 */
function shownOf(thing: unknown): string {
  const inspected = inspect(thing, { depth: DEPTH, maxArrayLength: null, maxStringLength: null });
  return [inspected, jsonOf(thing), String(thing), thing instanceof Error ? (thing.stack ?? '') : ''].join('\n');
}

const DEPTH = 8;

function jsonOf(thing: unknown): string {
  try {
    const json: unknown = JSON.stringify(thing);
    return typeof json === 'string' ? json : '';
  } catch {
    // A circular reference, which a log does not show again.
    return '';
  }
}

function expectNoSecrets(thing: unknown): void {
  const shown = shownOf(thing);
  for (const form of SECRETS.flatMap(formsOf)) expect(shown.includes(form) && `${form} is shown: ${shown}`).toBe(false);
}

let server: FakeServer;
let client: Client;
const header = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };

async function start(script: FakeScript, options: object = {}): Promise<void> {
  server = await startFakeServer((request, reply) => {
    if (request.path === '/v3/auth/authenticate' && !request.body.includes('nobody')) return reply.json(200, { header, token: TOKEN });
    script(request, reply);
  });
  client = createClient({
    endpoints: server.endpoint,
    auth: { username: 'ann', password: PASSWORD },
    headers: { 'x-mine': HEADER },
    streams: { transport: 'chunked' },
    ...options,
  });
}
afterEach(async () => {
  await client.close();
  await server.close();
});

/** A response of a server or a proxy that quotes the whole request, in every form. */
function echo({ path, headers, body }: FakeRequest): string {
  const { authorization = 'no token' } = headers;
  const all = [authorization, String(headers['x-mine']), body, JSON.stringify(body), ...(authorization === TOKEN ? [PASSWORD] : [])];
  return `cannot do ${path} with ${[...all, ...all.map(encodeURIComponent), ...all.map((text) => Buffer.from(text).toString('base64'))].join(' ')}`;
}

const ASK: Readonly<Record<string, (client: Client) => Observable<unknown>>> = {
  'a read': ({ kv }) => kv.get('a'),
  'a write': ({ kv }) => kv.put('a', 'b'),
  'a txn': ({ kv }) => kv.txn({ success: [put('a', 'b')] }),
  'a txn of a namespace': ({ namespace }) => namespace('n').kv.txn({ success: [put('a', 'b')] }),
  'a raw call': ({ call }) => call('/kv/range', {}, { codec: t.type({ header: t.undefined }) }),
  'a keepalive': ({ lease }) => lease.keepAliveOnce(leaseId('7')),
  'a lease': ({ lease }) => lease({ ttl: 10 }),
  'a snapshot': ({ maintenance }) => maintenance.snapshot(),
  'a new user': ({ auth }) => auth.userAdd('bob', { password: ANOTHER }),
  'a new password': ({ auth }) => auth.userChangePassword('bob', { password: ANOTHER }),
  'a hash': ({ auth }) => auth.userChangePassword('bob', { hashedPassword: ANOTHER }),
  'a token': ({ auth }) => auth.authenticate('nobody', ANOTHER),
};

const STREAMS: typeof ASK = {
  'a watch': ({ watch }) => watch('a', { startRevision: 1 }),
  'a live range': ({ live }) => live('a'),
  'a live state': ({ liveState }) => liveState('a').pipe(map((state) => raised(state))),
  'a lock': ({ lock }) => lock('a'),
};

/** A state does not fail, but contains the error. */
function raised(state: object): object {
  if ('error' in state && state.error !== undefined) throw state.error as Error;
  return state;
}

// The timeout of a call here.
const LIMIT_MS = 1_000;

describe('an error does not contain secrets of a request that a server echoes:', () => {
  const answers: Readonly<Record<string, FakeScript>> = {
    'with status 400': (request, reply) => reply.json(400, { error: echo(request), message: echo(request), code: 3 }),
    'with status 200': (request, reply) => reply.json(200, { error: { code: 3, message: echo(request) } }),
    'as an unknown method': (request, reply) => reply.json(501, { message: echo(request), code: 12 }),
    'as one that stops': (request, reply) =>
      reply.json(503, { message: `transport: missing content-type field ${echo(request)}`, code: 13 }),
    'as a page': (request, reply) => reply.text(400, echo(request)),
    'as a field': (request, reply) => reply.json(200, { header: echo(request), [echo(request)]: echo(request) }),
  };
  const all: typeof ASK = { ...ASK, ...STREAMS };
  const cases = Object.keys(answers).flatMap((how) =>
    // Streams retry all other errors.
    Object.keys(how.startsWith('with status') ? all : ASK).map((what): [string, string] => [what, how]),
  );

  test.each(cases)('%s, %s', async (what, how) => {
    const failures: unknown[] = [];
    await start(answers[how] ?? (() => undefined), {
      retry: ({ error }: { error: unknown }) => {
        failures.push(error);
        return 'fail';
      },
      requestTimeoutMs: LIMIT_MS,
    });
    const ask = all[what];
    if (ask === undefined) throw new Error('there is no such call');
    const error = await failureOf(ask(client));
    for (const thing of [error, ...failures]) expectNoSecrets(thing);
  });

  test('a watch that is canceled', async () => {
    await start((_, reply) => reply.json(200, { header }));
    await firstValueFrom(client.kv.put('a', 'b'));
    const response = WatchResponse.read({ header, canceled: true, cancel_reason: `for ${TOKEN}, ${HEADER} and ${PASSWORD}` });
    if (response === INVALID) throw new Error('it is not read');
    expectNoSecrets(toWatchError(response, {}));
    expect(toWatchError(response, {}).message).toBe('for [redacted], [redacted] and [redacted]');
  });

  test('a redirect to a place named after the secrets', async () => {
    await start((_, reply) => reply.json(200, { header }));
    await firstValueFrom(client.kv.put('a', 'b'));
    const location = `http://${TOKEN}.example/${encodeURIComponent(HEADER)}/${encodeURIComponent(PASSWORD)}`;
    const error = errorInResponse({ status: 302, body: '', location }, { endpoint: 'http://a:1' });
    expect(error.message).toContain('http://[redacted].example/[redacted]/[redacted]');
    expectNoSecrets(error);
  });

  test('a server whose version is a secret', async () => {
    await start((_, reply) => reply.json(200, { header }));
    server.version = `3.1.0-${HEADER}`;
    expectNoSecrets(await failureOf(client.kv.get('a')));
  });

  test.each<[string, (client: Client, options: CallOptions) => Observable<unknown>]>([
    ['a call', ({ kv }, options) => kv.put('a', 'b', options)],
    ['a stream', ({ maintenance }, options) => maintenance.snapshot(options)],
    ['a plain GET', (etcd, options) => etcd.metricsText(options)],
  ])('an error does not contain a header of the single call: %s', async (_, send) => {
    await start((request, reply) => reply.json(400, { message: `not with ${String(request.headers['x-own'])}`, code: 3 }));
    const { message } = await failureOf(send(client, { headers: { 'x-own': 'header of the call 9' } }));
    expect(message).toContain('not with [redacted]');
  });

  test('an error still contains text that is no secret', async () => {
    await start((request, reply) => reply.json(400, { message: `no such thing as ${request.path}, ${HEADER}`, code: 3 }));
    const { message } = await failureOf(client.kv.put('a', 'b'));
    expect(message).toContain('no such thing as /v3/kv/put, [redacted]');
  });

  test('an error does not contain a token that was passed', async () => {
    const given = 'a token of its own';
    await start((request, reply) => reply.json(400, { message: `not by ${String(request.headers['authorization'])}`, code: 3 }), {
      auth: { token: given },
    });
    expect((await failureOf(client.kv.put('a', 'b'))).message).toContain('not by [redacted]');
  });
});

describe('the log of a value does not contain secrets:', () => {
  beforeEach(() =>
    start(({ path, body }, reply) => {
      if (path === '/v3/kv/put') return;
      if (path === '/v3/watch') return void reply.stream().write(JSON.stringify({ result: { header, created: true } }) + '\n');
      if (path === '/v3/lease/grant') return reply.json(200, { header, ID: '7', TTL: '10' });
      if (path === '/v3/lease/keepalive')
        return void reply.stream().write(JSON.stringify({ result: { header, ID: '7', TTL: '10' } }) + '\n');
      reply.json(200, { header, succeeded: true, responses: path === '/v3/kv/txn' && body.includes('request_put') ? [{}, {}] : [] });
    }),
  );

  test('a client, its namespaces, and their methods', () => {
    const { kv, auth, watch, live, liveState, lock, lease, election, connection$, namespace, version, call, services } = client;
    for (const thing of [
      ...[client, namespace('a/'), connection$, watch('a'), live('a'), liveState('a'), lock('a'), lease({ ttl: 10 }), election('e')],
      ...[kv.get('a'), kv.put('a', ANOTHER), kv.txn({ success: [put('a', ANOTHER)] }), auth.userAdd('bob', { password: ANOTHER })],
      ...[version(), call('/kv/put', { value: ANOTHER }), services('s').register('1', { addr: ANOTHER })],
    ])
      expectNoSecrets(thing);
  });

  test('subscriptions, with calls in progress, and their values', async () => {
    const { kv, auth, watch, live, liveState, lock, lease, connection$ } = client;
    const received: unknown[] = [];
    const note = { next: (value: unknown) => received.push(value), error: (error: unknown) => received.push(error) };
    const asked: readonly Observable<unknown>[] = [
      ...[kv.put('a', ANOTHER), kv.get('a'), watch('a'), live('a'), liveState('a'), lock('a'), lease({ ttl: 10 }), connection$],
      ...[auth.userAdd('bob', { password: ANOTHER }), auth.userList()],
    ];
    const subscriptions = asked.map((source) => source.subscribe(note));
    await waitFor('the put is under way', () => server.at('/v3/kv/put').length > 0 && server.at('/v3/watch').length > 0);
    for (const thing of [client, connection$, ...subscriptions, ...received]) expectNoSecrets(thing);
    await client.close();
    for (const thing of [client, connection$, ...subscriptions, ...received]) expectNoSecrets(thing);
  });

  test('the error of a client that is closed, and of one that cannot connect', async () => {
    const closed = failureOf(client.kv.put('a', ANOTHER));
    await waitFor('the put is under way', () => server.at('/v3/kv/put').length > 0);
    await client.close();
    expectNoSecrets(await closed);
    const lost = createClient({ endpoints: 'http://127.0.0.1:1', auth: { token: TOKEN }, headers: { 'x-mine': HEADER }, retry: false });
    expectNoSecrets(await failureOf(lost.kv.get('a')));
    await lost.close();
  });

  test('values that are emitted', async () => {
    expectNoSecrets(await firstValueFrom(client.kv.range('a').pipe(toArray())));
  });
});

describe('a secret', () => {
  test('is kept as long as it is referenced', () => {
    const ends = [keepSecret(TOKEN), keepSecret(TOKEN)];
    expect(withoutSecrets(`a ${TOKEN} b`)).toBe('a [redacted] b');
    ends[0]?.();
    ends[0]?.();
    expect(withoutSecrets(TOKEN)).toBe('[redacted]');
    ends[1]?.();
    expect(withoutSecrets(TOKEN)).toBe(TOKEN);
  });

  test('that is short is matched as a word, and one within another is removed with it', () => {
    const ends = ['no', 'a+b', TOKEN, `${TOKEN}-longer`, ''].map(keepSecret);
    expect(withoutSecrets(`no such note: a+b, ${TOKEN}-longer`)).toBe('[redacted] such note: [redacted], [redacted]');
    for (const end of ends) end();
  });
});
