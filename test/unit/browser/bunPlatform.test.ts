import { expect, test } from '@jest/globals';
import { firstValueFrom, throwError } from 'rxjs';
import { hostWith } from '../../../src/browser/bunPlatform.js';
import { fetchTransport } from '../../../src/browser/fetchTransport.js';
import type { BrowserHost } from '../../../src/browser/host.js';
import { createClient, type ClientOptions } from '../../../src/index.bun.js';
import type { HttpResponse } from '../../../src/transport/http/transport.js';

const tls = { ca: 'authority', cert: 'certificate', key: 'key', serverName: 'etcd.example' };

test('every request and every WebSocket on Bun has the TLS options of the client', async () => {
  const requests: object[] = [];
  const sockets: unknown[] = [];
  const bun = {
    fetch: (url: string, init: object) => {
      requests.push({ url, ...init });
      return Promise.resolve({ status: 200, type: 'basic', body: null });
    },
    WebSocket: class {
      constructor(...given: unknown[]) {
        sockets.push(given);
      }
      readonly close = (): void => undefined;
    },
  } as unknown as BrowserHost;
  const transport = fetchTransport({ maxResponseBytes: 1_000 }, hostWith(tls, bun));
  const request = { origin: 'https://etcd:2379', path: '/v3/kv/range', method: 'POST', headers: {}, body: '{}', rpc: 'KV.Range' } as const;
  const outcome = { read: ({ status }: HttpResponse) => status, recover: (failure: unknown) => throwError(() => failure) };
  expect(await firstValueFrom(transport.exchange(request, outcome))).toBe(200);
  transport
    .duplex({ ...request, path: '/v3/watch', rpc: 'Watch.Watch', token: 'a-token', transport: 'websocket' })
    .subscribe()
    .unsubscribe();
  expect(requests).toMatchObject([{ url: 'https://etcd:2379/v3/kv/range', method: 'POST', body: '{}', tls }]);
  expect(sockets).toEqual([['wss://etcd:2379/v3/watch', { protocols: ['Bearer', 'a-token'], tls }]]);
});

const endpoints = 'https://etcd:2379';

test.each<[string, ClientOptions, RegExp]>([
  ['a certificate without its key', { endpoints, tls: { cert: 'certificate' } }, /^option tls\.key: /],
  ['TLS options beside http', { endpoints: 'http://etcd:2379', tls }, /^option tls: expected https/],
  [
    'an unsupported TLS option',
    { endpoints, tls: { rejectUnauthorized: false } as object },
    /^option tls\.rejectUnauthorized: .*always verified/,
  ],
  ['connections that Bun manages', { endpoints, keepAliveMs: 1_000 }, /^option keepAliveMs: not in a browser or on Bun/],
  ['streams over HTTP/2', { endpoints, streams: { transport: 'http2' } }, /^option streams\.transport: /],
])('Bun rejects by name %s', (_, options, message) => {
  expect(() => createClient(options)).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
});
