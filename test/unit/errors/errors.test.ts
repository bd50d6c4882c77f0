import { describe, expect, test } from '@jest/globals';
import {
  AmbiguousWriteError,
  codeOf,
  CompactedError,
  EtcdError,
  errorFrom,
  grpcCode,
  hasReason,
  InvalidOptionError,
  InvalidValueError,
  isEtcdError,
  messageOf,
  reasonOf,
  SERVER_REASONS,
  UnsupportedServerVersionError,
} from '../../../src/errors/index.js';

describe.each(SERVER_REASONS)('%s', (reason) => {
  const message = messageOf(reason);

  test.each([
    ['bare', message],
    ['with etcd’s prefix', `etcdserver: ${message}`],
    ['as gRPC writes it', `rpc error: code = Unknown desc = etcdserver: ${message}`],
    ['as gRPC writes it, without the prefix', `rpc error: code = ${codeOf(reason)} desc = ${message}`],
    ['with white space around it', ` etcdserver: ${message}\n`],
  ])('is recognised by its text %s', (_, text) => {
    expect(reasonOf(text)).toBe(reason);
  });
});

test('the text of etcd 3.3 for a token from before a change of users is recognised', () => {
  expect(reasonOf('auth: revision in header is old')).toBe('AuthOldRevision');
});

test('the gRPC text of a call that a stopping server on TLS cancels is recognised', () => {
  expect(reasonOf('rpc error: code = Unknown desc = malformed header: missing HTTP content-type')).toBe('Stopped');
  expect(reasonOf('unexpected HTTP status code received from server: 200 (OK); malformed header: missing HTTP content-type')).toBe(
    'Stopped',
  );
});

test('the text of a gateway for calls that it cancels as its server stops is recognised, bare or as gRPC writes it', () => {
  expect(reasonOf('grpc: the client connection is closing')).toBe('Stopped');
  expect(reasonOf('not a primary lessor')).toBe('LeaderChanged');
  expect(reasonOf('rpc error: code = Canceled desc = grpc: the client connection is closing')).toBe('Stopped');
  // etcd 3.4
  expect(reasonOf('OK: HTTP status code 200; transport: missing content-type field')).toBe('Stopped');
});

test('texts of raft and of the auth store are recognised without a prefix', () => {
  expect(reasonOf('raft proposal dropped')).toBe('ProposalDropped');
  expect(reasonOf('raft: stopped')).toBe('Stopped');
  expect(reasonOf('auth: authentication failed, password was given for no password user')).toBe('AuthFailed');
});

test('no two reasons have the same text', () => {
  expect(new Set(SERVER_REASONS.map(messageOf)).size).toBe(SERVER_REASONS.length);
});

test.each(['', 'etcdserver: ', 'something new', 'etcdserver: key not found, or so', 'not leader at all', 'constructor', '__proto__'])(
  'the text %j has no reason',
  (text) => {
    expect(reasonOf(text)).toBeUndefined();
  },
);

test.each([
  [0, 'OK'],
  [5, 'NotFound'],
  [14, 'Unavailable'],
  [16, 'Unauthenticated'],
  [17, 'Unknown'],
  [-1, 'Unknown'],
  [1.5, 'Unknown'],
  [NaN, 'Unknown'],
])('the gRPC number %p is %s', (number, name) => {
  expect(grpcCode(number)).toBe(name);
});

