import { describe, expect, test } from '@jest/globals';
import { kvRpcs } from '../../../../src/codec/kv.js';
import { messageOf, SERVER_REASONS, codeOf, type EtcdError } from '../../../../src/errors/index.js';
import { answerIn, decode, readStreamMessage } from '../../../../src/transport/answers.js';
import { errorInResponse } from '../../../../src/transport/json/response.js';
import { verdict } from '../../../../src/transport/retry.js';
import { expectSilentAbout, failure } from '../support.js';

const where = { rpc: 'KV.Put', endpoint: 'http://a:1' };
const errorOf = (status: number, body: unknown) =>
  errorInResponse({ status, body: typeof body === 'string' ? body : JSON.stringify(body) }, where);

const TEXT = 'etcdserver: requested lease not found';

/** Of gateways v1 of several ages, and v2. */
const SHAPES: [string, (message: string, code: number) => unknown][] = [
  ['{error, code}', (error, code) => ({ error, code })],
  ['{error, message, code}', (error, code) => ({ error, message: error, code })],
  ['{code, message}', (message, code) => ({ code, message })],
  ['{code, message, details}', (message, code) => ({ code, message, details: [] })],
];

describe.each(SHAPES)('the shape %s', (_, shape) => {
  test('is read', () => {
    expect(errorOf(404, shape(TEXT, 5))).toMatchObject({
      reason: 'LeaseNotFound',
      code: 'NotFound',
      rpc: 'KV.Put',
      endpoint: 'http://a:1',
    });
  });

  test('is read by its message first: the lock service wraps all in code 2', () => {
    expect(errorOf(500, shape(TEXT, 2))).toMatchObject({ reason: 'LeaseNotFound', code: 'NotFound' });
    expect(errorOf(500, shape(`rpc error: code = NotFound desc = ${TEXT}`, 2))).toMatchObject({ reason: 'LeaseNotFound' });
  });

  test('keeps text and code of what the table does not know', () => {
    expect(errorOf(400, shape('etcdserver: something new', 9))).toMatchObject({
      reason: 'Unknown',
      code: 'FailedPrecondition',
      message: 'etcdserver: something new (KV.Put at http://a:1)',
    });
    expect(errorOf(503, shape('all SubConns are in TransientFailure', 14))).toMatchObject({ reason: 'Unknown', code: 'Unavailable' });
  });

  test('of gRPC about a message above a limit is told by the limit: 4 MiB is that of a gateway on answers', () => {
    const tooLarge = (limit: number): EtcdError => errorOf(429, shape(`grpc: received message larger than max (6000176 vs. ${limit})`, 8));
    expect(tooLarge(4_194_304)).toMatchObject({ reason: 'ResponseTooLarge', code: 'ResourceExhausted' });
    expect(tooLarge(2_097_152)).toMatchObject({ reason: 'RequestTooLarge', code: 'InvalidArgument' });
  });

  test('in answer to a path that the server does not have is UnknownMethod', () => {
    expect(errorOf(404, shape('Not Found', 5))).toMatchObject({ reason: 'UnknownMethod' });
    expect(errorOf(501, shape('unknown service etcdserverpb.Lock', 12))).toMatchObject({ reason: 'UnknownMethod' });
    expect(errorOf(405, shape('Method Not Allowed', 12))).toMatchObject({ reason: 'UnknownMethod' });
  });

  test.each(SERVER_REASONS)('gives %s its reason and code', (reason) => {
    expect(errorOf(500, shape(`etcdserver: ${messageOf(reason)}`, 2))).toMatchObject({ reason, code: codeOf(reason) });
  });
});

describe('a body that is not an error of etcd', () => {
  test.each([404])('with status %d is a path that the server does not know', (status) => {
    for (const body of ['Not Found\n', '', '<html>nginx</html>', '404 page not found'])
      expect(errorOf(status, body)).toMatchObject({ reason: 'UnknownMethod' });
  });

  test.each([502, 503, 504])('with status %d is a proxy that cannot reach the server now', (status) => {
    expect(errorOf(status, '<html>Bad Gateway</html>')).toMatchObject({
      reason: 'Unknown',
      code: 'Unavailable',
      message: expect.stringContaining(`HTTP ${status}`),
    });
  });

  test.each([
    [200, ''],
    [204, ''],
    [302, '<a href="https://login?token=hunter2">'],
    [401, '<html>hunter2</html>'],
    [400, 'hunter2'],
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

test('the plain text of a gateway that takes no common name is a refusal, also of a write', () => {
  const body = 'CommonName of client sending a request against gateway will be ignored and not used as expected\n';
  const error = errorOf(400, body);
  expect(error).toMatchObject({ reason: 'CommonNameRefused', code: 'FailedPrecondition', endpoint: 'http://a:1' });
  expect(verdict(error, 'write', true)).toBe('fail');
});

describe('a unary answer', () => {
  const readAnswer = (status: number, body: string) => decode(kvRpcs.put.response, answerIn({ status, body }, where), where);
  const read = (status: number, body: string): unknown => failure(() => readAnswer(status, body));

  test('is what the codec makes of it', () => {
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

  test.each(SHAPES)('that is an error of the shape %s is that error, with status 200 too', (_, shape) => {
    expect(read(200, JSON.stringify(shape(TEXT, 5)))).toMatchObject({ reason: 'LeaseNotFound' });
  });
});

describe('a message of a stream', () => {
  const read = (json: unknown): unknown => failure(() => readStreamMessage(kvRpcs.put.response, json, where));

  test.each([
    ['gateway v1', { error: { grpc_code: 5, http_code: 404, message: TEXT, http_status: 'Not Found' } }],
    ['gateway v1 with another code', { error: { grpc_code: 2, http_code: 500, message: TEXT } }],
    ['gateway v2', { error: { code: 5, message: TEXT, details: [] } }],
    ['a unary error in a stream', { error: TEXT, message: TEXT, code: 5 }],
  ])('of %s with an error in it is that error', (_, json) => {
    expect(read(json)).toMatchObject({ reason: 'LeaseNotFound', rpc: 'KV.Put', endpoint: 'http://a:1' });
  });

  test.each<[unknown]>([
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
