import { describe, expect, test } from '@jest/globals';
import type { Range, WatchOptions } from 'rxetcd';
import { firstValueFrom } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { failureOf, failureWith, only } from './support/outcomes.js';
import { batches, seenAtLeast, shown, watching } from './support/watching.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

describe('an invalid watch', () => {
  test.each<[string, unknown]>([
    ['an empty key', ''],
    ['an empty prefix', { prefix: '' }],
    ['no range at all', undefined],
    ['an object of no known form', { prefix: 'a', from: 'b' }],
    ['an interval that ends in a zero byte', { from: 'a', to: '\0' }],
    ['an interval that ends where it begins', { from: 'a', to: 'a' }],
    ['an interval that ends before it begins', { from: 'b', to: 'a' }],
    ['one in bytes that ends before it begins', { from: Uint8Array.of(0xff, 1), to: Uint8Array.of(0xff) }],
    ['one in text that ends before it begins by its bytes, not by its characters', { from: '\u{1f600}', to: '\uffee' }],
  ])('of %s fails with InvalidArgument, and nothing is sent', async (_, which) => {
    const etcd = fixture.client();
    // A program in JavaScript can pass anything.
    for (const source of [
      etcd.watch(which as Range),
      etcd.watchBatches(which as Range),
      etcd.watchOnce(which as Range),
      etcd.live(which as Range),
    ]) {
      expect(await failureOf(source)).toMatchObject({ reason: 'InvalidArgument', code: 'InvalidArgument' });
    }
    expect(await firstValueFrom(etcd.connection$)).toEqual({ status: 'idle' });
  });

  test.each([0, -1, 1.5, NaN, Infinity, '7'])('with startRevision %p fails with InvalidArgument', async (startRevision) => {
    // A program in JavaScript can pass anything.
    const options = { startRevision } as WatchOptions;
    expect((await failureWith('InvalidArgument', fixture.etcd.watch('a', options))).message).toContain('startRevision');
  });
});

describe('a watch with auth', () => {
  const secured = withEtcd({ own: true });
  const root = { username: 'root', password: 'secret of root' };
  const ann = { username: 'ann', password: 'secret of ann' };

  test('of a range without permission fails with PermissionDenied, also as a live range; permitted ranges work', async () => {
    const { auth, kv } = secured.etcd;
    await only(kv.put('app/a', '1'));
    for (const { username, password } of [root, ann]) await only(auth.userAdd(username, { password }));
    for (const role of ['root', 'app']) await only(auth.roleAdd(role));
    await only(auth.roleGrantPermission('app', 'READWRITE', { prefix: 'app/' }));
    await only(auth.userGrantRole('root', 'root'));
    await only(auth.userGrantRole('ann', 'app'));
    await only(auth.enable());

    const etcd = secured.client({ auth: ann });
    for (const refused of [etcd.watch('b'), etcd.watch('b', { startRevision: 1 }), etcd.live('b'), etcd.watchOnce({ all: true })]) {
      expect(await failureOf(refused)).toMatchObject({ reason: 'PermissionDenied', code: 'PermissionDenied' });
    }
    const states = watching(etcd.liveState({ all: true }));
    await waitForValue(() => states.completed, Boolean);
    expect(states.values.map(({ status, error }) => [status, error?.reason])).toEqual([['loading', undefined], ['failed', 'PermissionDenied']]); // prettier-ignore

    const [watched, live] = [await batches(etcd, { prefix: 'app/' }), watching(etcd.live({ prefix: 'app/' }))];
    await seenAtLeast(live, 1);
    await only(etcd.kv.put('app/a', '2'));
    await Promise.all([watched, live].map((seen) => seenAtLeast(seen, 2)));
    expect(live.values.map(({ changes }) => changes.map(shown))).toEqual([[], ['put app/a=2 was 1']]);
  });

  test('with wrong or missing credentials fails, instead of waiting forever', async () => {
    const wrong = secured.client({ auth: { ...ann, password: 'a wrong one' } });
    await failureWith('AuthFailed', wrong.watch('app/a'));
    await failureWith('AuthFailed', wrong.live('app/a'));
    await failureWith('UserEmpty', secured.client().live('app/a'));
    await failureWith('InvalidAuthToken', secured.client({ auth: { token: 'bogus' } }).live('app/a'));
  });
});
