import { describe, expect, test } from '@jest/globals';
import { FOREIGN } from '../../../src/options/nodeOptions.js';
import { refused, settings } from '../settings.js';
import { expectSilentAbout } from '../transport/support.js';

describe('options that are omitted', () => {
  test('have defaults', () => {
    expect(settings({})).toEqual({
      endpoints: ['http://127.0.0.1:2379'],
      auth: undefined,
      tls: {},
      connectTimeoutMs: 5_000,
      requestTimeoutMs: 10_000,
      maxPendingCalls: 65_536,
      closeTimeoutMs: 10_000,
      attemptTimeoutMs: 800,
      discovery: undefined,
      retry: undefined,
      keepAliveMs: 30_000,
      maxConnections: 64,
      maxResponseBytes: 128 * 1024 * 1024,
      headers: { 'user-agent': 'rxetcd', 'content-type': 'application/json' },
      apiPrefix: undefined,
      batchReads: true,
      streams: {
        transport: 'auto',
        heartbeatMs: 12_000,
        responseTimeoutMs: 2_000,
        initialBackoffMs: 50,
        maxBackoffMs: 2_000,
        lingerMs: 1_000,
        jitter: 0.5,
        maxRetries: Infinity,
      },
      http2: true,
    });
  });

  test('may be undefined', () => {
    const names = [
      'endpoints',
      'auth',
      'tls',
      'connectTimeoutMs',
      'requestTimeoutMs',
      'attemptTimeoutMs',
      'discovery',
      'retry',
      'maxConnections',
      'keepAliveMs',
      'maxResponseBytes',
      'headers',
      'userAgent',
      'apiPrefix',
      'batchReads',
    ];
    expect(settings(Object.fromEntries(names.map((name) => [name, undefined])))).toEqual(settings({}));
  });
});

