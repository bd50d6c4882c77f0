import { afterEach, describe, expect, jest, test } from '@jest/globals';
import * as t from 'io-ts';
import { firstValueFrom, map, type Observable } from 'rxjs';
import { TestScheduler, type RunHelpers } from 'rxjs/testing';
import { get, put, type Client } from '../../../src/index.js';
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

  test('delivers what was under way when fake timers ended', async () => {
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

  test('ends a lease on the real clock, when its time is over', async () => {
    const { etcd, server } = createTestEtcd();
    const { id } = await firstValueFrom(etcd.lease.grant(2));
    server.put('a', '1', { lease: id });
    const { type } = await firstValueFrom(etcd.watch('a', { startRevision: server.revision + 1 }));
    expect(type).toBe('delete');
    expect(server.get('a')).toBeUndefined();
    await server.close();
  });

  test('is read and written by the test at once', () => {
    const { server } = createTestEtcd();
    expect(server.put('a', '1').header.revision).toBe(2);
    expect(server.txn({ success: [put('b', '2'), get('a')] }).responses[1]?.value).toBe('1');
    expect(server.range({ all: true }).kvs.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(server.delete({ prefix: 'a' }).deleted).toBe(1);
    expect(server.revision).toBe(4);
  });

  test('shows the watches that are open', () => {
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
  ])('names the invalid option %s', (option, options) => {
    expect(failure(() => createTestEtcd(options))).toMatchObject({ reason: 'InvalidOption', option });
  });

  test('lets a process end after close()', async () => {
    const { etcd, server } = createTestEtcd();
    await firstValueFrom(etcd.lease.grant(3_600));
    await server.close();
    await expect(firstValueFrom(etcd.kv.get('a'))).rejects.toMatchObject({ reason: 'ClientClosed' });
  });
});
