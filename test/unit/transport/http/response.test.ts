import { describe, expect, test } from '@jest/globals';
import { kvRpcs } from '../../../../src/codec/kv.js';
import { messageOf, SERVER_REASONS, codeOf, type EtcdError } from '../../../../src/errors/index.js';
import { parseResponse, decode, parseStreamMessage } from '../../../../src/transport/json/jsonWire.js';
import { errorInResponse } from '../../../../src/transport/json/responseError.js';
import { retryAction } from '../../../../src/transport/retryPolicy.js';
import { expectSilentAbout, failure } from '../support.js';

const where = { rpc: 'KV.Put', endpoint: 'http://a:1' };
const errorOf = (status: number, body: unknown) =>
  errorInResponse({ status, body: typeof body === 'string' ? body : JSON.stringify(body) }, where);

const TEXT = 'etcdserver: requested lease not found';

/** Responses of gateways v1 of several versions, and v2. */
const SHAPES: [string, (message: string, code: number) => unknown][] = [
  ['{error, code}', (error, code) => ({ error, code })],
  ['{error, message, code}', (error, code) => ({ error, message: error, code })],
  ['{code, message}', (message, code) => ({ code, message })],
  ['{code, message, details}', (message, code) => ({ code, message, details: [] })],
];

describe.each(SHAPES)('an error of the shape %s', (_, shape) => {
  test('is recognised', () => {
    expect(errorOf(404, shape(TEXT, 5))).toMatchObject({
      reason: 'LeaseNotFound',
      code: 'NotFound',
      rpc: 'KV.Put',
      endpoint: 'http://a:1',
    });
  });

  test('is recognised by its message first: the lock service wraps all errors in code 2', () => {
    expect(errorOf(500, shape(TEXT, 2))).toMatchObject({ reason: 'LeaseNotFound', code: 'NotFound' });
    expect(errorOf(500, shape(`rpc error: code = NotFound desc = ${TEXT}`, 2))).toMatchObject({ reason: 'LeaseNotFound' });
  });

  test('keeps text and code that are not in the table', () => {
    expect(errorOf(400, shape('etcdserver: something new', 9))).toMatchObject({
      reason: 'Unknown',
      code: 'FailedPrecondition',
      message: 'etcdserver: something new (KV.Put at http://a:1)',
    });
    expect(errorOf(503, shape('all SubConns are in TransientFailure', 14))).toMatchObject({ reason: 'Unknown', code: 'Unavailable' });
  });

  test('of gRPC about a large message depends on the limit: 4 MiB is that of a gateway for responses', () => {
    const tooLarge = (limit: number): EtcdError => errorOf(429, shape(`grpc: received message larger than max (6000176 vs. ${limit})`, 8));
    expect(tooLarge(4_194_304)).toMatchObject({ reason: 'ResponseTooLarge', code: 'ResourceExhausted' });
    expect(tooLarge(2_097_152)).toMatchObject({ reason: 'RequestTooLarge', code: 'InvalidArgument' });
  });

  test('of a call that the gateway cut off at its deadline is DeadlineExceeded, and of another call only Unknown', () => {
    const cutOff = 'stream terminated by RST_STREAM with error code: CANCEL';
    expect(errorOf(504, shape(cutOff, 4))).toMatchObject({ reason: 'DeadlineExceeded', code: 'DeadlineExceeded' });
    expect(errorOf(499, shape(cutOff, 1))).toMatchObject({ reason: 'Unknown', code: 'Canceled' });
  });

  test('in the response to an unknown path is UnknownMethod', () => {
    expect(errorOf(404, shape('Not Found', 5))).toMatchObject({ reason: 'UnknownMethod' });
    expect(errorOf(501, shape('unknown service etcdserverpb.Lock', 12))).toMatchObject({ reason: 'UnknownMethod' });
    expect(errorOf(405, shape('Method Not Allowed', 12))).toMatchObject({ reason: 'UnknownMethod' });
  });

  test.each(SERVER_REASONS)('gives %s its reason and code', (reason) => {
    expect(errorOf(500, shape(`etcdserver: ${messageOf(reason)}`, 2))).toMatchObject({ reason, code: codeOf(reason) });
  });
});

