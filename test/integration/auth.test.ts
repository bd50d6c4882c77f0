import { describe, expect, test } from '@jest/globals';
import { defer, first, skip } from 'rxjs';
import { toText, type Client } from 'rxetcd';
import { withEtcd } from './support/fixture.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });
const root = { username: 'root', password: 'secret of root' };
const ann = { username: 'ann', password: 'secret of ann' };
/** The bcrypt hash of `hashed` (as from `openssl passwd`), in the base64 that the API takes. */
const bcryptHash = Buffer.from('$2b$04$pDNeOfqsG6tEPvqUwWe92u4qM7tF7oJ5wR2F3ykb0m5sNP1nJcmj6').toString('base64');

const permissionsOf = async (etcd: Client, role: string) =>
  (await only(etcd.auth.roleGet(role))).perm.map(({ permType, key, rangeEnd }) => [permType, toText(key), toText(rangeEnd)]);

/** The tests of this file depend on their order: users and roles, auth on, auth off. */
describe('users and roles, while auth is off', () => {
  test('roles are added, listed and removed', async () => {
    const { auth } = fixture.etcd;
    for (const role of ['root', 'app', 'brief']) await only(auth.roleAdd(role));
    expect((await only(auth.roleList())).roles).toEqual(['app', 'brief', 'root']);
    await failureWith('RoleAlreadyExist', auth.roleAdd('app'));
    await only(auth.roleDelete('brief'));
    await failureWith('RoleNotFound', auth.roleDelete('brief'));
    await failureWith('RoleNotFound', auth.roleGet('brief'));
    expect((await only(auth.roleList())).roles).toEqual(['app', 'root']);
  });

  test('permissions are granted and revoked, on keys and ranges of each form', async () => {
    const { auth } = fixture.etcd;
    await only(auth.roleGrantPermission('app', 'READWRITE', { prefix: 'app/' }));
    await only(auth.roleGrantPermission('app', 'READ', 'one'));
    await only(auth.roleGrantPermission('app', 'WRITE', { from: 'x', to: 'y' }));
    await only(auth.roleGrantPermission('app', 'READ', { from: 'z' }));
    const granted = [
      ['READWRITE', 'app/', 'app0'],
      ['READ', 'one', ''],
      ['WRITE', 'x', 'y'],
      ['READ', 'z', '\0'],
    ];
    expect(await permissionsOf(fixture.etcd, 'app')).toEqual(granted);
    await only(auth.roleRevokePermission('app', { from: 'z' }));
    await only(auth.roleRevokePermission('app', { from: 'x', to: 'y' }));
    await only(auth.roleRevokePermission('app', 'one'));
    expect(await permissionsOf(fixture.etcd, 'app')).toEqual(granted.slice(0, 1));
    await failureWith('PermissionNotGranted', auth.roleRevokePermission('app', { prefix: 'other/' }));
    await failureWith('RoleNotFound', auth.roleGrantPermission('nobody', 'READ', 'a'));
  });

  test('users are added, listed, granted roles, and removed', async () => {
    const { auth } = fixture.etcd;
    await only(auth.userAdd('root', { password: root.password }));
    await only(auth.userAdd('ann', { password: 'to be changed' }));
    await only(auth.userAdd('bob', { password: 'x' }));
    expect((await only(auth.userList())).users).toEqual(['ann', 'bob', 'root']);
    await failureWith('UserAlreadyExist', auth.userAdd('ann', { password: 'x' }));

    await only(auth.userGrantRole('root', 'root'));
    await only(auth.userGrantRole('ann', 'app'));
    await only(auth.userGrantRole('bob', 'app'));
    expect((await only(auth.userGet('ann'))).roles).toEqual(['app']);
    await only(auth.userRevokeRole('bob', 'app'));
    expect((await only(auth.userGet('bob'))).roles).toEqual([]);
    await failureWith('RoleNotGranted', auth.userRevokeRole('bob', 'app'));
    await failureWith('RoleNotFound', auth.userGrantRole('bob', 'nobody'));
    await failureWith('UserNotFound', auth.userGrantRole('nobody', 'app'));

    await only(auth.userDelete('bob'));
    await failureWith('UserNotFound', auth.userGet('bob'));
    await only(auth.userChangePassword('ann', { password: ann.password }));
    await failureWith('UserNotFound', auth.userChangePassword('bob', { password: 'x' }));
  });

  test('a user may have no password (3.4), or the hash of one (3.5)', async () => {
    const { auth } = fixture.etcd;
    const nameless = auth.userAdd('certified', { noPassword: true });
    const hashed = auth.userAdd('hashed', { hashedPassword: bcryptHash });
    const rehashed = auth.userChangePassword('ann', { hashedPassword: bcryptHash });
    if (fixture.has('3.4')) await only(nameless);
    else expect(await failureWith('UnsupportedServerVersion', nameless)).toMatchObject({ required: '3.4' });
    if (fixture.has('3.5')) {
      await only(hashed);
      await only(auth.userChangePassword('hashed', { hashedPassword: bcryptHash }));
    } else {
      expect(await failureWith('UnsupportedServerVersion', hashed)).toMatchObject({ required: '3.5' });
      expect(await failureWith('UnsupportedServerVersion', rehashed)).toMatchObject({ required: '3.5' });
    }
    const expected = ['ann', ...(fixture.has('3.4') ? ['certified'] : []), ...(fixture.has('3.5') ? ['hashed'] : []), 'root'];
    expect((await only(auth.userList())).users).toEqual(expected);
  });

  test('status reports that auth is off (3.5), and a client with credentials works without a token', async () => {
    if (fixture.has('3.5'))
      expect(await only(fixture.etcd.auth.status())).toMatchObject({ enabled: false, authRevision: expect.any(Number) });
    else
      expect(await failureWith('UnsupportedServerVersion', fixture.etcd.auth.status())).toMatchObject({
        required: '3.5',
        rpc: 'Auth.AuthStatus',
      });
    await only(fixture.client({ auth: root }).kv.put('app/a', 'before'));
    await failureWith('AuthNotEnabled', fixture.etcd.auth.authenticate('root', root.password));
  });
});

