import { afterEach, describe, expect, test } from '@jest/globals';
import { createClient } from 'rxetcd';
import { lastValueFrom, throwError } from 'rxjs';
import { TransportSelector } from '../../../src/transport/streams/transportSelector.js';
import { lazyTransport } from '../../../src/transport/http/transport.js';
import { loadModule, nodePlatform } from '../../../src/node/nodePlatform.js';
import { settingsOf } from '../../../src/options/clientOptions.js';

/** The global variable that identifies a runtime. */
const pretend = (runtime: 'Bun' | 'Deno'): void => void Object.defineProperty(globalThis, runtime, { value: {}, configurable: true });

afterEach(() => {
  for (const runtime of ['Bun', 'Deno']) Reflect.deleteProperty(globalThis, runtime);
});

describe('on Bun', () => {
  test('createClient throws UnsupportedRuntime', () => {
    pretend('Bun');
    expect(() => createClient()).toThrow(expect.objectContaining({ reason: 'UnsupportedRuntime', message: expect.stringMatching(/Bun/) }));
  });
});

describe('on Deno', () => {
  const tls = { origin: 'https://a:2379', version: undefined, authenticated: false };

  test('the HTTP/2 transport is rejected by its option', () => {
    pretend('Deno');
    const options = { endpoints: ['https://a:2379'], streams: { transport: 'http2' } } as const;
    expect(() => createClient(options)).toThrow(expect.objectContaining({ reason: 'InvalidOption', option: 'streams.transport' }));
  });

  test('a TLS endpoint without WebSocket gets chunked HTTP, and HTTP/2 on Node', () => {
    const choose = (): string => {
      const { http2 } = settingsOf({}, nodePlatform.limits({}));
      const choice = new TransportSelector('auto', http2);
      choice.refused(tls.origin, 'websocket');
      return choice.choose(tls);
    };
    expect(choose()).toBe('http2');
    pretend('Deno');
    expect(choose()).toBe('chunked');
  });
});

describe('an HTTP client that cannot be loaded', () => {
  const load = (): Promise<never> => Promise.reject(new Error('Dynamic require of "node:assert" is not supported'));

  test('fails each call with UnsupportedRuntime, with the cause and the remedy', async () => {
    const transport = lazyTransport(() => loadModule(load));
    const request = { origin: 'http://a', method: 'POST', path: '/', headers: {}, rpc: 'GET /version' } as const;
    const outcome = { read: () => undefined, recover: (failure: unknown) => throwError(() => failure) };
    await expect(lastValueFrom(transport.exchange(request, outcome))).rejects.toMatchObject({
      reason: 'UnsupportedRuntime',
      message: expect.stringMatching(/Dynamic require of "node:assert".*keep undici external/),
    });
  });

  test('leaves nothing to close', async () => {
    await expect(lazyTransport(() => loadModule(load)).close()).resolves.toBeUndefined();
  });
});
