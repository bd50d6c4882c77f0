import { describe, expect, test } from '@jest/globals';
import { EtcdError, SERVER_REASONS, type Reason } from '../../../src/errors/index.js';
import { verdict, type Verdict } from '../../../src/transport/retry.js';

type Verdicts = [read: Verdict, write: Verdict];

/** All that is not just the server's answer. The promise that a write is sent at most once is this table. */
const EXPECTED: Partial<Record<Reason, Verdicts>> = {
  Unreachable: ['again', 'again'],
  StaleRead: ['behind', 'fail'],
  InvalidAuthToken: ['reauthenticate', 'reauthenticate'],
  AuthOldRevision: ['reauthenticate', 'reauthenticate'],
  UserEmpty: ['reauthenticate', 'reauthenticate'],
  UnsupportedServerVersion: ['rediscover', 'rediscover'],
  UnknownMethod: ['rediscover', 'rediscover'],
  ConnectionLost: ['again', 'ambiguous'],
  NoLeader: ['again', 'ambiguous'],
  LeaderChanged: ['again', 'ambiguous'],
  Stopped: ['again', 'ambiguous'],
  Timeout: ['again', 'ambiguous'],
  TimeoutDueToLeaderFail: ['again', 'ambiguous'],
  TimeoutDueToConnectionLost: ['again', 'ambiguous'],
  TimeoutWaitAppliedIndex: ['again', 'ambiguous'],
  Unhealthy: ['fail', 'fail'],
  ClusterVersionUnavailable: ['again', 'ambiguous'],
  ResponseTooLarge: ['fail', 'ambiguous'],
  DeadlineExceeded: ['fail', 'ambiguous'],
  Canceled: ['fail', 'ambiguous'],
  WatchCanceled: ['again', 'ambiguous'],
  Corrupt: ['fail', 'fail'],
  MalformedResponse: ['fail', 'ambiguous'],
  Aborted: ['fail', 'ambiguous'],
  ClientClosed: ['fail', 'ambiguous'],
};
const OWN: readonly Reason[] = [
  'InvalidArgument',
  'TokenUnavailable',
  'StaleRead',
  'Unreachable',
  'ConnectionLost',
  'UnsupportedServerVersion',
  'UnknownMethod',
  'MalformedResponse',
  'ClientClosed',
  'Aborted',
  'Unknown',
];

describe.each([...SERVER_REASONS, ...OWN])('%s', (reason) => {
  const [read, write] = EXPECTED[reason] ?? ['fail', 'fail'];
  const error = new EtcdError(reason, 'it failed');

  test('decides on what was sent by the table', () => {
    expect([verdict(error, 'read', true), verdict(error, 'write', true)]).toEqual([read, write]);
  });

  test('is harmless for a write that was never sent', () => {
    expect(verdict(error, 'write', false)).toBe(read);
  });
});

test.each<[EtcdError['code'], Verdict, Verdict]>([
  ['Unavailable', 'again', 'ambiguous'],
  ['DeadlineExceeded', 'fail', 'ambiguous'],
  ['Canceled', 'again', 'ambiguous'],
  ['Internal', 'fail', 'ambiguous'],
  ['DataLoss', 'fail', 'ambiguous'],
  ['Aborted', 'fail', 'ambiguous'],
  ['InvalidArgument', 'fail', 'fail'],
  ['FailedPrecondition', 'fail', 'fail'],
  ['PermissionDenied', 'fail', 'fail'],
  ['Unknown', 'fail', 'fail'],
])('an error of the server that the table does not know is judged by its code: %s', (code, read, write) => {
  const error = new EtcdError('Unknown', 'something new', { code });
  expect([verdict(error, 'read', true), verdict(error, 'write', true)]).toEqual([read, write]);
});