describe('an option that does not exist', () => {
  test.each<[unknown, string]>([
    [{ endpoint: 'http://a' }, 'endpoint'],
    [{ timeout: 1 }, 'timeout'],
    [{ auth: { user: 'a', password: 'b' } }, 'auth.user'],
    [{ auth: { username: 'a', password: 'b', realm: 'c' } }, 'auth.realm'],
    [{ auth: { token: 'a', password: 'b' } }, 'auth.password'],
    [{ endpoints: 'https://a', tls: { rejectUnauthorized: false } }, 'tls.rejectUnauthorized'],
    [{ streams: { carier: 'chunked' } }, 'streams.carier'],
    [{ toString: 1 }, 'toString'],
    [JSON.parse('{"__proto__":{}}'), '__proto__'],
  ])('is rejected with the existing ones: %j', (options, option) => {
    expect(refused(options)).toMatchObject({
      option,
      message: expect.stringMatching(/expected one of the options \w.*, received an unknown option/),
    });
  });

  test.each<[options: object, option: string, own: string]>([
    [{ hosts: 'http://a:1' }, 'hosts', 'endpoints, URLs such as http://127.0.0.1:2379'],
    [{ hosts: ['http://a:1'], credentials: {} }, 'hosts', 'endpoints, URLs such as http://127.0.0.1:2379'],
    [{ endpoints: 'https://a:1', credentials: { rootCertificate: 'secret' } }, 'credentials', 'tls.ca, tls.cert and tls.key'],
    [{ dialTimeout: 5 }, 'dialTimeout', 'connectTimeoutMs (in milliseconds)'],
    [{ DialTimeout: 5 }, 'DialTimeout', 'connectTimeoutMs (in milliseconds)'],
    [{ defaultCallOptions: {} }, 'defaultCallOptions', 'requestTimeoutMs, or options of each call'],
    [{ faultHandling: {} }, 'faultHandling', 'retry and attemptTimeoutMs'],
    [{ backoffStrategy: {} }, 'backoffStrategy', 'retry, and streams.initialBackoffMs and streams.maxBackoffMs'],
    [{ host: 'a', port: 2379 }, 'host', 'endpoints, a URL such as http://127.0.0.1:2379'],
    [{ port: 2379 }, 'port', 'endpoints, a URL such as http://127.0.0.1:2379'],
    [{ protocol: 'https' }, 'protocol', 'endpoints, a URL such as https://127.0.0.1:2379'],
    [{ verify: false }, 'verify', 'tls.ca and tls.serverName (certificates are always verified)'],
    [{ ca_cert: 'ca.pem' }, 'ca_cert', 'tls.caFile'],
    [{ cert_key: 'key.pem' }, 'cert_key', 'tls.keyFile'],
    [{ cert_cert: 'cert.pem' }, 'cert_cert', 'tls.certFile'],
    [{ cert: ['cert.pem', 'key.pem'] }, 'cert', 'tls.cert and tls.key, or tls.certFile and tls.keyFile'],
    [{ timeout: 5 }, 'timeout', 'requestTimeoutMs (in milliseconds)'],
    [{ username: 'ann', password: 'secret' }, 'username', 'auth.username'],
    [{ user: 'ann' }, 'user', 'auth.username'],
    [{ password: 'secret' }, 'password', 'auth.password'],
    [{ max_retries: 3 }, 'max_retries', 'retry and requestTimeoutMs'],
    [{ pool_size: 3 }, 'pool_size', 'maxConnections'],
    [{ grpcOptions: {} }, 'grpcOptions', 'no gRPC options (rxetcd uses the JSON gateway)'],
    [{ auth: { user: 'ann', password: 'secret' } }, 'auth.user', 'auth.username'],
    [{ endpoints: 'https://a:1', tls: { rootCertificate: 'secret' } }, 'tls.rootCertificate', 'tls.ca'],
    [
      { endpoints: 'https://a:1', tls: { rejectUnauthorized: false } },
      'tls.rejectUnauthorized',
      'tls.ca and tls.serverName (certificates are always verified)',
    ],
  ])('of another client is rejected with its name in rxetcd: %j', (options, option, own) => {
    const error = refused(options);
    expect(error).toMatchObject({ name: 'InvalidOptionError', option });
    expect((error as Error).message).toContain(', received an unknown option; ');
    expect((error as Error).message).toContain(`; use ${own} instead`);
    expectSilentAbout(error, 'secret');
  });

  test('has no proposal if no other client has it', () => {
    expect(refused({ bogus: 1 })).toMatchObject({ message: expect.not.stringContaining('instead') });
    expect(refused({ constructor: 1 })).toMatchObject({ message: expect.not.stringContaining('instead') });
  });

  test('is never itself the proposal', () => {
    for (const own of Object.values(FOREIGN).flatMap((advice) => advice.match(/\b(?:tls|auth|streams|discovery)\.\w+/g) ?? [])) {
      const [group = '', name = ''] = own.split('.');
      expect(refused({ endpoints: 'https://a:1', [group]: { [name]: Symbol('wrong') } })).toMatchObject({
        message: expect.not.stringContaining('an unknown option'),
      });
    }
  });
});

test.each([null, 'http://a', 7, ['http://a']])('options cannot be %j', (options) => {
  expect(refused(options).message).toMatch(/^option \(all\): expected \{ endpoints, auth, .* \}, received/);
});

describe.each(['connectTimeoutMs', 'requestTimeoutMs', 'attemptTimeoutMs', 'keepAliveMs'])('%s', (option) => {
  test.each([-1, 0, NaN, 2 ** 31, -Infinity, '5000', null, {}])('cannot be %p', (value) => {
    expect(refused({ [option]: value })).toMatchObject({ option, message: expect.stringContaining('milliseconds above 0') });
  });

  test('can be a fraction of a millisecond, or 24 days', () => {
    expect(settings({ [option]: 0.5 })).toMatchObject({ [option]: 0.5 });
    expect(settings({ [option]: 2 ** 31 - 1 })).toMatchObject({ [option]: 2 ** 31 - 1 });
  });
});

