import { expect, test } from '@jest/globals';
import { EtcdError } from '../../../../src/errors/index.js';
import { connectionError } from '../../../../src/node/connectionError.js';
import { expectSilentAbout } from '../support.js';

const where = { rpc: 'KV.Put', endpoint: 'http://a:1' };
const coded = (code: string, message = 'it broke'): Error => Object.assign(new Error(message), { code });

test.each([
  ['ECONNREFUSED', 'the connection was refused'],
  ['ENOTFOUND', 'its host name is not known'],
  ['UND_ERR_CONNECT_TIMEOUT', 'connecting timed out'],
])('%s before anything was sent is Unreachable, in words', (code, words) => {
  const cause = coded(code);
  const error = connectionError(cause, false, where);
  expect(error).toMatchObject({ reason: 'Unreachable', ...where, cause });
  expect(error.message).toBe(`no connection: ${words} (KV.Put at http://a:1)`);
});

test.each([
  ['ECONNRESET', 'the connection was reset'],
  ['UND_ERR_SOCKET', 'the connection was closed by the other side'],
  ['EPIPE', 'the connection was closed'],
])('%s after it was sent is ConnectionLost, in words', (code, words) => {
  expect(connectionError(coded(code), true, where)).toMatchObject({
    reason: 'ConnectionLost',
    message: `no answer: ${words} (KV.Put at http://a:1)`,
  });
});

test('of several addresses that failed the first tells', () => {
  const cause = new AggregateError([coded('ECONNREFUSED'), coded('ENETUNREACH')]);
  expect(connectionError(cause, false, where)).toMatchObject({ reason: 'Unreachable', message: expect.stringContaining('refused') });
});

test('a code that has no words here is shown with its message', () => {
  const error = connectionError(coded('EADDRNOTAVAIL', 'no address'), false, where);
  expect(error.message).toContain('no connection: no address (EADDRNOTAVAIL)');
});

test.each<[unknown]>([['text'], [undefined], [null], [7]])('what is thrown as %p is an error all the same', (thrown) => {
  expect(connectionError(thrown, true, where)).toMatchObject({ reason: 'ConnectionLost', ...where });
});

test('an answer that is not HTTP is not quoted, though undici does', () => {
  const cause = Object.assign(new Error('Response does not match the HTTP/1.1 protocol'), { name: 'HTTPParserError', data: 'hunter2' });
  const error = connectionError(cause, true, where);
  expect(error).toMatchObject({ reason: 'MalformedResponse', ...where });
  expectSilentAbout(error, 'hunter2');
});

test('the one error of a closed client becomes one for each call', () => {
  const closed = new EtcdError('ClientClosed', 'the client is closed');
  expect(connectionError(closed, true, where)).toMatchObject({
    reason: 'ClientClosed',
    message: 'the client is closed (KV.Put at http://a:1)',
    ...where,
  });
});
