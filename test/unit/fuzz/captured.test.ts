import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { from, identity, lastValueFrom, Observable, toArray, type ObservableInput, type OperatorFunction } from 'rxjs';
import { createClient, type Client } from '../../../src/index.js';
import { settingsOf } from '../../../src/options/clientOptions.js';
import { nodeOptions } from '../../../src/options/nodeOptions.js';
import { TlsSource } from '../../../src/node/certificates.js';
import * as library from '../../../src/index.js';
import { startFakeServer, type FakeServer } from '../../support/fakes/fakeServer.js';
import { makeTls } from '../../support/tls.js';
import { callOperator, nameOf, OPERATORS } from './operatorArguments.js';
import { callAt, METHODS, methodsOf, OF_WHAT_IS_MADE } from './arguments.js';
import {
  ANSWERS,
  change,
  CHANGED,
  NOTHING_TO_CHANGE,
  OPERATIONS,
  PASSED,
  PASSED_LATER,
  PASSED_TO_OPERATORS,
  toStream,
  type Passed,
} from './captured.js';
import { waitFor } from '../../support/waitFor.js';

let server: FakeServer;
let client: Client;

beforeAll(async () => {
  server = await startFakeServer(ANSWERS);
  client = createClient({ endpoints: server.endpoint, streams: { transport: 'chunked' } });
});
beforeEach(() => client.setEndpoints(server.endpoint));
afterAll(async () => {
  await client.close();
  await server.close();
});

interface Case extends Passed {
  readonly path: string;
  readonly give: (args: readonly unknown[]) => unknown;
}

const cases: readonly Case[] = [
  ...Object.entries(PASSED).map(([path, passed]): Case => ({ path, ...passed, give: (args) => callAt(client, path, args) })),
  ...Object.entries(PASSED_LATER).map(([path, { make, ...passed }]): Case => ({
    path,
    ...passed,
    give: (args) => callAt(make(client), path.slice(path.indexOf('.') + 1), args),
  })),
];

/** Returns what was sent since, as text. */
const sentSince = (first: number): string =>
  server.requests
    .slice(first)
    .map(({ path, body }) => `${path} ${body}`)
    .join('\n');

/** Subscribes, and waits until everything was sent. */
async function expectSent(stream: ReturnType<typeof toStream>, sends: readonly string[]): Promise<void> {
  const first = server.requests.length;
  const errors: unknown[] = [];
  let ended = false;
  const allSent = (): boolean => sends.every((text) => sentSince(first).includes(text));
  const subscription = stream.subscribe({
    next: () => (ended = true),
    // The later outcome is not checked here.
    error: (error: unknown) => (sends.length > 0 && allSent() ? undefined : errors.push(error)),
    complete: () => (ended = true),
  });
  await waitFor('all of it is sent', () => errors.length > 0 || (allSent() && (ended || sends.length > 0)), 30_000).catch(() => undefined);
  subscription.unsubscribe();
  expect(errors).toEqual([]);
  expect(sends.filter((text) => !sentSince(first).includes(text))).toEqual([]);
  expect(sentSince(first)).not.toContain(CHANGED);
}

/** Emits items, and changes each one as soon as it was passed. */
function through(operator: unknown, items: readonly unknown[]): Observable<unknown> {
  const source = new Observable<unknown>((subscriber) => {
    for (const item of items) {
      subscriber.next(item);
      change(item);
    }
    subscriber.complete();
  });
  return from((operator as OperatorFunction<unknown, unknown>)(source));
}

describe('arguments are copied when they are passed', () => {
  test('to every method of a client', () => {
    const without = ['close', 'endpoints', 'requestProgress', 'sync', 'withAuth'];
    const methods = methodsOf(client).filter((path) => !without.includes(path));
    expect(Object.keys(PASSED).sort()).toEqual(methods.sort());
    expect(Object.keys(PASSED_LATER).sort()).toEqual(Object.keys(OF_WHAT_IS_MADE).sort());
  });

  test('each of them', () => {
    for (const { path, args } of cases)
      expect([path, args().length]).toEqual([path, (METHODS[path] ?? OF_WHAT_IS_MADE[path]?.[1])?.length]);
  });

  test.each(cases)('to $path', async (passed) => {
    const args = passed.args();
    const given = passed.give(args);
    change(...args);
    await expectSent(toStream(passed, given, client), passed.sends);
  });

  test.each(Object.entries(OPERATIONS))('to %s', async (_, { args, make, sends }) => {
    const given = args();
    const spec = make(...(given as never[]));
    change(...given);
    await expectSent(client.kv.txn(spec), sends);
  });

  test.each(Object.entries(PASSED_TO_OPERATORS))(
    'to the operator %s',
    async (row, { args, items, sends, emits, then = () => identity }) => {
      const given = args(client.kv);
      const operator = callOperator(row, given);
      change(...given.filter((argument) => argument !== client.kv));
      const stream = (items === undefined ? from(operator as ObservableInput<unknown>) : through(operator, items())).pipe(then(client.kv));
      const first = server.requests.length;
      const emitted = await lastValueFrom(stream.pipe(toArray()));
      if (emits !== undefined) expect(emitted).toEqual(emits);
      expect((sends ?? []).filter((text) => !sentSince(first).includes(text))).toEqual([]);
      expect(sentSince(first)).not.toContain(CHANGED);
      expect(JSON.stringify(emitted)).not.toContain(CHANGED);
    },
  );

  test('to every operator', () => {
    const tried = [...Object.keys(PASSED_TO_OPERATORS).map(nameOf), ...NOTHING_TO_CHANGE];
    expect([...new Set(tried)].sort()).toEqual([...new Set(Object.keys(OPERATORS).map(nameOf))].sort());
  });

  test('to createClient', async () => {
    const options = {
      endpoints: [server.endpoint],
      headers: { 'x-mine': 'as it was' },
      auth: { token: 'token-as-it-was' },
      streams: { transport: 'chunked' as const, lingerMs: 5 },
      discovery: { intervalMs: 60_000 },
      requestTimeoutMs: 4_321,
    };
    const made = createClient(options);
    change(options);
    await lastValueFrom(made.kv.put('a', 'b'));
    await made.close();
    expect(server.at('/v3/kv/put').at(-1)?.headers).toMatchObject({ 'x-mine': 'as it was', authorization: 'token-as-it-was' });
  });

  test('in the option tls', async () => {
    const { ca, client: shown, remove } = await makeTls();
    await remove();
    const given = { ca: Buffer.from(ca), cert: Buffer.from(shown.cert), key: Buffer.from(shown.key) };
    const { tls } = settingsOf({ endpoints: 'https://127.0.0.1:1', tls: given }, nodeOptions);
    change(given.ca, given.cert, given.key, given);
    expect(new TlsSource(tls).current).toEqual({ ca, cert: shown.cert, key: shown.key });
  });

  test('to all functions that create operations', () => {
    const names = Object.entries(library).flatMap(([name, value]) => (typeof value === 'function' && /^[a-z]+$/.test(name) ? [name] : []));
    // `hold` returns a promise.
    const makers = names.filter((name) => name !== 'hold');
    expect(
      Object.keys(OPERATIONS)
        .filter((name) => !name.includes('.'))
        .sort(),
    ).toEqual(makers.sort());
  });
});
