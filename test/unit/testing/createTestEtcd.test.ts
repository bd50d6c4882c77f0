import { afterEach, describe, expect, jest, test } from '@jest/globals';
import * as t from 'io-ts';
import { catchError, firstValueFrom, interval, map, type Observable, skip, switchMap, takeUntil } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { get, isEtcdError, put, type Client } from '../../../src/index.js';
import { createTestEtcd } from '../../../src/testing/index.js';
import { failure } from '../transport/support.js';
import { story } from './story.js';

const marbles = (run: (helpers: RunHelpers) => void): void =>
  new TestScheduler((actual, expected) => expect(actual).toEqual(expected)).run(run);

const colorOf = (etcd: Client): Observable<string | undefined> =>
  etcd.liveValue('app/config', { codec: t.type({ color: t.string }) }).pipe(map((config) => config?.color));

describe('an etcd in memory', () => {
  afterEach(() => void jest.useRealTimers());

  test('runs in TestScheduler.run, which ends when the test unsubscribes', () => {
    marbles(({ cold, expectObservable }) => {
      const { etcd, server } = createTestEtcd();
      server.put('app/config', '{"color":"red"}');
      cold('--a').subscribe(() => server.put('app/config', '{"color":"blue"}'));
      expectObservable(colorOf(etcd), '^---!').toBe('r-b', { r: 'red', b: 'blue' });
    });
  });

  test('runs in TestScheduler.run, which ends when the server is closed', () => {
    marbles(({ cold, expectObservable }) => {
      const { etcd, server } = createTestEtcd();
      const leases = etcd.lease({ ttl: 6 }).pipe(map(({ type }) => type));
      expectObservable(leases).toBe('g 1999ms r 1999ms r 999ms |', { g: 'granted', r: 'refreshed' });
      cold('5s x').subscribe(() => void server.close());
    });
  });

  test('runs in TestScheduler.run beside timers that end others of the same frame', () => {
    marbles(({ cold, expectObservable }) => {
      const { etcd, server } = createTestEtcd({ client: { requestTimeoutMs: 6_000 } });
      server.stall('responses');
      // Its deadline lies within the time of a tick that would end it, and was set before that tick.
      const call = cold('4s a').pipe(
        switchMap(() => etcd.kv.get('a')),
        catchError((error: unknown) => [isEtcdError(error) && error.reason]),
        takeUntil(interval(5_000).pipe(skip(1))),
      );
      expectObservable(call).toBe('10s (e|)', { e: 'DeadlineExceeded' });
    });
  });

  test('runs with fake timers', async () => {
    jest.useFakeTimers();
    const { etcd, server } = createTestEtcd();
    const types: string[] = [];
    etcd.lease({ ttl: 6 }).subscribe(({ type }) => types.push(type));
    await jest.advanceTimersByTimeAsync(600_000);
    expect(types[0]).toBe('granted');
    expect(types.filter((type) => type === 'refreshed').length).toBeGreaterThan(290);
    const closed = server.close();
    await jest.advanceTimersByTimeAsync(1_000);
    await closed;
    expect(jest.getTimerCount()).toBe(0);
  });

  test('delivers pending responses after fake timers have ended', async () => {
    jest.useFakeTimers();
    const { etcd, server } = createTestEtcd();
    etcd.lease({ ttl: 6 }).subscribe();
    await jest.advanceTimersByTimeAsync(100);
    server.put('a', '1');
    etcd.kv.delete('a').subscribe({ error: () => undefined });
    jest.useRealTimers();
    expect(await etcd.close()).toEqual({ released: 1, unreleased: [] });
    await server.close();
  });

  test('runs on the real clock', async () => {
    const { etcd, server } = createTestEtcd();
    await firstValueFrom(etcd.kv.put('a', '1'));
    expect(server.get('a')?.value).toBe('1');
    expect(server.calls).toMatchObject([
      { rpc: 'GET /version', endpoint: 'http://etcd-1:2379' },
      { rpc: 'KV.Put', endpoint: 'http://etcd-1:2379', request: { key: 'a', value: '1' } },
    ]);
    await server.close();
  });

  test('expires a lease on the real clock', async () => {
    const { etcd, server } = createTestEtcd();
    const { id } = await firstValueFrom(etcd.lease.grant(2));
    server.put('a', '1', { lease: id });
    const { type } = await firstValueFrom(etcd.watch('a', { startRevision: server.revision + 1 }));
    expect(type).toBe('delete');
    expect(server.get('a')).toBeUndefined();
    await server.close();
  });

  test('is read and written by the test synchronously', () => {
    const { server } = createTestEtcd();
    expect(server.put('a', '1').header.revision).toBe(2);
    expect(server.txn({ success: [put('b', '2'), get('a')] }).responses[1]?.value).toBe('1');
    expect(server.range({ all: true }).kvs.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(server.delete({ prefix: 'a' }).deleted).toBe(1);
    expect(server.revision).toBe(4);
  });

  test('lists the open watches', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      const watch = etcd.watch({ prefix: 'app/' }).subscribe();
      tell('live', etcd.live('b'));
      at(10, () =>
        expect(server.watches).toEqual([
          { key: 'app/', rangeEnd: 'app0', startRevision: 2, endpoint: 'http://etcd-1:2379' },
          { key: 'b', rangeEnd: undefined, startRevision: 2, endpoint: 'http://etcd-1:2379' },
        ]),
      );
      at(20, () => watch.unsubscribe());
      at(10_000, () => {
        expect(server.watches).toMatchObject([{ key: 'b' }]);
        return server.close();
      });
      at(11_000, () => expect(server.watches).toEqual([]));
    });
    expect(lines).toEqual(['live: ok', 'live completed']);
  });

  test('has any number of clients, which compete as processes do', () => {
    const lines = story(({ etcd, server, tell, at }) => {
      const other = server.createClient();
      tell('first', etcd.lock('job'));
      tell('second', other.lock('job'));
      at(100, () => etcd.close());
      at(200, () => server.close());
    });
    expect([...lines].sort()).toEqual(['first completed', 'first: ok', 'second completed', 'second: ok']);
  });

  test.each<[string, object]>([
    ['version', { version: 'v3.5' }],
    ['version', { version: '3' }],
    ['version', { version: '3.2.5' }],
    ['members', { members: 0 }],
    ['members', { members: 1.5 }],
    ['latencyMs', { latencyMs: -1 }],
    ['quotaBytes', { quotaBytes: 0 }],
    ['latency', { latency: 5 }],
  ])('rejects the option %s by name', (option, options) => {
    expect(failure(() => createTestEtcd(options))).toMatchObject({ reason: 'InvalidOption', option });
  });

  test('lets a process exit after close()', async () => {
    const { etcd, server } = createTestEtcd();
    await firstValueFrom(etcd.lease.grant(3_600));
    await server.close();
    await expect(firstValueFrom(etcd.kv.get('a'))).rejects.toMatchObject({ reason: 'ClientClosed' });
  });
});
