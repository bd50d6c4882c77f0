import { describe, expect, test } from '@jest/globals';
import { AmbiguousWriteError, EtcdError, httpStatusOf, SERVER_REASONS, type Reason } from '../../../src/errors/index.js';

describe('httpStatusOf', () => {
  test.each<[Reason, number]>([
    ['InvalidArgument', 400],
    ['InvalidAuthToken', 401],
    ['PermissionDenied', 403],
    ['LeaseNotFound', 404],
    ['UserNotFound', 404],
    ['Conflict', 409],
    ['LeaseExist', 409],
    ['Compacted', 410],
    ['RequestTooLarge', 413],
    ['Locked', 423],
    ['TooManyRequests', 429],
    ['TooManyPending', 503],
    ['RetriesExhausted', 503],
    ['Aborted', 499],
    ['InvalidOption', 500],
    ['Unknown', 500],
    ['UnsupportedServerVersion', 501],
    ['MalformedResponse', 502],
    ['Unreachable', 503],
    ['LockLost', 503],
    ['ClientClosed', 503],
    ['DeadlineExceeded', 504],
    ['NoSpace', 507],
  ])('%s is %i', (reason, status) => {
    expect(httpStatusOf(new EtcdError(reason, ''))).toBe(status);
  });

  test('a write whose outcome is unknown is 500, which no proxy retries', () => {
    expect(httpStatusOf(new AmbiguousWriteError(new EtcdError('ConnectionLost', '')))).toBe(500);
  });

  test('an error that is not in the table has the status of its gRPC code', () => {
    expect(httpStatusOf(new EtcdError('Unknown', 'etcdserver: new words', { code: 'ResourceExhausted' }))).toBe(429);
  });

  test.each([[new Error('x')], [undefined], ['text'], [{ reason: 'Compacted' }]])('%p, which is no error of rxetcd, is 500', (error) => {
    expect(httpStatusOf(error)).toBe(500);
  });

  test('every reason of a server has a status of an error', () => {
    const others = SERVER_REASONS.filter((reason) => httpStatusOf(new EtcdError(reason, '')) < 400);
    expect(others).toEqual([]);
  });
});
