import { beforeAll, describe, expect, test } from '@jest/globals';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hasReason, key, leaseId, memberId, put, type EtcdError, type GrpcCode, type Reason } from 'rxetcd';
import { EMPTY, mergeMap, type Observable } from 'rxjs';
import { withEtcd, type Fixture } from './support/fixture.js';
import { failureOf, failureWith, only } from './support/outcomes.js';

/*
 * Every error of etcd's table that a test can cause with one server; those that need a cluster are in
 * clusterErrors.test.ts. These are not caused, for the given reasons:
 * - InvalidClientAPIVersion, InvalidSortOption: newer servers than these give them, to what rxetcd never sends.
 * - MemberExist: a new member's id is a hash of its URLs and the time.
 * - ClusterIDMismatch, NotCapable: sent to peers, and by a server that has just started.
 * - TooManyRequests: takes 5 000 requests that are agreed upon but not carried out yet.
 * - TimeoutDueToLeaderFail, TimeoutDueToConnectionLost, TimeoutWaitAppliedIndex: take an election, a network that fails, or a disk that
 *   stalls, at just the right moment within one call.
 * - Stopped: a gateway that is stopped closes the connection before the response of the server behind it comes.
 * - ClusterVersionUnavailable: sent while a cluster downgrades before it has agreed on a version.
 * - WatchCanceled, Canceled: sent to a client that has unsubscribed.
 */
interface Row {
  readonly reason: Reason;
  readonly code: GrpcCode;
  readonly provoke: () => Observable<unknown> | Promise<Observable<unknown>>;
  /** The first version that returns the error. */
  readonly since?: string;
  /** The error texts of older versions. */
  readonly before?: Reason;
  /** The first version that supports the call. */
  readonly until?: string;
}

const plain = withEtcd({ own: true });
const small = withEtcd({ own: true, args: ['--quota-backend-bytes', '200000'] });

const keys = mkdtempSync(join(tmpdir(), 'rxetcd-jwt-'));
const secured = withEtcd({ own: true, args: ['--auth-token', jwtOption()] });

/** These tokens contain the revision of the users for which they are valid, so that an old one can be sent later. */
function jwtOption(): string {
  const pair = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  });
  writeFileSync(join(keys, 'public.pem'), pair.publicKey);
  writeFileSync(join(keys, 'private.pem'), pair.privateKey);
  return `jwt,pub-key=${join(keys, 'public.pem')},priv-key=${join(keys, 'private.pem')},sign-method=RS256`;
}

const root = { username: 'root', password: 'r' };
beforeAll(async () => {
  const { auth } = secured.etcd;
  await only(auth.roleAdd('root'));
  for (const name of ['root', 'ann']) await only(auth.userAdd(name, { password: 'r' }));
  await only(auth.userGrantRole('root', 'root'));
  await only(auth.enable());
  rmSync(keys, { recursive: true });
});

/** Returns the error of a server, without the error for the unknown outcome of a write. */
const causeOf = (error: EtcdError): EtcdError => (hasReason(error, 'AmbiguousWrite') ? error.cause : error);

function provokes(fixture: Fixture, rows: readonly Row[]): void {
  test.each(rows)('$reason, $code', async ({ reason, code, provoke, since = '3.2', before = 'Unknown', until }) => {
    if (until !== undefined && fixture.has(until)) return void (await only(await provoke()));
    const error = causeOf(await failureOf(await provoke()));
    const expected = fixture.has(since) ? reason : before;
    expect([error.reason, error.message]).toEqual([expected, expect.any(String)]);
    if (expected === reason) expect(error.code).toBe(code);
    expect(error.endpoint).toBe(fixture.server.endpoint);
    expect(error.rpc).toMatch(/^\w+\.\w+$|^POST /);
  });
}

const kv = () => plain.etcd.kv;
const lease = () => plain.etcd.lease;
const auth = () => plain.etcd.auth;
const call = (path: string, body: Parameters<typeof plain.etcd.call>[1]) => plain.etcd.call(path, body, { safety: 'read' });
const nobody = leaseId(999_999);
const INVALID = { code: 'InvalidArgument' } as const;
const RANGE = { code: 'OutOfRange' } as const;
const STATE = { code: 'FailedPrecondition' } as const;

