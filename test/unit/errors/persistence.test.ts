import { describe, expect, test } from '@jest/globals';
import { isTransientError } from '../../../operators/index.js';
import { AmbiguousWriteError, EtcdError, persistenceOf, type Persistence } from '../../../src/errors/index.js';
import { isRetryable, isTransient } from '../../../src/watch/retryable.js';

const CASES: readonly (readonly [string, EtcdError, Persistence])[] = [
  ['a lost connection', new EtcdError('ConnectionLost', ''), 'temporary'],
  ['a cluster without a leader', new EtcdError('NoLeader', ''), 'temporary'],
  ['a server that is behind', new EtcdError('TooManyRequests', ''), 'temporary'],
  ['too many waiting calls', new EtcdError('TooManyPending', ''), 'temporary'],
  ['a page in place of a known etcd', new EtcdError('MalformedResponse', '', { code: 'Unavailable' }), 'temporary'],
  ['a deadline', new EtcdError('DeadlineExceeded', ''), 'interrupted'],
  ['a canceled watch', new EtcdError('WatchCanceled', ''), 'interrupted'],
  ['an unknown message with code Internal', new EtcdError('Unknown', '', { code: 'Internal' }), 'interrupted'],
  ['an ambiguous write', new AmbiguousWriteError(new EtcdError('ConnectionLost', '')), 'interrupted'],
  ['a refused token', new EtcdError('InvalidAuthToken', ''), 'unclear'],
  ['a response that is not etcd', new EtcdError('MalformedResponse', ''), 'unclear'],
  ['a refusal', new EtcdError('PermissionDenied', ''), 'permanent'],
  ['an unknown message with code Unknown', new EtcdError('Unknown', ''), 'permanent'],
];

describe('the persistence of a failure', () => {
  test.each(CASES)('%s', (_, error, expected) => {
    expect(persistenceOf(error)).toBe(expected);
  });

  test.each(CASES)('decides what watches, locks and retryBackoff retry: %s', (_, error, expected) => {
    expect([isTransientError(error), isTransient(error), isRetryable(error)]).toEqual([
      expected === 'temporary',
      expected === 'temporary' || expected === 'interrupted',
      expected !== 'permanent',
    ]);
  });
});