test('only a call may have no timeout, but not a connection', () => {
  expect(settings({ attemptTimeoutMs: Infinity }).attemptTimeoutMs).toBe(Infinity);
  expect(settings({ requestTimeoutMs: Infinity }).requestTimeoutMs).toBe(Infinity);
  expect(refused({ connectTimeoutMs: Infinity }).option).toBe('connectTimeoutMs');
  expect(refused({ keepAliveMs: Infinity }).option).toBe('keepAliveMs');
});

test.each([0, 'yes', null])('batchReads cannot be %p', (batchReads) => {
  expect(refused({ batchReads })).toMatchObject({ option: 'batchReads' });
});

test.each([0, -1, 1.5, NaN, Infinity, '4', null])('maxConnections cannot be %p', (maxConnections) => {
  expect(refused({ maxConnections })).toMatchObject({
    option: 'maxConnections',
    message: expect.stringContaining('a whole number from 1'),
  });
});

test.each([0, -1, 1.5, NaN, Infinity, '4', null, 2 ** 29])('maxResponseBytes cannot be %p', (maxResponseBytes) => {
  expect(refused({ maxResponseBytes })).toMatchObject({
    option: 'maxResponseBytes',
    message: expect.stringContaining('a whole number from 1 to 536870888'),
  });
});

describe('the option auth', () => {
  test.each<[unknown, string]>([
    ['root', 'auth'],
    [null, 'auth'],
    [['root', 'hunter2'], 'auth'],
    [{}, 'auth.username'],
    [{ username: '', password: 'hunter2' }, 'auth.username'],
    [{ username: 'root' }, 'auth.password'],
    [{ username: 'root', password: '' }, 'auth.password'],
    [{ username: 'root', password: 7 }, 'auth.password'],
    [{ username: 'root', password: 'hunter2\n' }, 'auth.password'],
    [{ token: '' }, 'auth.token'],
    [{ token: undefined }, 'auth.token'],
    [{ token: { secret: 'hunter2' } }, 'auth.token'],
    [{ token: 'hunter2\r\nx-evil: 1' }, 'auth.token'],
    [{ token: 'hunter2 – with a dash' }, 'auth.token'],
    [{ token: 'hunter2', password: 'hunter2' }, 'auth.password'],
  ])('rejects %j by name, without the secret', (auth, option) => {
    const error = refused({ auth });
    expect(error.option).toBe(option);
    expectSilentAbout(error, 'hunter2');
  });

  test('mentions in its error that a token can be a function', () => {
    expect(refused({ auth: { token: 7 } }).message).toContain('a function');
  });

  test('accepts user and password of any characters, a token, or a function', () => {
    const token = (): string => 'abc';
    expect(settings({ auth: { username: 'root', password: 'pä$$ 漢' } }).auth).toEqual({ username: 'root', password: 'pä$$ 漢' });
    expect(settings({ auth: { token: 'abc' } }).auth).toEqual({ token: 'abc' });
    expect(settings({ auth: { token } }).auth).toEqual({ token });
  });
});

describe('the option tls', () => {
  const PEM = '-----BEGIN hunter2';

  test.each<[unknown, unknown, string, RegExp]>([
    ['http://a', { ca: PEM }, 'tls', /use https URLs/],
    ['https://a', true, 'tls', /received boolean/],
    ['https://a', null, 'tls', /received null/],
    ['https://a', { cert: PEM }, 'tls.key', /together with its/],
    ['https://a', { key: PEM }, 'tls.cert', /together with its/],
    ['https://a', { ca: 7 }, 'tls.ca', /PEM/],
    ['https://a', { cert: [PEM], key: PEM }, 'tls.cert', /PEM/],
    ['https://a', { serverName: '' }, 'tls.serverName', /not empty/],
  ])('with %s rejects %j by name, without the secret', (endpoints, tls, option, message) => {
    const error = refused({ endpoints, tls });
    expect(error).toMatchObject({ option, message: expect.stringMatching(message) });
    expectSilentAbout(error, 'hunter2');
  });

  test('accepts text or bytes, and is not affected by a later change of the object', () => {
    const tls: Record<string, unknown> = { ca: new Uint8Array([1]), cert: PEM, key: PEM, serverName: 'etcd.example' };
    const before = { ...tls };
    const taken = settings({ endpoints: 'https://a', tls });
    tls['ca'] = 'changed';
    expect(taken.tls).toEqual(before);
  });
});

