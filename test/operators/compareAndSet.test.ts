import { expect, test } from '@jest/globals';
import { concatMap, map, of, type Observable } from 'rxjs';
import { compareAndSet, type ConditionalPut, type ExpectedState, type TxnTarget } from '../../operators/index.js';
import { EtcdError } from '../../src/errors/index.js';
import { leaseId } from '../../src/model/ids.js';
import { FakeKv } from '../support/fakes/fakeKv.js';
import { logger, virtually, kv as pair } from './support.js';

const answering = (answer: Observable<unknown>): TxnTarget => ({ txn: () => answer }) as unknown as TxnTarget;

/** A store with `a`, put at revision 2. */
function store(): FakeKv {
  const kv = new FakeKv();
  kv.put('a', 'red').subscribe();
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
  expect(kv.value('a')).toBe(succeeds ? 'green' : 'red');
});

test('undefined expects that there is no such key, and revision 0 does, too', () => {
  const kv = new FakeKv();
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

test('the revision of a write is what the next one may expect', () => {
  const kv = new FakeKv();
  let modRevision = 0;
  for (const value of ['1', '2', '3']) {
    of({ key: 'a', expected: { modRevision }, value })
      .pipe(compareAndSet(kv))
      .subscribe((result) => {
        if (result.succeeded) ({ modRevision } = result);
      });
  }
  expect(kv.value('a')).toBe('3');
});

test('the change is in the result as it was given, and its lease in the put', () => {
  const kv = store();
  const change = { key: 'a', expected: { modRevision: 2 }, value: 'green', lease: leaseId(7), note: 'mine' };
  const notes: string[] = [];
  of(change)
    .pipe(compareAndSet(kv))
    .subscribe((result) => notes.push(result.change.note));
  expect(notes).toEqual(['mine']);
  expect(kv.asked[1]).toMatchObject({ success: [{ key: 'a', options: { lease: '7' } }] });
});

test('one after the other; an error ends it', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const denied = new EtcdError('PermissionDenied', 'permission denied');
    const answer = cold('---#', {}, denied);
    const change: ConditionalPut = { key: 'a', expected: undefined, value: '' };
    expectObservable(cold('-cc--', { c: change }).pipe(compareAndSet(answering(answer)))).toBe('----#', undefined, denied);
    expectSubscriptions(answer.subscriptions).toBe('-^--!');
  });
});

test('the example', () => {
  const kv = new FakeKv();
  let meddle = false;
  const etcd = {
    kv: {
      txn: kv.txn,
      get: (key: string) => kv.get(key).pipe(concatMap((found) => (meddle ? kv.put(key, 'green').pipe(map(() => found)) : of(found)))),
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
  meddle = true;
  report();

  expect(console.lines).toEqual(['written at 2', 'found green']);
});