describe('messages above the limits of gRPC', () => {
  test('a request that the server does not even read is RequestTooLarge, as is one that it reads', async () => {
    expect(await failureWith('RequestTooLarge', kv().put('larger', new Uint8Array(3_000_000)))).toMatchObject(INVALID);
  });

  test('a response too large for an old gateway is ResponseTooLarge for a read, and AmbiguousWrite for a write that was carried out', async () => {
    for (const name of ['a', 'b', 'c', 'd', 'e']) await only(kv().put(`answer/${name}`, new Uint8Array(1_000_000)));
    const all = { prefix: 'answer/' };
    if (plain.has('3.4.17')) {
      expect((await only(kv().range(all))).kvs).toHaveLength(5);
      expect((await only(kv().delete(all, { prevKv: true }))).prevKvs).toHaveLength(5);
    } else {
      expect(await failureWith('ResponseTooLarge', kv().range(all))).toMatchObject({ code: 'ResourceExhausted', rpc: 'KV.Range' });
      expect(await failureWith('AmbiguousWrite', kv().delete(all, { prevKv: true }))).toMatchObject({
        cause: { reason: 'ResponseTooLarge' },
      });
    }
    expect((await only(kv().range(all))).count).toBe(0);
  });
});

describe('a separate server', () => {
  provokes(plain, [
    { reason: 'EmptyKey', ...INVALID, provoke: () => kv().put('', 'x') },
    { reason: 'KeyNotFound', ...INVALID, provoke: () => kv().put('none', '', { ignoreValue: true }) },
    { reason: 'ValueProvided', ...INVALID, provoke: () => kv().put('none', 'x', { ignoreValue: true }) },
    { reason: 'LeaseProvided', ...INVALID, provoke: () => kv().put('none', 'x', { ignoreLease: true, lease: nobody }) },
    {
      reason: 'TooManyOps',
      ...INVALID,
      provoke: () => kv().txn({ success: Array.from({ length: 129 }, (_, index) => put(String(index), '')) }),
    },
    {
      reason: 'DuplicateKey',
      ...INVALID,
      provoke: () => kv().txn({ compare: [key('a').missing()], success: [put('a', '1'), put('a', '2')] }),
    },
    { reason: 'RequestTooLarge', ...INVALID, provoke: () => kv().put('large', new Uint8Array(2_000_000)) },
    { reason: 'UserEmpty', ...INVALID, provoke: () => auth().userAdd('', { password: 'x' }) },
    { reason: 'MemberBadURLs', ...INVALID, provoke: () => plain.etcd.cluster.memberAdd(['not a URL']) },
    {
      reason: 'WrongDowngradeVersionFormat',
      ...INVALID,
      since: '3.5',
      before: 'UnsupportedServerVersion',
      provoke: () => plain.etcd.maintenance.downgrade('VALIDATE', 'old'),
    },
    {
      reason: 'InvalidDowngradeTargetVersion',
      ...INVALID,
      since: '3.5',
      before: 'UnsupportedServerVersion',
      provoke: () => plain.etcd.maintenance.downgrade('VALIDATE', '3.0.0'),
    },
    { reason: 'FutureRev', ...RANGE, provoke: () => kv().get('a', { revision: 1_000_000 }) },
    { reason: 'LeaseTTLTooLarge', ...RANGE, provoke: () => lease().grant(9_000_000_001) },
    {
      reason: 'Compacted',
      ...RANGE,
      provoke: () =>
        kv()
          .put('a', '1')
          .pipe(
            mergeMap(({ header: { revision } }) =>
              kv()
                .compact(revision)
                .pipe(mergeMap(() => kv().get('a', { revision: revision - 1 }))),
            ),
          ),
    },
    { reason: 'LeaseNotFound', code: 'NotFound', provoke: () => kv().put('a', '1', { lease: nobody }) },
    {
      reason: 'LeaseExist',
      ...STATE,
      provoke: () =>
        lease()
          .grant(60, { id: leaseId(77) })
          .pipe(
            mergeMap(() => lease().grant(60, { id: leaseId(77) })),
            mergeMap(() => EMPTY),
          ),
    },
    { reason: 'MemberNotFound', code: 'NotFound', provoke: () => plain.etcd.cluster.memberRemove(memberId(42)) },
    { reason: 'AuthNotEnabled', ...STATE, provoke: () => auth().authenticate('root', 'x') },
    { reason: 'RootUserNotExist', ...STATE, provoke: () => auth().enable() },
    {
      reason: 'RootRoleNotExist',
      ...STATE,
      provoke: () =>
        auth()
          .userAdd('root', { password: 'x' })
          .pipe(mergeMap(() => auth().enable())),
    },
    { reason: 'UserNotFound', ...STATE, provoke: () => auth().userGet('nobody') },
    { reason: 'UserAlreadyExist', ...STATE, provoke: () => auth().userAdd('root', { password: 'x' }) },
    { reason: 'RoleNotFound', ...STATE, provoke: () => auth().roleGet('nobody') },
    {
      reason: 'RoleAlreadyExist',
      ...STATE,
      provoke: () =>
        auth()
          .roleAdd('r')
          .pipe(
            mergeMap(() => auth().roleAdd('r')),
            mergeMap(() => EMPTY),
          ),
    },
    { reason: 'RoleNotGranted', ...STATE, provoke: () => auth().userRevokeRole('root', 'r') },
    { reason: 'PermissionNotGranted', ...STATE, provoke: () => auth().roleRevokePermission('r', 'a') },
    {
      reason: 'NoInflightDowngrade',
      ...STATE,
      since: '3.5',
      before: 'UnsupportedServerVersion',
      until: '3.6',
      provoke: () => plain.etcd.maintenance.downgrade('CANCEL', ''),
    },
    { reason: 'ElectionNoLeader', code: 'Unknown', provoke: () => plain.etcd.electionService.leader('nobody runs') },
    {
      reason: 'ElectionNotLeader',
      code: 'Unknown',
      provoke: () =>
        plain.etcd.electionService
          .campaign('e', 'x')
          .pipe(
            mergeMap(({ leader }) =>
              plain.etcd.electionService.resign(leader).pipe(mergeMap(() => plain.etcd.electionService.proclaim(leader, 'y'))),
            ),
          ),
    },
    { reason: 'LeaderFieldRequired', code: 'Unknown', provoke: () => call('/election/proclaim', { value: btoa('x') }) },
    {
      reason: 'DeadlineExceeded',
      code: 'DeadlineExceeded',
      provoke: () => {
        const hasty = plain.client({ headers: { 'grpc-timeout': '200m' } });
        return plain.etcd.lockService.lock('busy').pipe(mergeMap(() => hasty.lockService.lock('busy')));
      },
    },
    {
      reason: 'Corrupt',
      code: 'DataLoss',
      provoke: () => plain.etcd.maintenance.alarmActivate({ alarm: 'CORRUPT' }).pipe(mergeMap(() => kv().put('a', 'x'))),
    },
  ]);
});

