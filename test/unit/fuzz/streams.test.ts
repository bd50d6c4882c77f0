import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lastValueFrom, takeUntil, timer, toArray, type Observable } from 'rxjs';
import { createClient, isEtcdError, leaseId, type Client } from '../../../src/index.js';
import { frame, startFakeStreams, type FakeStream, type FakeStreams } from '../../support/fakes/fakeStreams.js';
import { expectSilentAbout } from '../transport/support.js';
import { GOOD, SECRET, spoil } from './answers.js';
import { waitFor } from '../../support/waitFor.js';

/** The actions of a server on a stream, one after the other. */
type Step = (stream: FakeStream, good: readonly string[]) => void;

const ended = fc.constantFrom<Step>(
  (stream) => stream.end(),
  (stream) => stream.cut(),
);
const said: fc.Arbitrary<Step> = fc.oneof(
  fc.nat(5).map(
    (nth): Step =>
      (stream, good) =>
        stream.send(good[nth % good.length] ?? ''),
  ),
  fc.tuple(fc.nat(5), spoil).map(
    ([nth, spoiled]): Step =>
      (stream, good) =>
        stream.send(spoiled(good[nth % good.length] ?? '')),
  ),
);
/** Below the transport: bytes that are no frame of a WebSocket. Below TLS they do not reach our code. */
const raw = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 100 }),
    fc
      .tuple(fc.integer({ min: 0, max: 15 }), fc.uint8Array({ maxLength: 130 }), fc.nat(300))
      .map(([opcode, payload, more]) => frame(opcode, payload, payload.length + more)),
    fc.constant(frame(1, Buffer.of(0xff, 0xfe))),
    fc.constant(frame(8, Buffer.from([0x03, 0xf0, ...Buffer.from(SECRET)]))),
  )
  .map(
    (bytes): Step =>
      ({ socket }) =>
        void socket.write(bytes),
  );

const good = {
  watch: (GOOD['/v3/watch'] ?? '').split('\n').filter((line) => line !== ''),
  keepalive: [(GOOD['/v3/lease/keepalive'] ?? '').trim()],
};

/**
 * Reasons that may end a lease, or a watch whose store was replaced (the server reports a revision below one that it
 * has sent), without an endpoint.
 */
const OF_NO_ENDPOINT: ReadonlySet<string> = new Set(['LeaseLost', 'LeaseNotFound', 'DeadlineExceeded', 'FutureRev', 'ClusterIDMismatch']);

describe.each(['websocket', 'http2', 'chunked'] as const)('over %s', (transport) => {
  let server: FakeStreams;
  const clients: Client[] = [];
  beforeAll(async () => {
    server = await startFakeStreams(transport);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server.close();
  });

  const step =
    transport === 'websocket' ? fc.oneof({ arbitrary: said, weight: 4 }, raw, ended) : fc.oneof({ arbitrary: said, weight: 4 }, ended);

  test.each<[string, readonly string[], (client: Client) => Observable<unknown>]>([
    ['a watch', good.watch, (client) => client.watch('a', { startRevision: 1 })],
    ['a lease', good.keepalive, (client) => client.lease.adopt(leaseId('9'))],
  ])('%s with a random response emits valid values, or an error', async (_, lines, make) => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 }), async (streams) => {
        let opened = 0;
        server.script = (stream, __, number) => {
          if (number > 1) return;
          for (const act of streams[opened++ % streams.length] ?? []) act(stream, lines);
        };
        const client = createClient({
          endpoints: server.endpoint,
          ...(server.tls === undefined ? {} : { tls: { ca: server.tls.ca } }),
          maxResponseBytes: 200_000,
          requestTimeoutMs: 200,
          streams: { transport, initialBackoffMs: 1, maxBackoffMs: 5, heartbeatMs: 20, responseTimeoutMs: 30 },
        });
        clients.push(client);
        const outcome = await lastValueFrom(make(client).pipe(takeUntil(timer(60)), toArray())).then(
          (values) => ({ values, error: undefined }),
          (error: unknown) => ({ values: [], error }),
        );
        await client.close();
        await waitFor('its sockets are closed', () => server.open === 0);
        for (const value of outcome.values)
          expect(value).toMatchObject({ type: expect.stringMatching(/^(put|delete|granted|refreshed|refreshFailed)$/) });
        if (outcome.error === undefined) return;
        if (!isEtcdError(outcome.error)) throw outcome.error;
        expectSilentAbout(outcome.error, SECRET);
        if (!OF_NO_ENDPOINT.has(outcome.error.reason)) expect(outcome.error).toMatchObject({ endpoint: server.endpoint });
      }),
      { numRuns: 15, endOnFailure: true },
    );
  });
});
