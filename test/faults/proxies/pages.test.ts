import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { concatMap, EMPTY, filter, firstValueFrom, timer } from 'rxjs';
import { EtcdError, type Client, type ClientOptions } from '../../../src/index.js';
import { configOf, without } from '../../support/proxies/docs.js';
import type { Proxy } from '../../support/proxies/proxy.js';
import { collect, describeProxies, PATIENCE_MS, ProxiedEtcd, rejection } from './support.js';
import { waitFor } from '../../support/waitFor.js';

const nginx = configOf('nginx');
const nginxTls = configOf('nginx with TLS');
const SECRET = 'hunter2';

/** The status codes of the page that a proxy shows during a deploy. */
const PAGES = [200, 401, 403, 404, 429, 500, 502, 503, 504];
const REDIRECTS = [301, 302, 307, 308];

/** Replaces the part of the configuration that leads to etcd by a page. */
const page = (config: string, status: number): string => {
  const what = REDIRECTS.includes(status) ? `'https://elsewhere.example/etcd?token=${SECRET}'` : `'<html>${SECRET}</html>'`;
  return config.replace(/location \/ \{.*?^ {2}\}/ms, `location / {\n    default_type text/html;\n    return ${status} ${what};\n  }`);
};

/** The TTL of a lease, which must survive the page: on a busy machine everything takes long. */
const TTL = 120;
/** More attempts than it takes to end a watch that the server rejects. */
const TRIES = 7;

describeProxies('a page of a proxy in the place of an etcd that has answered before', () => {
  let etcd: ProxiedEtcd;

  async function survives(status: number, config: string, options: ClientOptions): Promise<void> {
    const proxy = await etcd.proxy('nginx', config);
    const client = etcd.client(proxy.endpoint, options);
    const direct = etcd.client(etcd.server.endpoint);
    const key = `pages/${config.length}/${status}`;
    const events = collect(client.watch(key));
    const live = collect(client.live(key));
    const lease = collect(client.lease({ ttl: TTL }));
    const lock = collect(client.lock(`${key}/lock`, { ttl: TTL }));
    await waitFor('the lock is held', () => lock.values.length > 0 || lock.error !== undefined);
    const waiter = collect(client.lock(`${key}/lock`, { ttl: TTL }));
    const leader = collect(client.election(`${key}/election`).campaign('me', { ttl: TTL }));
    const all = [events, live, lease, lock, leader];
    const retries = collect(client.connection$.pipe(filter(({ status: now }) => now === 'reconnecting')));
    const errors = (): unknown[] => all.map(({ error }) => error);
    const none = all.map(() => undefined);
    // A watch starts some time after the subscription.
    const writing = collect(timer(0, 100).pipe(concatMap(() => direct.kv.put(key, 'before'))));
    await waitFor('all of it is there', () => all.every(({ values, error }) => values.length > 0 || error !== undefined));
    writing.stop();
    expect([writing.error, ...errors()]).toEqual([undefined, ...none]);
    await proxy.restart(page(config, status));
    const refreshFailed = (): boolean => lease.values.some(({ type }) => type === 'refreshFailed');
    // The next keepalive would be sent after a third of the TTL.
    const refresh = collect(lease.values[0]?.lease.refresh() ?? EMPTY);
    await waitFor(
      'it has been tried often enough',
      () => (retries.values.length >= TRIES && refreshFailed()) || errors().some((error) => error !== undefined),
    );
    expect({ status, errors: errors() }).toEqual({ status, errors: none });
    expect(refresh.error).toBeInstanceOf(EtcdError);
    await firstValueFrom(direct.kv.put(key, 'behind'));
    await proxy.restart(config);
    await waitFor(`the watch goes on after ${status}`, () => events.values.some(({ kv }) => kv.value === 'behind'));
    await waitFor('so does the live view', () => live.values.at(-1)?.state.get(key)?.value === 'behind');
    await waitFor('so does the lease', () => lease.values.at(-1)?.type === 'refreshed');
    expect({ status, errors: errors(), completed: all.some(({ completed }) => completed) }).toEqual({
      status,
      errors: none,
      completed: false,
    });
    expect([waiter.values, waiter.error]).toEqual([[], undefined]);
    lock.stop();
    await waitFor('who waits for the lock has it', () => waiter.values.length > 0);
    for (const collected of [...all, waiter]) collected.stop();
  }

  describe.each<[string, boolean, readonly (readonly [how: string, config: string, options: ClientOptions])[]]>([
    [
      'without auth',
      false,
      [
        ['over the transport that is chosen', nginx, {}],
        ['over chunked responses', nginx, { streams: { transport: 'chunked' } }],
        ['over HTTP/2', nginxTls, { streams: { transport: 'http2' } }],
      ],
    ],
    [
      'with auth',
      true,
      [
        ['in the clear', nginx, {}],
        ['over TLS', nginxTls, {}],
      ],
    ],
  ])('%s', (_, auth, rows) => {
    beforeAll(async () => {
      etcd = await ProxiedEtcd.start({ auth });
    });
    afterEach(() => etcd.clear());
    afterAll(() => etcd.stop());

    test.each(rows)(
      'counts as an etcd that is down: watches, live views, leases, locks and elections continue %s',
      async (__, config, options) => {
        await Promise.all(PAGES.map((status) => survives(status, config, options)));
      },
      PATIENCE_MS,
    );
  });
});