describe('requests that crash older servers, and that no service of rxetcd sends', () => {
  test.each([
    ['RoleEmpty', '3.4', '/auth/role/add', { name: '' }],
    ['PermissionNotGiven', '3.5', '/auth/role/grant', { name: 'r' }],
  ] as const)('%s, InvalidArgument (etcd %s and newer)', async (reason, since, path, body) => {
    if (plain.has(since))
      expect(await failureWith(reason, call(path, body))).toMatchObject({ code: 'InvalidArgument', rpc: `POST ${path}` });
    else expect((await only(plain.etcd.version())).etcdserver).toBe(plain.server.version);
  });

  test('a role without a name is rejected before anything is sent', async () => {
    expect(await failureWith('InvalidArgument', auth().roleAdd(''))).toMatchObject({ rpc: 'Auth.RoleAdd', endpoint: undefined });
  });
});

describe('a server with authentication', () => {
  const clientOf = (username: string) => secured.client({ auth: { ...root, username } });
  provokes(secured, [
    { reason: 'UserEmpty', ...INVALID, provoke: () => secured.etcd.kv.get('a') },
    { reason: 'AuthFailed', ...INVALID, provoke: () => secured.etcd.auth.authenticate('root', 'wrong') },
    { reason: 'InvalidAuthToken', code: 'Unauthenticated', provoke: () => secured.client({ auth: { token: 'bogus' } }).kv.get('a') },
    { reason: 'PermissionDenied', code: 'PermissionDenied', provoke: () => clientOf('ann').kv.get('a') },
    { reason: 'InvalidAuthMgmt', ...INVALID, provoke: () => clientOf('root').auth.userDelete('root') },
    {
      reason: 'AuthOldRevision',
      ...INVALID,
      provoke: async () => {
        const { token } = await only(secured.etcd.auth.authenticate('root', root.password));
        await only(clientOf('root').auth.roleAdd('another'));
        return secured.client({ auth: { token } }).kv.get('a');
      },
    },
  ]);
});

describe('a server with little disk space', () => {
  test('NoSpace, ResourceExhausted', async () => {
    let error: EtcdError | undefined;
    for (let index = 0; error === undefined && index < 50; index++) {
      error = await failureOf(small.etcd.kv.put(`fill/${index}`, new Uint8Array(100_000)).pipe(mergeMap(() => EMPTY))).catch(
        () => undefined,
      );
    }
    expect(error).toMatchObject({ reason: 'NoSpace', code: 'ResourceExhausted', rpc: 'KV.Put' });
    expect((await only(small.etcd.maintenance.alarms())).alarms).toMatchObject([{ alarm: 'NOSPACE' }]);
    await failureWith('NoSpace', small.etcd.kv.put('more', 'x'));
  });
});
