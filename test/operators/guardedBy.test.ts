import { expect, test } from '@jest/globals';
import { concat, concatMap, defer, NEVER, of, tap, throwError } from 'rxjs';
import { commitTxn, guardedBy, withLock } from '../../operators/index.js';
import { FENCED } from '../../operators/internal/fencedTxn.js';
import { hasReason } from '../../src/errors/index.js';
import { get, key, put, txn, type TxnSpec } from '../../src/model/op.js';
import { FakeKv } from '../support/fakes/fakeKv.js';
import { logger, virtually } from './support.js';

const guard = key('lock/1').createRevision.equals(2);

/** A store in which the lock is owned. */
function ownedStore(): FakeKv {
  const kv = new FakeKv();
  kv.put('lock/1', '').subscribe();
  return kv;
}

test('the txn becomes the only operation of one whose only condition is the guard', () => {
  virtually(({ cold, expectObservable }) => {
    const spec: TxnSpec = { compare: [key('a').missing()], success: [put('a', '1')], failure: [get('a')] };
    const fenced = { [FENCED]: true, compare: [guard], success: [txn(spec)], failure: [] };
    expectObservable(cold('-s-|', { s: spec }).pipe(guardedBy(guard))).toBe('-f-|', { f: fenced });
    expectObservable(cold('-s-#', { s: spec }).pipe(guardedBy({ guard }))).toBe('-f-#', { f: fenced });
  });
});

test('several guards stand side by side', () => {
  const other = key('b').exists();
  let seen: TxnSpec | undefined;
  of(txn({ success: [get('a')] }))
    .pipe(guardedBy(guard), guardedBy(other))
    .subscribe((spec) => (seen = spec));
  expect(seen?.compare).toEqual([other, guard]);
  expect(seen?.success).toEqual([txn({ success: [get('a')] })]);
});

test('while the guard holds, the result is that of the txn, whichever branch ran', () => {
  const kv = ownedStore();
  const seen: boolean[] = [];
  const create = txn({ compare: [key('a').missing()], success: [put('a', '1')], failure: [get('a')] });
  of(create, create)
    .pipe(guardedBy(guard), commitTxn(kv))
    .subscribe((result) => {
      seen.push(result.succeeded);
      if (!result.succeeded) expect(result.responses[0]?.value).toBe('1');
    });
  expect(seen).toEqual([true, false]);
});

test('once it does not, nothing is done, in neither branch, and it is LockLost', () => {
  const kv = ownedStore();
  kv.delete('lock/1');
  let error: unknown;
  of(txn({ compare: [key('a').exists()], success: [put('a', '1')], failure: [put('b', '1')] }))
    .pipe(guardedBy(guard), commitTxn(kv))
    .subscribe({ error: (thrown: unknown) => (error = thrown) });
  expect(hasReason(error, 'LockLost')).toBe(true);
  expect([...kv.keys]).toEqual([]);
});

test('committed as it is, succeeded tells whether the guard held', () => {
  const kv = ownedStore();
  const seen: unknown[] = [];
  const commit = of(txn({ compare: [key('a').version.equals(1)], success: [get('a')] })).pipe(
    guardedBy(guard),
    concatMap((spec) => kv.txn(spec)),
  );
  const report = (): void => void commit.subscribe(({ succeeded, responses }) => seen.push([succeeded, responses[0]?.succeeded]));
  report();
  kv.delete('lock/1');
  report();
  expect(seen).toEqual([
    [true, false],
    [false, undefined],
  ]);
});

test('errors of the source pass', () => {
  virtually(({ expectObservable }) => {
    expectObservable(throwError(() => 'boom').pipe(guardedBy(guard))).toBe('#', undefined, 'boom');
  });
});

test('the example', () => {
  const kv = new FakeKv();
  const etcd = {
    kv,
    lock: () =>
      defer(() => {
        kv.put('jobs/1', '').subscribe();
        return concat(of({ guard: key('jobs/1').createRevision.equals(kv.keys.get('jobs/1')?.modRevision ?? 0) }), NEVER);
      }),
  };
  const jobs$ = of('a', 'b');
  const console = logger();

  jobs$
    .pipe(
      withLock(etcd.lock(), (job, ownership) =>
        of(txn({ success: [put(`done/${job}`, 'yes')] })).pipe(
          tap(() => {
            if (job === 'b') kv.delete('jobs/1');
          }),
          guardedBy(ownership),
          commitTxn(etcd.kv),
          tap(() => kv.delete('jobs/1')),
        ),
      ),
    )
    .subscribe({
      next: ({ header }) => console.log('done at', header.revision),
      error: (error: Error) => console.log(error.message),
    });

  expect(console.lines).toEqual(['done at 3', 'the guard of a txn no longer holds: nothing was done']);
});
