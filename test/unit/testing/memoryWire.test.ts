import { afterEach, describe, expect, test } from '@jest/globals';
import { asyncScheduler, firstValueFrom, type Observable, take, throwError, toArray } from 'rxjs';
import { kvRpcs } from '../../../src/codec/kv.js';
import { lockRpcs } from '../../../src/codec/concurrency.js';
import { refreshRpc } from '../../../src/codec/lease.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import { EtcdError } from '../../../src/errors/index.js';
import { leaseId } from '../../../src/model/ids.js';
import { MemoryWire } from '../../../src/testing/memoryWire.js';
import { Network } from '../../../src/testing/network.js';
import { createStore } from '../../../src/testing/store/index.js';
import { TestServer } from '../../../src/testing/testServer.js';
import type { CallAttempt, Destination } from '../../../src/transport/wire.js';
import { waitFor } from '../../support/waitFor.js';
import { failure, rejection } from '../transport/support.js';

const rethrow = (error: unknown): Observable<never> => throwError(() => error);
const at = (origin: string): Destination => ({
  endpoint: { origin, address: origin, knownEtcd: false },
  info: { prefix: '/v3' },
  credential: { token: undefined },
});

/** The tests of test/unit/transport/wire.test.ts; the other implementations there need an HTTP server. */
describe('the wire to an etcd in memory keeps the contract of Wire', () => {
  const ends: (() => unknown)[] = [];
  afterEach(async () => {
    for (const end of ends.splice(0).toReversed()) await end();
  });

  function setUp() {
    const network = new Network(createStore({ now: () => asyncScheduler.now() }), 0);
    const server = new TestServer(network);
    const wire = new MemoryWire(network);
    ends.push(
      () => server.close(),
      () => wire.close(),
    );
    const [origin = ''] = server.endpoints;
    const reports: string[] = [];
    const attempt = {
      to: at(origin),
      onSent: () => void reports.push('sent'),
      onReceived: () => void reports.push('received'),
      onRevision: (revision: number) => void reports.push(`revision ${revision}`),
    };
    const callTo = <A>(more: Partial<CallAttempt<A>> = {}): CallAttempt<A> => ({
      ...attempt,
      onResponse: () => void reports.push('response'),
      recover: rethrow,
      ...more,
    });
    return { wire, server, origin, reports, attempt, callTo };
  }

  test('reports the progress of a call in order, before it emits the response', async () => {
    const { wire, reports, callTo } = setUp();
    const put = wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo());
    const done = new Promise<number>((resolve) =>
      put.subscribe(({ header }) => {
        reports.push('emitted');
        resolve(header.revision);
      }),
    );
    expect(reports).toEqual([]);
    expect(await done).toBe(2);
    expect(reports).toEqual(['sent', 'received', 'revision 2', 'response', 'emitted']);
  });

  test('sends a call again for each subscription, and nothing before it is subscribed to', async () => {
    const { wire, server, callTo } = setUp();
    const call = wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo());
    expect(server.calls).toEqual([]);
    await firstValueFrom(call);
    await firstValueFrom(call);
    expect(server.get('a')?.version).toBe(2);
  });

  test('refuses a request that cannot be encoded before anything is sent', () => {
    const { wire, server } = setUp();
    expect(failure(() => wire.unary(kvRpcs.put, {}))).toMatchObject({ reason: 'InvalidArgument' });
    expect(failure(() => wire.stream(kvRpcs.put, {}))).toMatchObject({ reason: 'InvalidArgument' });
    expect(server.calls).toEqual([]);
  });

  test('fails with Unreachable, and reports nothing as sent, if there is no server', async () => {
    const { wire, server, origin, reports, callTo } = setUp();
    server.disconnect();
    for (const nowhere of [origin, 'http://elsewhere:1']) {
      const call = wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo({ to: at(nowhere) }));
      expect(await rejection(firstValueFrom(call))).toMatchObject({ reason: 'Unreachable', rpc: 'KV.Put', endpoint: nowhere });
    }
    expect(reports).toEqual([]);
  });

  test('fails with ConnectionLost after it has reported the request as sent, if the connection breaks', async () => {
    const { wire, server, origin, reports, callTo } = setUp();
    server.fail('KV.Put', 'ConnectionLost');
    const call = wire.unary(kvRpcs.put, { key: 'a', value: 'b' })(callTo());
    expect(await rejection(firstValueFrom(call))).toMatchObject({ reason: 'ConnectionLost', rpc: 'KV.Put', endpoint: origin });
    expect(reports).toEqual(['sent']);
    expect(server.get('a')).toBeUndefined();
  });

  test('passes each failure to recover: of the server, and of a report', async () => {
    const { wire, origin, callTo } = setUp();
    for (const [revision, reason] of [
      [99, 'FutureRev'],
      [1, 'StaleRead'],
    ] as const) {
      const failures: unknown[] = [];
      const onRevision = (): void => {
        throw new EtcdError('StaleRead', 'too old');
      };
      const recover = (error: unknown): Observable<never> => {
        failures.push(error);
        return rethrow(error);
      };
      const call = wire.unary(kvRpcs.range, { key: 'a', revision })({ ...callTo(), onRevision, recover });
      const error = await rejection(firstValueFrom(call));
      expect(error).toMatchObject(reason === 'FutureRev' ? { reason, rpc: 'KV.Range', endpoint: origin } : { reason });
      expect(failures).toEqual([error]);
    }
  });

  test('aborts a call at the server when it is unsubscribed from, and reports nothing afterwards', async () => {
    const { wire, server, reports, callTo } = setUp();
    const lock = wire.unary(lockRpcs.lock, { name: 'job' });
    await firstValueFrom(lock(callTo()));
    reports.length = 0;
    const waiting = lock(callTo()).subscribe();
    await waitFor('the second waits in the queue', () => server.range({ prefix: 'job/' }).count === 2);
    waiting.unsubscribe();
    await waitFor('it has left the queue', () => server.range({ prefix: 'job/' }).count === 1);
    expect(reports).toEqual(['sent']);
  });

  test('fails the requests in progress, and all later ones, with ClientClosed when it is closed', async () => {
    const { wire, server, callTo } = setUp();
    server.stall('responses');
    const send = wire.unary(kvRpcs.range, { key: 'a' });
    const failed = rejection(firstValueFrom(send(callTo())));
    await waitFor('the request arrived', () => server.calls.length === 1);
    await wire.close();
    expect(await failed).toMatchObject({ reason: 'ClientClosed', rpc: 'KV.Range' });
    expect(await rejection(firstValueFrom(send(callTo())))).toMatchObject({ reason: 'ClientClosed' });
  });

  test('emits the responses of a stream in order, and fails with ConnectionLost if it breaks', async () => {
    const { wire, server, reports, attempt } = setUp();
    const create = { createRequest: { key: 'a' } };
    const responses = wire.stream(watchRpcs.watch, create)(attempt);
    const two = firstValueFrom(responses.pipe(take(2), toArray()));
    await waitFor('the watch is open', () => server.watches.length === 1);
    server.put('a', '1');
    expect((await two).map(({ created, events }) => [created, events.length])).toEqual([
      [true, 0],
      [false, 1],
    ]);
    expect(reports).toEqual(['sent', 'received', 'revision 1', 'received', 'revision 2']);
    await waitFor('the watch is closed', () => server.watches.length === 0);
    const lost = rejection(firstValueFrom(responses.pipe(take(2), toArray())));
    await waitFor('the watch is open again', () => server.watches.length === 1);
    server.breakConnections();
    expect(await lost).toMatchObject({ reason: 'ConnectionLost', rpc: 'Watch.Watch' });
  });

  test('completes a stream when the server ends it', async () => {
    const { wire, attempt } = setUp();
    const responses = wire.stream(refreshRpc, { id: leaseId(1) })(attempt);
    expect(await firstValueFrom(responses.pipe(toArray()))).toMatchObject([{ id: '1', ttl: 0 }]);
  });

  test('emits a plain response whatever its status, with the error that it stands for', async () => {
    const { wire, origin } = setUp();
    const response = await firstValueFrom(wire.get({ to: at(origin), path: '/nothing', name: 'GET /nothing' }));
    expect(response).toMatchObject({ status: 404, redirectsTo: undefined });
    expect(response.error()).toMatchObject({ rpc: 'GET /nothing', endpoint: origin });
  });

  test('fails a call of an RPC that the server does not have', async () => {
    const { wire, origin, callTo } = setUp();
    const path = '/kv/nothing';
    expect(await rejection(firstValueFrom(wire.unary({ ...kvRpcs.range, path }, { key: 'a' })(callTo())))).toMatchObject({
      reason: 'UnknownMethod',
    });
    const stream = wire.stream({ ...watchRpcs.watch, path }, { createRequest: { key: 'a' } })({ to: at(origin) });
    expect(await rejection(firstValueFrom(stream))).toMatchObject({ reason: 'UnknownMethod', endpoint: origin });
  });

  test('opens a stream, sends requests on it, delivers responses later, and fails when it breaks', async () => {
    const { wire, server, origin } = setUp();
    const events: string[] = [];
    const error = await new Promise((resolve) => {
      const onRevision = (revision: number): void => void events.push(`revision ${revision}`);
      wire.duplex(watchRpcs.watch, { to: at(origin), transport: 'websocket', onRevision }).subscribe({
        next: (event) => {
          events.push(event.type);
          if (event.type === 'open') {
            expect(failure(() => event.send({ createRequest: {} }))).toMatchObject({ reason: 'InvalidArgument' });
            event.send({ createRequest: { key: 'a' } });
            events.push('request sent');
          } else server.breakConnections();
        },
        error: resolve,
      });
    });
    expect(error).toMatchObject({ reason: 'ConnectionLost', rpc: 'Watch.Watch', endpoint: origin });
    expect(events).toEqual(['open', 'request sent', 'revision 1', 'message']);
  });
});
