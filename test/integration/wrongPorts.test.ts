import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { createClient, type ClientOptions } from 'rxetcd';
import { catchError, firstValueFrom, map, of, type Observable } from 'rxjs';
import { startGrpcProxy, type GrpcProxy } from '../support/etcd/grpcProxy.js';
import { freePorts, startEtcd, type EtcdOptions, type EtcdServer } from '../support/etcd/index.js';
import { makeTls } from '../support/tls.js';
import { withEtcd } from './support/fixture.js';

/** Describes the outcome of a call: `ok`, or the message of the error. */
const outcomeOf = (call: Observable<unknown>): Promise<string> =>
  firstValueFrom(call.pipe(map(() => 'ok'), catchError((error: unknown) => of(String(error))))); // prettier-ignore

async function outcomesAt(endpoints: string, options: ClientOptions = {}) {
  await using etcd = createClient({ endpoints, requestTimeoutMs: 5_000, ...options });
  const [get, put, watch, health] = await Promise.all(
    [etcd.kv.get('a'), etcd.kv.put('a', 'b'), etcd.watch('a'), etcd.health()].map(outcomeOf),
  );
  return { get, put, watch, health };
}

const all = (message: RegExp) => {
  const like: unknown = expect.stringMatching(message);
  return { get: like, put: like, watch: like, health: like };
};

describe('an endpoint without a JSON gateway is reported', () => {
  const fixture = withEtcd({ own: true });
  let proxy: GrpcProxy;
  beforeAll(async () => {
    proxy = await startGrpcProxy(fixture.server.endpoint);
  });
  afterAll(() => proxy.stop());

  test('if it is a peer port', async () => {
    expect(await outcomesAt(fixture.server.peerUrl ?? '')).toEqual(all(/peer port.*client URL/));
  });

  test('if it is a grpc-proxy', async () => {
    expect(await outcomesAt(proxy.endpoint)).toEqual(all(/grpc-proxy/));
  });

  test('if the gateway is disabled (3.4)', async () => {
    if (!fixture.has('3.4')) return expect(fixture.server.version).toMatch(/^3\.[23]\./);
    const server = await startEtcd({ own: true, args: ['--enable-grpc-gateway=false'] });
    try {
      expect(await outcomesAt(server.endpoint)).toEqual({ ...all(/--enable-grpc-gateway=false/), health: 'ok' });
    } finally {
      await server.stop();
    }
  });

  test('if the port is for gRPC alone, beside one for HTTP (3.5)', async () => {
    if (!fixture.has('3.5.10')) return expect(fixture.server.version).toMatch(/^3\.[2-5]\./);
    await withParted({}, async (server, grpc) => {
      expect(await outcomesAt(grpc)).toEqual(all(/gRPC only.*--listen-client-http-urls/));
      await using etcd = createClient({ endpoints: server.endpoint });
      expect(await outcomeOf(etcd.kv.put('a', 'b'))).toBe('ok');
    });
  });

  test('if the port is for gRPC alone, over TLS (3.5)', async () => {
    if (!fixture.has('3.5.10')) return expect(fixture.server.version).toMatch(/^3\.[2-5]\./);
    const tls = await makeTls();
    const clientTls = { certFile: tls.server.certFile, keyFile: tls.server.keyFile, caFile: tls.caFile };
    try {
      await withParted({ clientTls }, async (_, grpc) => {
        await using etcd = createClient({
          endpoints: grpc,
          tls: { ca: tls.ca, cert: tls.client.cert, key: tls.client.key },
          requestTimeoutMs: 5_000,
        });
        for (const call of [etcd.kv.get('a'), etcd.kv.put('a', 'b'), etcd.health()])
          expect(await outcomeOf(call)).toMatch(/gRPC only.*--listen-client-http-urls/);
      });
    } finally {
      await tls.remove();
    }
  });
});

/** Runs a check on a server that has one port for HTTP, which is its endpoint, and another one for gRPC. */
async function withParted(
  options: Pick<EtcdOptions, 'clientTls'>,
  check: (server: EtcdServer, grpc: string) => Promise<void>,
): Promise<void> {
  const [http = 0, grpc = 0] = await freePorts(2);
  const urlOf = (port: number): string => `${options.clientTls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`;
  const args = ['--listen-client-urls', urlOf(grpc), '--listen-client-http-urls', urlOf(http)];
  const server = await startEtcd({ ...options, own: true, clientPort: http, args });
  try {
    await check(server, urlOf(grpc));
  } finally {
    await server.stop();
  }
}
