import { describe, expect, test } from '@jest/globals';
import { get, key, put, txn, type KeyValue } from 'rxetcd';
import { commitTxn, compareAndSet, guardedBy, putTo, whileLeader, withLease, withLock } from 'rxetcd/operators';
import { concat, defer, finalize, firstValueFrom, from, ignoreElements, map, merge, NEVER, of, switchMap, tap, timer, toArray } from 'rxjs';
import { withEtcd } from './support/fixture.js';
import { all, failureWith, only } from './support/outcomes.js';
import { waitForValue } from '../support/waitFor.js';

const fixture = withEtcd({ own: true });

test('withLease keeps a key while it is subscribed, and writes it again after its lease was revoked', async () => {
  const { kv, lease } = fixture.etcd;
  const me = (): Promise<KeyValue | undefined> => only(kv.get('services/me'));
  const errors: unknown[] = [];
  const announced = lease({ ttl: 3, onLost: 'regrant' })
    .pipe(withLease(({ id }) => of('10.0.0.1').pipe(putTo(kv, 'services/me', { lease: id }))))
    .subscribe({ error: (error: unknown) => errors.push(error) });
  const first = await waitForValue(me, (found) => found !== undefined);
  await only(lease.revoke(first!.lease!));
  const second = await waitForValue(me, (found) => found !== undefined && found.lease !== first!.lease);
  expect(second?.value).toBe('10.0.0.1');
  announced.unsubscribe();
  await waitForValue(me, (found) => found === undefined);
  expect(errors).toEqual([]);
});

describe('withLock', () => {
  test('runs the jobs of two clients one at a time', async () => {
    let running = 0;
    let most = 0;
    const work = defer(() => {
      most = Math.max(most, ++running);
      return concat(timer(20).pipe(ignoreElements()), of('done')).pipe(finalize(() => running--));
    });
    const sides = [fixture.client(), fixture.client()].map((etcd) => from([1, 2, 3]).pipe(withLock(etcd.lock('jobs/one'), () => work)));
    expect(await firstValueFrom(merge(...sides).pipe(toArray()))).toHaveLength(6);
    expect(most).toBe(1);
  });

  test('stops the job when its key is deleted', async () => {
    const { kv, lock } = fixture.etcd;
    let running = 0;
    const job = of('job').pipe(
      withLock(lock('jobs/lost'), (_, ownership) => {
        running++;
        return merge(kv.delete(ownership.key), NEVER).pipe(finalize(() => running--));
      }),
      ignoreElements(),
    );
    await failureWith('LockLost', job);
    expect(running).toBe(0);
  });
});

describe('guardedBy', () => {
  test('commits a txn of the owner, whichever branch runs', async () => {
    const { kv, lock } = fixture.etcd;
    const create = txn({ compare: [key('fenced/a').missing()], success: [put('fenced/a', '1')], failure: [get('fenced/a')] });
    const results = of(create, create).pipe(
      withLock(lock('jobs/fenced'), (spec, ownership) => of(spec).pipe(guardedBy(ownership), commitTxn(kv))),
    );
    const [first, second] = await all(results);
    expect(first?.succeeded).toBe(true);
    expect(second?.succeeded === false ? second.responses[0]?.value : undefined).toBe('1');
  });

  test('runs neither branch after the lock is lost, and fails with LockLost', async () => {
    const { kv, lock } = fixture.etcd;
    const ownership = await firstValueFrom(lock('jobs/gone'));
    await waitForValue(
      () => only(kv.exists(ownership.key)),
      (found) => !found,
    );
    const late = of(txn({ compare: [key('gone/a').missing()], success: [put('gone/a', '1')], failure: [put('gone/b', '1')] })).pipe(
      guardedBy(ownership),
    );
    await failureWith('LockLost', late.pipe(commitTxn(kv)));
    expect(await only(kv.count({ prefix: 'gone/' }))).toBe(0);
    const raw = await only(late.pipe(switchMap((spec) => kv.txn(spec))));
    expect(raw).toMatchObject({ succeeded: false, responses: [] });
  });
});

test('whileLeader runs the work while it leads, and stops it when it resigns', async () => {
  const seen: unknown[] = [];
  const work = fixture.etcd
    .election('operators')
    .campaign('me')
    .pipe(
      whileLeader((leadership) =>
        merge(
          of('leads'),
          NEVER,
          timer(50).pipe(
            switchMap(() => leadership.resign()),
            ignoreElements(),
          ),
        ).pipe(finalize(() => seen.push('stopped'))),
      ),
      tap((value) => seen.push(value)),
    );
  await all(work);
  expect(seen).toEqual(['leads', 'stopped']);
});

test('compareAndSet writes if the value is as expected, and emits the current value otherwise', async () => {
  const { kv } = fixture.etcd;
  const set = kv.get('cas').pipe(
    map((found) => ({ key: 'cas', expected: found, value: `${found?.value ?? ''}x` })),
    compareAndSet(kv),
  );
  expect((await only(set)).succeeded).toBe(true);
  const second = await only(set);
  const found = await only(kv.get('cas'));
  expect(found?.value).toBe('xx');
  expect(second.succeeded ? second.modRevision : 0).toBe(found?.modRevision);

  const stale = await only(of({ key: 'cas', expected: { value: 'x' }, value: 'y' }).pipe(compareAndSet(kv)));
  expect(stale.succeeded ? undefined : stale.current).toMatchObject({ key: 'cas', value: 'xx' });
  const absent = await only(of({ key: 'cas', expected: undefined, value: 'y' }).pipe(compareAndSet(kv)));
  expect(absent.succeeded).toBe(false);
});