describe('a body that is not an error of etcd', () => {
  test.each([404])('with status %d is UnknownMethod', (status) => {
    for (const body of ['Not Found\n', '', '<html>nginx</html>', '404 page not found'])
      expect(errorOf(status, body)).toMatchObject({ reason: 'UnknownMethod' });
  });

  test.each([502, 503, 504])('with status %d comes from a proxy that cannot reach the server now', (status) => {
    expect(errorOf(status, '<html>Bad Gateway</html>')).toMatchObject({
      reason: 'Unknown',
      code: 'Unavailable',
      message: expect.stringContaining(`HTTP ${status}`),
    });
  });

  test.each([
    [200, ''],
    [204, ''],
    [500, '{"hunter2":'],
    [500, '"hunter2"'],
    [500, '["hunter2"]'],
    [500, 'null'],
    [500, '{"message":{"a":"hunter2"}}'],
    [500, '{"error":"hunter2'],
  ])('with status %d is malformed, and %j is not quoted', (status, body) => {
    const error = errorOf(status, body);
    expect(error).toMatchObject({
      reason: 'MalformedResponse',
      message: expect.stringContaining(`HTTP ${status}`),
      endpoint: 'http://a:1',
    });
    expectSilentAbout(error, 'hunter2');
  });
});

describe('a response of a proxy', () => {
  const page = (
    status: number,
    { body = '<html>hunter2</html>', location, knownEtcd }: { body?: string; location?: string; knownEtcd?: boolean },
  ) => errorInResponse({ status, body, location }, { ...where, knownEtcd });

  test.each([
    [413, 'RequestTooLarge', 'fail'],
    [429, 'TooManyRequests', 'fail'],
    [401, 'ProxyRefused', 'retryOtherEndpoint'],
    [403, 'ProxyRefused', 'retryOtherEndpoint'],
    [400, 'ProxyRefused', 'retryOtherEndpoint'],
    [408, 'ProxyRefused', 'retryOtherEndpoint'],
    [302, 'ProxyRefused', 'retryOtherEndpoint'],
    [308, 'ProxyRefused', 'retryOtherEndpoint'],
  ] as const)('with status %d is %s: a write was not carried out, whether etcd was reached there or not', (status, reason, expected) => {
    for (const knownEtcd of [true, false]) {
      const error = page(status, { knownEtcd });
      expect(error).toMatchObject({ reason, message: expect.stringContaining(`HTTP ${status}`) });
      expect(retryAction(error, 'write', true)).toBe(expected);
      expectSilentAbout(error, 'hunter2');
    }
  });

  test.each([500, 502, 503, 504, 520])('with status %d fails a write with AmbiguousWrite', (status) => {
    for (const knownEtcd of [true, false]) expect(retryAction(page(status, { knownEtcd }), 'write', true)).toBe('ambiguous');
  });

  test.each([200, 302, 401, 403, 500, 502, 503, 504])(
    'with status %d means that etcd is down, if it was reached there before',
    (status) => {
      const error = page(status, { knownEtcd: true });
      expect(error.code).toBe('Unavailable');
      expect(retryAction(error, 'read', true)).toBe('retry');
    },
  );

  test.each([
    ['https://b:2379/v3/kv/put', 'https://b:2379/v3/kv/put'],
    ['/login', 'http://a:1/login'],
    ['https://user:hunter2@b/x?token=hunter2#hunter2', 'https://b/x'],
  ])('that redirects to %s names the target, without secrets', (location, named) => {
    const error = page(301, { location });
    expect(error.message).toContain(`the proxy redirects to ${named}, `);
    expectSilentAbout(error, 'hunter2');
  });

  test.each([undefined, 'http://', 'not a \u0000 URL://'])('that redirects to %j reports the redirect', (location) => {
    expect(page(301, location === undefined ? {} : { location }).message).toContain('the proxy redirects');
  });

  test.each([
    [503, '{"message":"failure to get a peer from the ring-balancer"}', 'Unknown', 'ambiguous'],
    [500, '{"error":"hunter2"}', 'MalformedResponse', 'ambiguous'],
    [502, '{"code":502,"message":"hunter2"}', 'Unknown', 'ambiguous'],
    [401, '{"message":"Unauthorized"}', 'ProxyRefused', 'retryOtherEndpoint'],
    [403, '{"code":403,"message":"hunter2"}', 'ProxyRefused', 'retryOtherEndpoint'],
  ])('with status %d and other JSON, %s, is not a response of etcd', (status, body, reason, expected) => {
    const error = page(status, { body });
    expect(error).toMatchObject({ reason, message: expect.stringContaining(`HTTP ${status}`) });
    expect(retryAction(error, 'write', true)).toBe(expected);
    expectSilentAbout(error, 'hunter2', 'ring-balancer');
  });
});

