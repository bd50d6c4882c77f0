import { expect, test } from '@jest/globals';
import { EtcdError } from '../../../../src/errors/index.js';
import { connectionError } from '../../../../src/node/connectionError.js';
import { expectSilentAbout } from '../support.js';

const where = { rpc: 'KV.Put', endpoint: 'http://a:1' };
const coded = (code: string, message = 'it broke'): Error => Object.assign(new Error(message), { code });

test.each([
  ['ECONNREFUSED', 'the connection was refused'],
  ['ENOTFOUND', 'the host name is not known'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connecting timed out'],
])('%s before anything was sent is Unreachable, with a description', (code, words) => {
  const cause = coded(code);
  const error = connectionError(cause, false, where);
  expect(error).toMatchObject({ reason: 'Unreachable', ...where, cause });
  expect(error.message).toBe(`no connection: ${words} (KV.Put at http://a:1)`);
});

test.each([
  ['ECONNRESET', 'the connection was reset'],
  ['UND_ERR_SOCKET', 'the connection was closed by the other side'],
  ['EPIPE', 'the connection was closed'],
])('%s after it was sent is ConnectionLost, with a description', (code, words) => {
  expect(connectionError(coded(code), true, where)).toMatchObject({
    reason: 'ConnectionLost',
    message: `no response: ${words} (KV.Put at http://a:1)`,
  });
});

test('the error of the first of several failed addresses is reported', () => {
  const cause = new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]);
  expect(connectionError(cause, false, where)).toMatchObject({ reason: 'Unreachable', message: expect.stringContaining('refused') });
});

test('an unknown error code is reported with its message', () => {
  const error = connectionError(coded('EADDRNOTAVAIL', 'no address'), false, where);
  expect(error.message).toContain('no connection: no address (EADDRNOTAVAIL)');
});

test.each<[unknown]>([['text'], [undefined], [null], [7]])('a thrown %p is converted to an error', (thrown) => {
  expect(connectionError(thrown, true, where)).toMatchObject({ reason: 'ConnectionLost', ...where });
});

test('a response that is not HTTP is not quoted, although undici does', () => {
  const cause = Object.assign(new Error('Response does not match the HTTP/1.1 protocol'), { name: 'HTTPParserError', data: 'hunter2' });
  const error = connectionError(cause, true, where);
  expect(error).toMatchObject({ reason: 'MalformedResponse', ...where });
  expectSilentAbout(error, 'hunter2');
});

test('the shared error of a closed client is copied for each call', () => {
  const closed = new EtcdError('ClientClosed', 'the client is closed');
  expect(connectionError(closed, true, where)).toMatchObject({
    reason: 'ClientClosed',
    message: 'the client is closed (KV.Put at http://a:1)',
    ...where,
  });
});