describeProxies('an answer of a proxy', () => {
  let etcd: ProxiedEtcd;
  let proxy: Proxy;
  beforeAll(async () => {
    etcd = await ProxiedEtcd.start();
  });
  afterEach(() => etcd.clear());
  afterAll(() => etcd.stop());

  /** A client that has used etcd through the proxy, which then shows pages. */
  async function behind(status: number): Promise<Client> {
    proxy = await etcd.proxy('nginx', nginx);
    const client = etcd.client(proxy.endpoint);
    await firstValueFrom(client.kv.get('a'));
    await proxy.restart(page(nginx, status));
    return client;
  }

  test.each([
    [429, 'TooManyRequests'],
    [401, 'ProxyRefused'],
    [403, 'ProxyRefused'],
    [301, 'ProxyRefused'],
    [302, 'ProxyRefused'],
    [307, 'ProxyRefused'],
    [308, 'ProxyRefused'],
    // The client then probes the version of the server, and the proxy responds to that as well.
    [404, 'Unreachable'],
  ])('with status %d for a write is %s: etcd did nothing', async (status, reason) => {
    const client = await behind(status);
    for (const write of [client.kv.put('pages/write', 'value'), client.kv.delete('pages/write'), client.kv.txn({})]) {
      const error = await rejection(firstValueFrom<unknown>(write));
      // An endpoint that is set aside is probed before the next write.
      expect([reason, 'Unreachable']).toContain((error as { reason: string }).reason);
      expect(String(error)).toContain(`HTTP ${status}`);
      expect(String(error)).not.toContain(SECRET);
      if (REDIRECTS.includes(status)) expect(String(error)).toContain('https://elsewhere.example/etcd');
    }
    expect(await rejection(firstValueFrom((await behind(status)).kv.put('pages/write', 'value')))).toMatchObject({ reason });
  });

  test('with status 413 for a write is RequestTooLarge', async () => {
    proxy = await etcd.proxy('nginx', without(nginx, 'client_max_body_size'));
    const client = etcd.client(proxy.endpoint);
    await firstValueFrom(client.kv.get('a'));
    expect(await rejection(firstValueFrom(client.kv.put('pages/large', 'x'.repeat(1_100_000))))).toMatchObject({
      reason: 'RequestTooLarge',
      rpc: 'KV.Put',
      message: expect.stringContaining('HTTP 413'),
    });
    await firstValueFrom(client.kv.put('pages/large', 'x'));
  });

  test.each([200, 500, 502, 503, 504])('with status %d for a write fails it with AmbiguousWrite', async (status) => {
    const client = await behind(status);
    expect(await rejection(firstValueFrom(client.kv.put('pages/write', 'value')))).toMatchObject({ reason: 'AmbiguousWrite' });
  });

  test.each([200, 401, 403, 404])('with status %d fails calls and watches if etcd was never reached', async (status) => {
    proxy = await etcd.proxy('nginx', page(nginx, status));
    const client = etcd.client(proxy.endpoint);
    const watch = collect(client.watch('a'));
    expect(await rejection(firstValueFrom(client.kv.put('a', '1')))).toMatchObject({ reason: 'MalformedResponse' });
    await waitFor('the watch ends', () => watch.error !== undefined);
    expect(watch.error).toMatchObject({ reason: 'MalformedResponse', message: expect.stringContaining(`HTTP ${status}`) });
  });
});
