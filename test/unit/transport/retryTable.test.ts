import { describe, expect, test } from '@jest/globals';
import { EtcdError, SERVER_REASONS, type Reason } from '../../../src/errors/index.js';
import { retryAction, type RetryAction } from '../../../src/transport/retryPolicy.js';

type Verdicts = [read: RetryAction, write: RetryAction];

/**
 * All failures except plain error responses of the server. The guarantee that a write is sent at most once is this
 * table.
 */
const EXPECTED: Partial<Record<Reason, Verdicts>> = {
  Unreachable: ['retry', 'retry'],
  StaleRead: ['retryNewerMember', 'fail'],
  InvalidAuthToken: ['reauthenticate', 'reauthenticate'],
  AuthOldRevision: ['reauthenticate', 'reauthenticate'],
  UserEmpty: ['reauthenticate', 'reauthenticate'],
  UnsupportedServerVersion: ['reprobeVersion', 'reprobeVersion'],
  UnknownMethod: ['reprobeVersion', 'reprobeVersion'],
  ConnectionLost: ['retry', 'ambiguous'],
  NoLeader: ['retry', 'ambiguous'],
  LeaderChanged: ['retry', 'ambiguous'],
  ProposalDropped: ['retry', 'retry'],
  Stopped: ['retry', 'ambiguous'],
  Timeout: ['retry', 'ambiguous'],
  TimeoutDueToLeaderFail: ['retry', 'ambiguous'],
  TimeoutDueToConnectionLost: ['retry', 'ambiguous'],
  TimeoutWaitAppliedIndex: ['retry', 'ambiguous'],
  Unhealthy: ['fail', 'fail'],
  ClusterVersionUnavailable: ['retry', 'ambiguous'],
  ResponseTooLarge: ['fail', 'ambiguous'],
  DeadlineExceeded: ['fail', 'ambiguous'],
  Canceled: ['fail', 'ambiguous'],
  WatchCanceled: ['retry', 'ambiguous'],
  Corrupt: ['fail', 'fail'],
  MalformedResponse: ['fail', 'ambiguous'],
  ProxyRefused: ['retry', 'retryOtherEndpoint'],
  Aborted: ['fail', 'ambiguous'],
  ClientClosed: ['fail', 'ambiguous'],
};
/**
 * The actions for calls that were not sent, if they differ from those of a read: the server did not return an error.
 */
const UNSENT: Partial<Record<Reason, RetryAction>> = { MalformedResponse: 'retryOtherEndpoint' };
const OWN: readonly Reason[] = [
  'ProxyRefused',
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

  test('decides about a sent call by the table', () => {
    expect([retryAction(error, 'read', true), retryAction(error, 'write', true)]).toEqual([read, write]);
  });

  test('is harmless for a write that was never sent', () => {
    expect(retryAction(error, 'write', false)).toBe(UNSENT[reason] ?? read);
  });
});

test.each<[EtcdError['code'], RetryAction, RetryAction]>([
  ['Unavailable', 'retry', 'ambiguous'],
  ['DeadlineExceeded', 'fail', 'ambiguous'],
  ['Canceled', 'retry', 'ambiguous'],
  ['Internal', 'fail', 'ambiguous'],
  ['DataLoss', 'fail', 'ambiguous'],
  ['Aborted', 'fail', 'ambiguous'],
  ['InvalidArgument', 'fail', 'fail'],
  ['FailedPrecondition', 'fail', 'fail'],
  ['PermissionDenied', 'fail', 'fail'],
  ['Unknown', 'fail', 'fail'],
])('a server error that is not in the table is classified by its code: %s', (code, read, write) => {
  const error = new EtcdError('Unknown', 'something new', { code });
  expect([retryAction(error, 'read', true), retryAction(error, 'write', true)]).toEqual([read, write]);
});