describe('the option headers', () => {
  test.each<[unknown, string, RegExp]>([
    ['x: y', 'headers', /an object of strings/],
    [[['x', 'y']], 'headers', /an object of strings/],
    [null, 'headers', /received null/],
    [new Map([['x', '1']]), 'headers', /an object of strings, .*, received Map/],
    [new Headers({ x: '1' }), 'headers', /an object of strings, .*, received Headers/],
    [{ 'x y': '1' }, 'headers["x y"]', /expected a header name that HTTP allows/],
    [{ '': '1' }, 'headers[""]', /expected a header name that HTTP allows/],
    [{ 'x\r\nevil': '1' }, 'headers["x\\r\\nevil"]', /expected a header name that HTTP allows/],
    [{ x: 'a\r\nevil: 1' }, 'headers["x"]', /a line break or another character/],
    [{ x: 'a\nb' }, 'headers["x"]', /a line break or another character/],
    [{ x: 'a\0b' }, 'headers["x"]', /a line break or another character/],
    [{ x: 'a\u007fb' }, 'headers["x"]', /a line break or another character/],
    [{ x: '漢' }, 'headers["x"]', /a line break or another character/],
    [{ x: 1 }, 'headers["x"]', /a string that is not empty, .*, received number/],
    [{ Authorization: 'hunter2' }, 'headers["Authorization"]', /rxetcd sets it by itself/],
    [{ 'Content-Length': '0' }, 'headers["Content-Length"]', /rxetcd sets it by itself/],
    [{ 'User-Agent': 'x' }, 'headers["User-Agent"]', /rxetcd sets it by itself/],
    [{ 'Keep-Alive': 'x' }, 'headers["Keep-Alive"]', /rxetcd sets it by itself/],
    [{ Expect: '100-continue' }, 'headers["Expect"]', /rxetcd sets it by itself/],
    ...[
      'TE',
      'Transfer-Encoding',
      'Connection',
      'Upgrade',
      'Host',
      'Proxy-Connection',
      'Sec-WebSocket-Key',
      'sec-websocket-protocol',
      'HTTP2-Settings',
    ].map((name): [unknown, string, RegExp] => [{ [name]: 'x' }, `headers["${name}"]`, /rxetcd sets it by itself/]),
    [{ 'Accept-Encoding': 'gzip' }, 'headers["Accept-Encoding"]', /does not decompress/],
    [{ 'content-encoding': 'gzip' }, 'headers["content-encoding"]', /does not compress/],
    [{ 'If-None-Match': '*' }, 'headers["If-None-Match"]', /without a body/],
    [{ Range: 'bytes=0-1' }, 'headers["Range"]', /whole responses/],
    [{ 'X-A': '1', 'x-a': '2' }, 'headers["x-a"]', /received this header twice/],
  ])('rejects %j by name', (headers, option, message) => {
    const error = refused({ headers });
    expect(error).toMatchObject({ option, message: expect.stringMatching(message) });
    expectSilentAbout(error, 'hunter2', 'evil: 1');
  });

  test('is kept, in lower case', () => {
    expect(settings({ headers: { 'X-Trace': 'a\tb' }, userAgent: 'app/1.0' }).headers).toEqual({
      'x-trace': 'a\tb',
      'user-agent': 'app/1.0',
      'content-type': 'application/json',
    });
  });

  test('rejects an injection into the user agent', () => {
    expect(refused({ userAgent: 'a\r\nb: c' }).option).toBe('userAgent');
    expect(refused({ userAgent: '' }).option).toBe('userAgent');
  });
});