describe('a cluster while auth is on', () => {
  test('enable turns auth on, also for clients with credentials that were created before', async () => {
    const before = fixture.client({ auth: root });
    await only(before.kv.put('app/a', 'before'));
    await only(fixture.etcd.auth.enable());
    await only(before.kv.put('app/a', 'after'));
    if (fixture.has('3.5')) expect((await only(before.auth.status())).enabled).toBe(true);
    await failureWith('UserEmpty', fixture.etcd.kv.get('app/a'));
  });

  test('a password for a user without one is rejected as a wrong password is (3.4)', async () => {
    if (fixture.has('3.4')) await failureWith('AuthFailed', fixture.etcd.auth.authenticate('certified', 'x'));
  });

  test('authenticate returns a token, which another client can use', async () => {
    const { token } = await only(fixture.etcd.auth.authenticate('ann', ann.password));
    expect(token).not.toBe('');
    expect((await only(fixture.client({ auth: { token } }).kv.get('app/a')))?.value).toBe('after');
    expect((await only(fixture.client({ auth: { token: () => token } }).kv.get('app/a')))?.value).toBe('after');
  });

  test('a user may do what its roles permit, and nothing else', async () => {
    const { kv, auth } = fixture.client({ auth: ann });
    await only(kv.put('app/b', 'by ann'));
    expect((await only(kv.get('app/b')))?.value).toBe('by ann');
    for (const refused of [
      kv.put('other', 'x'),
      kv.get('other'),
      kv.range({ all: true }),
      kv.delete('other'),
      auth.userAdd('eve', { password: 'x' }),
    ]) {
      expect(await failureWith('PermissionDenied', refused)).toMatchObject({ code: 'PermissionDenied' });
    }
  });

  test('ranges that are followed together need permission for the keys between them, which the error names', async () => {
    const { auth, kv } = fixture.client({ auth: root });
    await only(auth.roleAdd('parts'));
    for (const prefix of ['p/', 'r/']) await only(auth.roleGrantPermission('parts', 'READ', { prefix }));
    await only(auth.userAdd('cat', { password: 'x' }));
    await only(auth.userGrantRole('cat', 'parts'));
    const cat = fixture.client({ auth: { username: 'cat', password: 'x' } });
    const parts = { a: { prefix: 'p/' }, b: { prefix: 'r/' } };
    const error = await failureWith('PermissionDenied', cat.combineLive(parts).pipe(skip(1)));
    expect(error.message).toContain(
      'the user has no permission to read all keys from "p/" up to "r0"; grant read permission on these keys to one of the roles of the user',
    );
    expect(error).toMatchObject({ rpc: 'Watch.Watch' });

    await only(auth.roleGrantPermission('parts', 'READ', { from: 'p/', to: 'r0' }));
    const { revision } = (await only(kv.put('r/1', 'x'))).header;
    const { value } = await only(cat.combineLive(parts).pipe(first((update) => update.revision >= revision)));
    expect(value.b.get('r/1')?.value).toBe('x');
    await only(auth.userDelete('cat'));
    await only(auth.roleDelete('parts'));
  });

  test('a wrong password fails with a reason, and the error does not contain it', async () => {
    const error = await failureWith('AuthFailed', fixture.client({ auth: { ...ann, password: 'a wrong one' } }).kv.get('app/a'));
    expect(error).toMatchObject({ code: 'InvalidArgument', rpc: 'Auth.Authenticate' });
    expect(JSON.stringify(error) + error.message + String(error.stack)).not.toContain('a wrong one');
    await failureWith('AuthFailed', fixture.client({ auth: { ...ann, username: 'nobody' } }).kv.get('app/a'));
  });

  test('an invalid token is rejected', async () => {
    expect(await failureWith('InvalidAuthToken', fixture.client({ auth: { token: 'bogus' } }).kv.get('app/a'))).toMatchObject({
      code: 'Unauthenticated',
    });
  });

  test('streams send the token as well', async () => {
    const { lease, maintenance } = fixture.client({ auth: root });
    const { id } = await only(lease.grant(60));
    expect((await only(lease.keepAliveOnce(id))).ttl).toBe(60);
    await only(lease.revoke(id));
    expect((await failureOf(fixture.client({ auth: ann }).maintenance.snapshot())).message).toContain('permission denied');
    expect((await only(maintenance.status())).version).toBe(fixture.server.version);
  });

  test('a client is derived for another user, and closing it leaves the first one open', async () => {
    const client = fixture.client({ auth: root });
    const derived = client.withAuth(ann);
    await only(client.kv.put('secret', 'of root'));
    await failureWith('PermissionDenied', derived.kv.get('secret'));
    await only(derived.kv.put('app/derived', 'ann'));
    await failureWith('UserEmpty', client.withAuth(undefined).kv.get('app/derived'));
    const watched: string[] = [];
    let ended = false;
    derived.watch('app/derived').subscribe({ next: ({ kv }) => watched.push(kv.value), complete: () => (ended = true) });
    await only(derived.kv.put('app/derived', 'seen'));
    await waitForValue(
      () => watched,
      ({ length }) => length === 1,
    );
    await derived.close();
    expect([watched, ended]).toEqual([['seen'], true]);
    await failureWith('ClientClosed', derived.kv.get('app/derived'));
    expect((await only(client.kv.get('app/derived')))?.value).toBe('seen');

    const other = client.withAuth(ann);
    await client.close();
    await failureWith('ClientClosed', other.kv.get('app/derived'));
  });

  test('a cache of a derived client is read with the rights of its user, and with a new token after the old one', async () => {
    const client = fixture.client({ auth: root });
    const derived = client.withAuth(ann);
    await only(client.kv.put('app/cached', 'one'));
    await failureWith('PermissionDenied', derived.cache({ all: true }));
    const held = await derived.promises.cache({ prefix: 'app/' });
    const { value: cache } = held;
    expect((await cache.get('app/cached'))?.value).toBe('one');
    await failureWith(
      'InvalidArgument',
      defer(() => cache.get('secret')),
    );
    // A change of a user makes all tokens invalid.
    await only(client.auth.userAdd('passing', { password: 'x' }));
    await only(client.kv.put('app/cached', 'two'));
    expect((await cache.get('app/cached'))?.value).toBe('two');
    await only(client.auth.userDelete('passing'));
    await held.release();
    await derived.close();
  });

  test('a derived client rejects invalid credentials', () => {
    expect(() => fixture.etcd.withAuth({ username: '', password: 'x' })).toThrow(expect.objectContaining({ option: 'auth.username' }));
  });

  test('root cannot lose its permissions', async () => {
    const { auth } = fixture.client({ auth: root });
    await failureWith('InvalidAuthMgmt', auth.userDelete('root'));
    await failureWith('InvalidAuthMgmt', auth.userRevokeRole('root', 'root'));
    await failureWith('InvalidAuthMgmt', auth.roleDelete('root'));
  });

  test('disable turns auth off again', async () => {
    await only(fixture.client({ auth: root }).auth.disable());
    expect((await only(fixture.etcd.kv.get('app/b')))?.value).toBe('by ann');
  });
});
