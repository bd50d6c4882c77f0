import { expect, test } from '@jest/globals';
import { concatMap, map, of, type Observable } from 'rxjs';
import { compareAndSet, type ConditionalPut, type ExpectedState, type TxnTarget } from '../../operators/index.js';
import { EtcdError } from '../../src/errors/index.js';
import { leaseId } from '../../src/model/ids.js';
import { MemoryKv } from '../support/memory/memoryKv.js';
import { createTestEtcd } from '../../src/testing/index.js';
import { logger, runInVirtualTime, kv as pair } from './support.js';

const answering = (answer: Observable<unknown>): TxnTarget => ({ txn: () => answer }) as unknown as TxnTarget;

/** A store with `a`, put at revision 2. */
function store(): MemoryKv {
  const kv = new MemoryKv();
  kv.server.put('a', 'red');
  return kv;
}

test.each<[string, ExpectedState, boolean]>([
  ['the same revision', { modRevision: 2 }, true],
  ['another revision', { modRevision: 1 }, false],
  ['a KeyValue that is unchanged', pair('a', 'red', 2), true],
  ['a KeyValue that has changed, be it back to the same value', pair('a', 'red', 1), false],
  ['the same value', { value: 'red' }, true],
  ['the same value in bytes', { value: new TextEncoder().encode('red') }, true],
  ['another value', { value: 'blue' }, false],
  ['no key where there is one', undefined, false],
])('%s', (_, expected, succeeds) => {
  const kv = store();
  const seen: unknown[] = [];
  of({ key: 'a', expected, value: 'green' })
    .pipe(compareAndSet(kv))
    .subscribe((result) => {
      seen.push(result.succeeded ? result.modRevision : result.current?.value);
    });
  expect(seen).toEqual([succeeds ? 3 : 'red']);
  expect(kv.server.get('a')?.value).toBe(succeeds ? 'green' : 'red');
});

test('undefined or revision 0 as the expected value means that the key does not exist', () => {
  const kv = new MemoryKv();
  const seen: unknown[] = [];
  of<ConditionalPut[]>(
    { key: 'a', expected: undefined, value: '1' },
    { key: 'b', expected: { modRevision: 0 }, value: '2' },
    { key: 'c', expected: { value: '' }, value: '3' },
  )
    .pipe(compareAndSet(kv))
    .subscribe((result) => seen.push(result.succeeded || result.current));
  expect(seen).toEqual([true, true, undefined]);
});

test('the revision of a write can be the next expected value', () => {
  const kv = new MemoryKv();
  let modRevision = 0;
  for (const value of ['1', '2', '3']) {
    of({ key: 'a', expected: { modRevision }, value })
      .pipe(compareAndSet(kv))
      .subscribe((result) => {
        if (result.succeeded) ({ modRevision } = result);
      });
  }
  expect(kv.server.get('a')?.value).toBe('3');
});

test('the result contains the change unchanged, and the put its lease', () => {
  runInVirtualTime(({ flush }) => {
    const { etcd, server } = createTestEtcd();
    const lease = leaseId(7);
    server.put('a', 'red');
    const change = { key: 'a', expected: { modRevision: 2 }, value: 'green', lease, note: 'mine' };
    const seen: unknown[] = [];
    etcd.lease
      .grant(60, { id: lease })
      .pipe(
        map(() => change),
        compareAndSet(etcd.kv),
      )
      .subscribe((result) => seen.push(result.change.note, server.leases));
    flush();
    expect(seen).toEqual(['mine', [{ id: lease, ttl: 60, keys: ['a'] }]]);
  });
});

test('writes changes one after the other, until an error', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const denied = new EtcdError('PermissionDenied', 'permission denied');
    const answer = cold('---#', {}, denied);
    const change: ConditionalPut = { key: 'a', expected: undefined, value: '' };
    expectObservable(cold('-cc--', { c: change }).pipe(compareAndSet(answering(answer)))).toBe('----#', undefined, denied);
    expectSubscriptions(answer.subscriptions).toBe('-^--!');
  });
});

test('the example', () => {
  const kv = new MemoryKv();
  let intercept = false;
  const etcd = {
    kv: {
      txn: kv.txn,
      get: (key: string) => kv.get(key).pipe(concatMap((found) => (intercept ? kv.put(key, 'green').pipe(map(() => found)) : of(found)))),
    },
  };
  const console = logger();

  const repaint = etcd.kv.get('app/color').pipe(
    map((kv) => ({ key: 'app/color', expected: kv, value: kv?.value === 'red' ? 'blue' : 'red' })),
    compareAndSet(etcd.kv),
  );
  const report = (): void =>
    void repaint.subscribe((result) => {
      console.log(result.succeeded ? `written at ${result.modRevision}` : `found ${result.current?.value}`);
    });
  report();
  intercept = true;
  report();

  expect(console.lines).toEqual(['written at 2', 'found green']);
});