test('the option retry is on, off, or a function', () => {
  const policy = (): 'fail' => 'fail';
  expect([true, policy].map((retry) => settings({ retry }).retry)).toEqual([undefined, policy]);
  expect(settings({ retry: false }).retry).toEqual(expect.any(Function));
  for (const retry of [null, 3, 'never'])
    expect(refused({ retry })).toMatchObject({ option: 'retry', message: expect.stringMatching(/a function or an object/) });
  const limits = { maxAttempts: 2, initialBackoffMs: 20, maxBackoffMs: 200, jitter: 0.2 };
  expect(settings({ retry: { policy, ...limits } })).toMatchObject({ retry: policy, retryLimits: limits });
  for (const [retry, option] of [
    [{ attempts: 2 }, 'retry.attempts'],
    [{ maxAttempts: 0 }, 'retry.maxAttempts'],
    [{ policy: 'never' }, 'retry.policy'],
    [{ jitter: 2 }, 'retry.jitter'],
    [{ initialBackoffMs: 600 }, 'retry.initialBackoffMs'],
    [{ maxBackoffMs: NaN }, 'retry.maxBackoffMs'],
  ] as const)
    expect(refused({ retry })).toMatchObject({ option });
});

describe('the option discovery', () => {
  test.each<[unknown, string, RegExp]>([
    [null, 'discovery', /true, false or/],
    ['on', 'discovery', /received string/],
    [{ intervalMs: 0 }, 'discovery.intervalMs', /milliseconds above 0/],
    [{ interval: 1 }, 'discovery.interval', /received an unknown option/],
  ])('rejects %j by name', (discovery, option, message) => {
    expect(refused({ discovery })).toMatchObject({ option, message: expect.stringMatching(message) });
  });

  test('is off, or on each minute or at a chosen interval', () => {
    const taken = [false, true, {}, { intervalMs: 5 }].map((discovery) => settings({ discovery }).discovery);
    expect(taken).toEqual([undefined, { intervalMs: 60_000 }, { intervalMs: 60_000 }, { intervalMs: 5 }]);
  });
});

describe('the option streams', () => {
  test.each<[unknown, string, RegExp]>([
    [null, 'streams', /received null/],
    ['chunked', 'streams', /received string/],
    [{ transport: 'pigeon' }, 'streams.transport', /one of auto, /],
    [{ transport: null }, 'streams.transport', /one of/],
    [{ transport: 'http2' }, 'streams.transport', /expected https endpoints for 'http2'/],
    [{ heartbeatMs: 0 }, 'streams.heartbeatMs', /milliseconds above 0/],
    [{ responseTimeoutMs: -1 }, 'streams.responseTimeoutMs', /milliseconds above 0/],
    [{ maxBackoffMs: NaN }, 'streams.maxBackoffMs', /milliseconds above 0/],
    [{ jitter: -1 }, 'streams.jitter', /from 0 to 1, received -1/],
    [{ maxRetries: 1.5 }, 'streams.maxRetries', /from 0, or Infinity, received 1.5/],
    [{ initialBackoffMs: 60, maxBackoffMs: 50 }, 'streams.initialBackoffMs', /at most 50, the value of streams.maxBackoffMs, received 60/],
    [{ initialBackoffMs: 3_000 }, 'streams.initialBackoffMs', /at most 2000, the value of streams.maxBackoffMs, received 3000/],
  ])('rejects %j by name', (streams, option, message) => {
    expect(refused({ streams })).toMatchObject({ option, message: expect.stringMatching(message) });
  });
});

test('the first pause is not longer than a short maximum', () => {
  expect(settings({ streams: { maxBackoffMs: 20 } }).streams).toMatchObject({ initialBackoffMs: 20, maxBackoffMs: 20 });
});

describe('the option apiPrefix', () => {
  test.each(['v3', '/v3/', '/', '', '/v3?x', '//v3', '/a b', '/v3\r\nx', '/v3/../admin', '/./v3', 7])('cannot be %p', (apiPrefix) => {
    expect(refused({ apiPrefix }).option).toBe('apiPrefix');
  });

  test.each(['/v3', '/v3beta', '/proxy/etcd-1/v3'])('can be %s', (apiPrefix) => {
    expect(settings({ apiPrefix }).apiPrefix).toBe(apiPrefix);
  });
});
