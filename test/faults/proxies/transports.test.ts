import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { concatMap, filter, firstValueFrom, from, lastValueFrom, mergeMap, timer, toArray } from 'rxjs';
import type { Client } from '../../../src/index.js';
import { isAtLeast, parseVersion } from '../../../src/transport/endpoints/version.js';
import { configOf, without } from '../../support/proxies/docs.js';
import type { ProxyKind } from '../../support/proxies/find.js';
import { collect, describeProxies, PATIENCE_MS, ProxiedEtcd } from './support.js';
import { waitFor } from '../../support/waitFor.js';

const UPGRADE = ['proxy_set_header Upgrade', 'proxy_set_header Connection'] as const;
const NO_UPGRADE = '  http-request del-header Upgrade\n';

/** The configurations of docs/proxies.md; the rows remove lines that an operator might forget. */
const nginx = configOf('nginx');
const nginxTls = configOf('nginx with TLS');
const haproxy = configOf('HAProxy');
const haproxyTls = configOf('HAProxy with TLS');

interface Row {
  readonly name: string;
  readonly kind: ProxyKind;
  readonly config: string;
  /**
   * The transport that streams use in the end: without auth, and with auth on an etcd whose WebSockets take no token.
   */
  readonly transport: string;
  readonly withAuth: string;
}

const rows: readonly Row[] = [
  // These come first, as they take the longest: streams open and get no response until another transport is tried.
  {
    name: 'HAProxy that does not answer Upgrade',
    kind: 'haproxy',
    config: haproxy.replace('frontend etcd\n', 'frontend etcd\n  timeout tarpit 1h\n  http-request tarpit if { hdr(Upgrade) -m found }\n'),
    transport: 'chunked',
    withAuth: 'chunked',
  },
  {
    name: 'nginx with TLS that drops Upgrade and holds request bodies back',
    kind: 'nginx',
    config: without(nginxTls, ...UPGRADE, 'proxy_request_buffering off'),
    transport: 'chunked',
    withAuth: 'chunked',
  },
  {
    name: 'HAProxy with TLS that drops Upgrade and keeps the connections of streams',
    kind: 'haproxy',
    config: without(haproxyTls, 'http-server-close').replace('frontend etcd\n', `frontend etcd\n${NO_UPGRADE}`),
    transport: 'chunked',
    withAuth: 'chunked',
  },
  { name: 'nginx', kind: 'nginx', config: nginx, transport: 'websocket', withAuth: 'chunked' },
  { name: 'nginx with TLS', kind: 'nginx', config: nginxTls, transport: 'websocket', withAuth: 'http2' },
  { name: 'HAProxy', kind: 'haproxy', config: haproxy, transport: 'websocket', withAuth: 'chunked' },
  { name: 'HAProxy with TLS', kind: 'haproxy', config: haproxyTls, transport: 'websocket', withAuth: 'http2' },
  { name: 'HAProxy over TCP', kind: 'haproxy', config: configOf('HAProxy over TCP'), transport: 'websocket', withAuth: 'chunked' },
  { name: 'nginx that drops Upgrade', kind: 'nginx', config: without(nginx, ...UPGRADE), transport: 'chunked', withAuth: 'chunked' },
  {
    name: 'nginx with TLS that drops Upgrade',
    kind: 'nginx',
    config: without(nginxTls, ...UPGRADE),
    transport: 'http2',
    withAuth: 'http2',
  },
  {
    name: 'HAProxy that drops Upgrade',
    kind: 'haproxy',
    config: haproxy.replace('frontend etcd\n', `frontend etcd\n${NO_UPGRADE}`),
    transport: 'chunked',
    withAuth: 'chunked',
  },
  {
    name: 'HAProxy with TLS that drops Upgrade',
    kind: 'haproxy',
    config: haproxyTls.replace('frontend etcd\n', `frontend etcd\n${NO_UPGRADE}`),
    transport: 'http2',
    withAuth: 'http2',
  },
  // Proxies that answer a handshake themselves, and pass calls on.
  ...[200, 401, 403, 404, 429, 502, 503, 444].map((status): Row => ({
    name: `nginx that answers Upgrade with ${status === 444 ? 'the end of the connection' : status}`,
    kind: 'nginx',
    config: nginx.replace('location / {\n', `location / {\n    if ($http_upgrade) { return ${status}; }\n`),
    transport: 'chunked',
    withAuth: 'chunked',
  })),
];

/** Longer than three streams without a response. */
const TTL = 20;
/** Twenty proxies at the same time keep two cores busy, so that handshakes are too slow. */
const AT_A_TIME = 6;

describeProxies('streams through a proxy', () => {
  describe.each([
    ['without auth', false],
    ['with auth', true],
  ])('%s', (_, auth) => {
    let etcd: ProxiedEtcd;
    beforeAll(async () => {
      etcd = await ProxiedEtcd.start({ auth });
    });
    afterEach(() => etcd.clear());
    afterAll(() => etcd.stop());

    /** @returns the transport over which all calls succeeded */
    async function worksThrough({ name, kind, config }: Row, direct: Client): Promise<string> {
      const proxy = await etcd.proxy(kind, config);
      const client = etcd.client(proxy.endpoint);
      const key = `proxies/${name}`;
      const events = collect(client.watch(key));
      const lease = collect(client.lease({ ttl: TTL }));
      const lock = collect(client.lock(`${key}/lock`, { ttl: TTL }));
      await waitFor(`${name}: the lock is held`, () => lock.values.length > 0);
      const state = await firstValueFrom(client.connection$.pipe(filter(({ status }) => status === 'connected')));
      const writing = collect(timer(0, 100).pipe(concatMap((written) => direct.kv.put(key, String(written)))));
      await waitFor(`${name}: events come`, () => events.values.length > 3);
      // Refreshes the lease now, and not only at a third of its TTL.
      lease.values[0]?.lease.refresh().subscribe({ error: () => undefined });
      await waitFor(`${name}: the lease was refreshed`, () => lease.values.some(({ type }) => type === 'refreshed'));
      const all = [events, lease, lock, writing];
      expect(all.map(({ error }) => error)).toEqual(all.map(() => undefined));
      for (const collected of all) collected.stop();
      await client.close();
      await proxy.stop();
      return state.status === 'connected' ? state.transport : state.status;
    }

    test(
      'watches, leases and locks work, over the best transport that the proxy lets through',
      async () => {
        const direct = etcd.client(etcd.server.endpoint);
        // With auth and without TLS, most servers do not support WebSockets: their failure there makes no difference.
        const tried = rows.filter(({ config }) => !auth || config.includes(':8443') || [nginx, haproxy].includes(config));
        const transports = await lastValueFrom(
          from(tried).pipe(
            mergeMap(async (row) => [row.name, await worksThrough(row, direct)] as const, AT_A_TIME),
            toArray(),
          ),
        );
        const version = parseVersion(etcd.server.version);
        // On an old etcd with TLS, HTTP/2 comes first, as its WebSockets do not carry long messages.
        const http2First = version !== undefined && !isAtLeast(version, '3.4.16');
        const expected = ({ config, transport, withAuth }: Row): string => {
          if (auth) return withAuth;
          return http2First && config.includes(':8443') && withAuth === 'http2' ? 'http2' : transport;
        };
        expect(Object.fromEntries(transports)).toEqual(Object.fromEntries(tried.map((row) => [row.name, expected(row)])));
      },
      PATIENCE_MS,
    );
  });
});
