import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lastValueFrom, takeUntil, timer, toArray, type Observable } from 'rxjs';
import { createClient, isEtcdError, type EtcdError, leaseId, put, type Client } from '../../../src/index.js';
import { expectSilentAbout, rejection } from '../transport/support.js';
import { answers, GOOD, say, SECRET, type Answer } from './answers.js';
import { startRawServer } from '../../support/fakes/fakeRawServer.js';
import { stopwatch } from '../../support/stopwatch.js';
import { waitFor } from '../../support/waitFor.js';

/** A call, and the path that gets the malformed response. */
const CALLS: Readonly<Record<string, readonly [path: string, write: boolean, call: (client: Client) => Observable<unknown>]>> = {
  'a read': ['/v3/kv/range', false, ({ kv }) => kv.range({ prefix: 'a' })],
  'a write': ['/v3/kv/put', true, ({ kv }) => kv.put('a', SECRET, { prevKv: true })],
  'a txn': ['/v3/kv/txn', true, ({ kv }) => kv.txn({ success: [put('a', SECRET)] })],
  'a keepalive': ['/v3/lease/keepalive', false, ({ lease }) => lease.keepAliveOnce(leaseId('9'))],
  'a snapshot': ['/v3/maintenance/snapshot', false, ({ maintenance }) => maintenance.snapshot().pipe(takeUntil(timer(DEADLINE_MS)))],
  'the version': ['/version', false, ({ kv }) => kv.get('a')],
  'the version, for a write': ['/version', false, ({ kv }) => kv.put('a', SECRET)],
  'the health': ['/health', false, (client) => client.health()],
  'the metrics': ['/metrics', false, (client) => client.metrics()],
};

/** The timeout of a call or a watch here. */
const DEADLINE_MS = 100;
const BATCH = 25;

const clients = new Set<Client>();
afterEach(() => Promise.all([...clients].map((client) => client.close())));

interface Outcome {
  readonly endpoint: string;
  readonly error?: unknown;
  readonly values?: readonly unknown[];
  readonly tookMs: number;
  /** The number of requests that get a malformed response. */
  readonly asked: number;
}

/**
 * One client, and one server that responds with malformed data at one path. Then everything is closed, and nothing may
 * stay open.
 */
async function outcomeOf(path: string, answer: Answer, call: (client: Client) => Observable<unknown>): Promise<Outcome> {
  let asked = 0;
  const server = await startRawServer((at, socket) => {
    if (at === path) {
      asked += 1;
      return say(answer, GOOD[path] ?? '', socket);
    }
    const good = GOOD[at] ?? '{}';
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${good.length}\r\n\r\n${good}`);
  });
  const { endpoint } = server;
  const client = createClient({
    endpoints: endpoint,
    requestTimeoutMs: DEADLINE_MS,
    maxResponseBytes: 200_000,
    streams: { transport: 'chunked', initialBackoffMs: 1 },
  });
  clients.add(client);
  const elapsed = stopwatch();
  const outcome = await lastValueFrom(call(client).pipe(toArray())).then(
    (values) => ({ values }),
    (error: unknown) => ({ error }),
  );
  const tookMs = elapsed().awakeMs;
  await client.close();
  clients.delete(client);
  await waitFor('its sockets are closed', () => server.open === 0);
  await server.close();
  return { endpoint, tookMs, asked, ...outcome };
}

/**
 * These errors may have no endpoint. A deadline may cover several endpoints. The client itself detects that a lease is
 * lost, a snapshot too short, or that a txn has other results.
 */
const namesNoEndpoint = ({ reason, message }: EtcdError): boolean =>
  message.includes('no response within') ||
  reason === 'LeaseNotFound' ||
  message.startsWith('the snapshot ended') ||
  /\btxn: expected /.test(message);

function check({ endpoint, error, tookMs, asked }: Outcome, write: boolean): void {
  // Generous for a busy machine; a call that hangs never ends.
  expect(tookMs).toBeLessThan(5_000);
  if (error === undefined) return;
  if (!isEtcdError(error)) throw error;
  if (!namesNoEndpoint(error)) expect(error.endpoint).toBe(endpoint);
  expect(error.message.length).toBeLessThan(2_000);
  expectSilentAbout(error, SECRET);
  // The result does not show whether the attempt that the deadline ended was sent: an earlier one may have been rejected.
  if (write && asked > 0) expect(['MalformedResponse', 'ConnectionLost', 'ResponseTooLarge']).not.toContain(error.reason);
}

describe.each(Object.entries(CALLS))('%s with a random response', (_, [path, write, call]) => {
  test('emits a valid response or an error that names the endpoint, soon, and quotes nothing', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(answers, { minLength: BATCH, maxLength: BATCH }), async (batch) => {
        const outcomes = await Promise.all(batch.map((answer) => outcomeOf(path, answer, call)));
        for (const outcome of outcomes) check(outcome, write);
        expect(({} as { polluted?: unknown }).polluted).toBeUndefined();
      }),
      { numRuns: 3, endOnFailure: true },
    );
  });
});

test('a watch over random chunked responses emits valid events, or an error', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(answers, { minLength: BATCH, maxLength: BATCH }), async (batch) => {
      const watch = (client: Client): Observable<unknown> => client.watch('a', { startRevision: 1 }).pipe(takeUntil(timer(DEADLINE_MS)));
      for (const outcome of await Promise.all(batch.map((answer) => outcomeOf('/v3/watch', answer, watch)))) {
        check(outcome, false);
        for (const event of outcome.values ?? [])
          expect(event).toMatchObject({ revision: expect.any(Number), type: expect.stringMatching(/^(put|delete)$/) });
      }
    }),
    { numRuns: 3, endOnFailure: true },
  );
});

test('an invalid revision is rejected, and makes no later response look old', async () => {
  const revisions: readonly unknown[] = [JSON.parse('{"toString":"x"}'), '9e99', '1e400', '7'];
  let asked = 0;
  const server = await startRawServer((at, socket) => {
    const good = at === '/v3/kv/range' ? JSON.stringify({ header: { revision: revisions[asked++] } }) : (GOOD[at] ?? '{}');
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${good.length}\r\n\r\n${good}`);
  });
  const client = createClient({ endpoints: server.endpoint });
  clients.add(client);
  const read = (): Promise<unknown> => lastValueFrom(client.kv.range('a', { monotonic: true }));
  for (let n = 0; n < 3; n++) expect(await rejection(read())).toMatchObject({ reason: 'MalformedResponse', endpoint: server.endpoint });
  expect(await read()).toMatchObject({ header: { revision: 7 } });
  await server.close();
});