describe('an EtcdError', () => {
  test('contains the RPC and the endpoint', () => {
    expect(new EtcdError('NoLeader', 'no leader', { rpc: 'KV.Put', endpoint: 'http://a:1' }).message).toBe(
      'no leader (KV.Put at http://a:1)',
    );
    expect(new EtcdError('NoLeader', 'no leader', { rpc: 'KV.Put' }).message).toBe('no leader (KV.Put)');
    expect(new EtcdError('NoLeader', 'no leader', { endpoint: 'http://a:1' }).message).toBe('no leader (at http://a:1)');
    expect(new EtcdError('NoLeader', 'no leader').message).toBe('no leader');
  });

  test('has the code of its reason, unless the server sent another', () => {
    expect(new EtcdError('LeaseNotFound', '').code).toBe('NotFound');
    expect(new EtcdError('Unknown', '', { code: 'Internal' }).code).toBe('Internal');
  });

  test('is recognised by its brand, also from another copy of the package', () => {
    const foreign = Object.assign(new Error('x'), { reason: 'NoLeader', [Symbol.for('rxetcd.EtcdError')]: true });
    expect(isEtcdError(foreign)).toBe(true);
    expect(hasReason(foreign, 'NoLeader')).toBe(true);
    for (const other of [new Error('x'), undefined, null, 'NoLeader', { reason: 'NoLeader' }]) {
      expect(isEtcdError(other)).toBe(false);
      expect(hasReason(other, 'NoLeader')).toBe(false);
    }
  });

  test('is matched by any of several reasons', () => {
    const error: unknown = new EtcdError('FutureRev', '');
    expect(hasReason(error, 'Compacted', 'FutureRev')).toBe(true);
    expect(hasReason(error, 'Compacted')).toBe(false);
  });

  test.each([
    new CompactedError('gone', { compactRevision: 7 }),
    new AmbiguousWriteError(new EtcdError('ConnectionLost', 'cut')),
    new UnsupportedServerVersionError('KV.Put', { required: '3.4', found: '3.3.25' }),
    new InvalidOptionError('auth', 'wrong'),
    new InvalidValueError('key', ['a: expected string']),
  ])('of a subclass is an EtcdError and an Error: $reason', (error) => {
    expect(error).toBeInstanceOf(EtcdError);
    expect(error).toBeInstanceOf(Error);
    expect(isEtcdError(error)).toBe(true);
    expect(error.name).toBe(error.constructor.name);
    expect(error.name).toBe(`${error.reason}Error`);
  });

  test('keeps its reason and the fields of its subclass in JSON', () => {
    const compacted: unknown = JSON.parse(JSON.stringify(new CompactedError('gone', { compactRevision: 7, rpc: 'Watch.Watch' })));
    const shown = {
      name: 'CompactedError',
      reason: 'Compacted',
      code: 'OutOfRange',
      message: 'gone (Watch.Watch)',
      rpc: 'Watch.Watch',
      compactRevision: 7,
    };
    expect(compacted).toEqual(shown);
    const ambiguous: unknown = JSON.parse(
      JSON.stringify(new AmbiguousWriteError(new EtcdError('ConnectionLost', 'cut', { endpoint: 'http://a:1' }))),
    );
    expect(ambiguous).toMatchObject({
      reason: 'AmbiguousWrite',
      endpoint: 'http://a:1',
      cause: { reason: 'ConnectionLost', message: 'cut (at http://a:1)' },
    });
  });

  test('of a write with an unknown outcome has that reason, and keeps the cause', () => {
    const cause = new EtcdError('ConnectionLost', 'no answer', { rpc: 'KV.Put', endpoint: 'http://a:1' });
    const error = new AmbiguousWriteError(cause);
    expect(error.cause).toBe(cause);
    expect(error.message).toContain('may or may not have been carried out');
    expect(error.message).toContain('no answer (KV.Put at http://a:1)');
    expect(error).toMatchObject({ rpc: 'KV.Put', endpoint: 'http://a:1' });
  });
});

describe('errorFrom', () => {
  test('recognises each text that etcd sends, whatever its code', () => {
    expect(errorFrom('etcdserver: mvcc: required revision has been compacted', 'Unknown')).toMatchObject({
      name: 'CompactedError',
      reason: 'Compacted',
      code: 'OutOfRange',
      codeNumber: 11,
      serverMessage: 'etcdserver: mvcc: required revision has been compacted',
      status: undefined,
    });
  });

  test.each([
    [5, 'NotFound', 5],
    ['DataLoss', 'DataLoss', 15],
    [99, 'Unknown', 2],
  ] as const)('keeps an unknown text, with the code %s', (code, name, codeNumber) => {
    expect(errorFrom('of a newer server', code)).toMatchObject({ reason: 'Unknown', code: name, codeNumber, message: 'of a newer server' });
  });
});

test('no log contains bytes that could not be decoded', () => {
  const error = new EtcdError('MalformedResponse', 'not JSON', { bytes: new Uint8Array([1]) });
  expect(error.bytes).toEqual(new Uint8Array([1]));
  expect(Object.keys(error)).not.toContain('bytes');
  expect(JSON.stringify(error)).not.toContain('bytes');
  expect(new EtcdError('MalformedResponse', 'not JSON').bytes).toBeUndefined();
});

test('an ambiguous write has the status and the text of its cause', () => {
  const cause = new EtcdError('Unknown', 'HTTP 502', { status: 502, serverMessage: 'no' });
  expect(new AmbiguousWriteError(cause)).toMatchObject({ status: 502, serverMessage: 'no' });
});