test('the plain text of a gateway that accepts no common name is a rejection, also of a write', () => {
  const body = 'CommonName of client sending a request against gateway will be ignored and not used as expected\n';
  const error = errorOf(400, body);
  expect(error).toMatchObject({ reason: 'CommonNameRefused', code: 'FailedPrecondition', endpoint: 'http://a:1' });
  expect(retryAction(error, 'write', true)).toBe('fail');
});

describe('a unary response', () => {
  const readAnswer = (status: number, body: string) => decode(kvRpcs.put.response, parseResponse({ status, body }, where), where);
  const read = (status: number, body: string): unknown => failure(() => readAnswer(status, body));

  test('is decoded by the codec', () => {
    const header = { cluster_id: '1', member_id: '2', revision: '3', raft_term: '4' };
    expect(readAnswer(200, JSON.stringify({ header }))).toMatchObject({ header: { revision: 3 } });
  });

  test.each([
    ['no JSON', 'hunter2'],
    ['a page of a proxy', '<html>hunter2</html>'],
    ['JSON cut in half', '{"header":{"revision":"hunter2'],
    ['a field of another type', '{"header":{"revision":"hunter2"}}'],
    ['a list', '["hunter2"]'],
    ['null', 'null'],
    ['nothing', ''],
  ])('that is %s with status 200 is malformed, and not quoted', (_, body) => {
    const error = read(200, body);
    expect(error).toMatchObject({ reason: 'MalformedResponse', rpc: 'KV.Put', endpoint: 'http://a:1' });
    expectSilentAbout(error, 'hunter2');
  });

  test.each<[unknown]>([[{}], [{ secret: 'hunter2' }], [{ grpc_code: 5 }], [{ message: { text: 'hunter2' } }], [['hunter2']], [true], [5]])(
    'with the error %j and status 200 is a failure, and not quoted',
    (error) => {
      const given = read(200, JSON.stringify({ header: { revision: '3' }, error }));
      expect(given).toMatchObject({ reason: 'MalformedResponse', rpc: 'KV.Put', endpoint: 'http://a:1' });
      expectSilentAbout(given, 'hunter2');
      expect(retryAction(given as EtcdError, 'write', true)).toBe('ambiguous');
    },
  );

  test('with the error null is a success', () => {
    expect(readAnswer(200, JSON.stringify({ header: { revision: '3' }, error: null }))).toMatchObject({ header: { revision: 3 } });
  });

  test.each(SHAPES)('with an error of the shape %s fails with that error, also with status 200', (_, shape) => {
    expect(read(200, JSON.stringify(shape(TEXT, 5)))).toMatchObject({ reason: 'LeaseNotFound' });
  });
});

describe('a message of a stream', () => {
  const read = (json: unknown): unknown => failure(() => parseStreamMessage(kvRpcs.put.response, json, where));

  test.each([
    ['gateway v1', { error: { grpc_code: 5, http_code: 404, message: TEXT, http_status: 'Not Found' } }],
    ['gateway v1 with another code', { error: { grpc_code: 2, http_code: 500, message: TEXT } }],
    ['gateway v2', { error: { code: 5, message: TEXT, details: [] } }],
    ['a unary error in a stream', { error: TEXT, message: TEXT, code: 5 }],
    ['an error beside a result', { result: {}, error: { code: 5, message: TEXT } }],
  ])('of %s with an error fails with that error', (_, json) => {
    expect(read(json)).toMatchObject({ reason: 'LeaseNotFound', rpc: 'KV.Put', endpoint: 'http://a:1' });
  });

  test.each<[unknown]>([
    [{ result: {}, error: {} }],
    [{ result: {}, error: ['hunter2'] }],
    [{}],
    [{ result: null }],
    [{ result: 7 }],
    [[]],
    ['hunter2'],
    [null],
    [7],
    [{ error: null }],
    [{ error: { message: 7 } }],
  ])('%j is malformed', (json) => {
    const error = read(json);
    expect(error).toMatchObject({ reason: 'MalformedResponse' });
    expectSilentAbout(error, 'hunter2');
  });
});
