import { expect, test } from '@jest/globals';
import { concat, concatMap, defer, NEVER, of, tap, throwError } from 'rxjs';
import { commitTxn, guardedBy, withLock } from '../../operators/index.js';
import { FENCED } from '../../operators/internal/fencedTxn.js';
import { hasReason } from '../../src/errors/index.js';
import { get, key, put, txn, type TxnSpec } from '../../src/model/op.js';
import { MemoryKv } from '../support/memory/memoryKv.js';
import { logger, runInVirtualTime } from './support.js';

const guard = key('lock/1').createRevision.equals(2);

/** A store with a lock that is owned. */
function ownedStore(): MemoryKv {
  const kv = new MemoryKv();
  kv.server.put('lock/1', '');
  return kv;
}

test('wraps the txn in one whose only compare is the guard', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const spec: TxnSpec = { compare: [key('a').missing()], success: [put('a', '1')], failure: [get('a')] };
    const fenced = { [FENCED]: true, compare: [guard], success: [txn(spec)], failure: [] };
    expectObservable(cold('-s-|', { s: spec }).pipe(guardedBy(guard))).toBe('-f-|', { f: fenced });
    expectObservable(cold('-s-#', { s: spec }).pipe(guardedBy({ guard }))).toBe('-f-#', { f: fenced });
  });
});

test('combines several guards', () => {
  const other = key('b').exists();
  let seen: TxnSpec | undefined;
  of(txn({ success: [get('a')] }))
    .pipe(guardedBy(guard), guardedBy(other))
    .subscribe((spec) => (seen = spec));
  expect(seen?.compare).toEqual([other, guard]);
  expect(seen?.success).toEqual([txn({ success: [get('a')] })]);
});

test('emits the result of the txn while the guard holds, whichever branch ran', () => {
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

test('fails with LockLost once the guard no longer holds, and runs neither branch', () => {
  const kv = ownedStore();
  kv.server.delete('lock/1');
  let error: unknown;
  of(txn({ compare: [key('a').exists()], success: [put('a', '1')], failure: [put('b', '1')] }))
    .pipe(guardedBy(guard), commitTxn(kv))
    .subscribe({ error: (thrown: unknown) => (error = thrown) });
  expect(hasReason(error, 'LockLost')).toBe(true);
  expect(kv.server.range({ all: true }).kvs).toEqual([]);
});

test('emits succeeded: true if the guard holds, without commitTxn', () => {
  const kv = ownedStore();
  const seen: unknown[] = [];
  const commit = of(txn({ compare: [key('a').version.equals(1)], success: [get('a')] })).pipe(
    guardedBy(guard),
    concatMap((spec) => kv.txn(spec)),
  );
  const report = (): void => void commit.subscribe(({ succeeded, responses }) => seen.push([succeeded, responses[0]?.succeeded]));
  report();
  kv.server.delete('lock/1');
  report();
  expect(seen).toEqual([
    [true, false],
    [false, undefined],
  ]);
});

test('passes on errors of the source', () => {
  runInVirtualTime(({ expectObservable }) => {
    expectObservable(throwError(() => 'boom').pipe(guardedBy(guard))).toBe('#', undefined, 'boom');
  });
});

test('the example', () => {
  const kv = new MemoryKv();
  const etcd = {
    kv,
    lock: () =>
      defer(() => {
        kv.server.put('jobs/1', '');
        return concat(of({ guard: key('jobs/1').createRevision.equals(kv.server.get('jobs/1')?.modRevision ?? 0) }), NEVER);
      }),
  };
  const jobs$ = of('a', 'b');
  const console = logger();

  jobs$
    .pipe(
      withLock(etcd.lock(), (job, ownership) =>
        of(txn({ success: [put(`done/${job}`, 'yes')] })).pipe(
          tap(() => {
            if (job === 'b') kv.server.delete('jobs/1');
          }),
          guardedBy(ownership),
          commitTxn(etcd.kv),
          tap(() => kv.server.delete('jobs/1')),
        ),
      ),
    )
    .subscribe({
      next: ({ header }) => console.log('done at', header.revision),
      error: (error: Error) => console.log(error.message),
    });

  expect(console.lines).toEqual(['done at 3', 'the txn was not carried out: its guard is no longer true']);
});
