import { expect, test } from '@jest/globals';
import { EMPTY, of, throwError, type Observable } from 'rxjs';
import { commitTxn, type TxnTarget } from '../../operators/index.js';
import { AmbiguousWriteError, EtcdError } from '../../src/errors/index.js';
import { get, key, put, txn, type TxnSpec } from '../../src/model/op.js';
import { FakeKv } from '../support/fakes/fakeKv.js';
import { logger, virtually } from './support.js';

/** Answers every txn with this stream. */
const answering = (answer: Observable<unknown>): TxnTarget => ({ txn: () => answer }) as unknown as TxnTarget;

test('a txn a value, each when the one before was answered', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    const source = cold('-12-|');
    expectObservable(source.pipe(commitTxn(answering(answer), (value) => ({ success: [put(value, '')] })))).toBe('----a--(a|)');
    expectSubscriptions(answer.subscriptions).toBe(['-^--!', '----^--!']);
  });
});

test('build gets the value and its number, and values are txns without it', () => {
  const kv = new FakeKv();
  of('a', 'b')
    .pipe(commitTxn(kv, (value, index) => ({ success: [put(value, String(index))] })))
    .subscribe();
  of(txn({ success: [put('c', '2')] }))
    .pipe(commitTxn(kv))
    .subscribe();
  expect([kv.value('a'), kv.value('b'), kv.value('c')]).toEqual(['0', '1', '2']);
});

test('conditions that do not hold are no error', () => {
  const seen: boolean[] = [];
  of('a')
    .pipe(commitTxn(new FakeKv(), (name) => ({ compare: [key(name).version.equals(1)], failure: [get(name)] })))
    .subscribe(({ succeeded }) => seen.push(succeeded));
  expect(seen).toEqual([false]);
});

test('an error ends it, and the values that wait are not looked at', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const unknown = new AmbiguousWriteError(new EtcdError('ConnectionLost', 'lost'));
    const answer = cold('---#', {}, unknown);
    const source = cold('-12---');
    expectObservable(source.pipe(commitTxn(answering(answer), () => ({})))).toBe('----#', undefined, unknown);
    expectSubscriptions(answer.subscriptions).toBe('-^--!');
    expectSubscriptions(source.subscriptions).toBe('^---!');
  });
});

test('a build that throws ends it with that', () => {
  const boom = new Error('boom');
  let error: unknown;
  of(1)
    .pipe(
      commitTxn(answering(EMPTY), (): TxnSpec => {
        throw boom;
      }),
    )
    .subscribe({ error: (thrown: unknown) => (error = thrown) });
  expect(error).toBe(boom);
});

test('unsubscribing aborts the txn under way', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    expectObservable(cold('-1---').pipe(commitTxn(answering(answer), () => ({}))), '^--!').toBe('---');
    expectSubscriptions(answer.subscriptions).toBe('-^-!');
  });
});

test('each subscriber commits its own', () => {
  const kv = new FakeKv();
  const commits = of('a').pipe(commitTxn(kv, (value, index) => ({ success: [put(value, String(index))] })));
  commits.subscribe();
  commits.subscribe();
  expect(kv.asked).toHaveLength(2);
  expect(kv.value('a')).toBe('0');
});

test('an error of the source is passed on', () => {
  virtually(({ expectObservable }) => {
    expectObservable(throwError(() => 'boom').pipe(commitTxn(answering(EMPTY)))).toBe('#', undefined, 'boom');
  });
});

test('the example', () => {
  const etcd = { kv: new FakeKv() };
  const visits$ = of('ann', 'bob');
  const console = logger();

  visits$
    .pipe(
      commitTxn(etcd.kv, (name: string) => ({
        compare: [key('first').missing()],
        success: [put('first', name)],
        failure: [put(`after/${name}`, ''), get('first')],
      })),
    )
    .subscribe((result) => {
      console.log(result.succeeded ? 'the first' : `after ${result.responses[1]?.value}`);
    });

  expect(console.lines).toEqual(['the first', 'after ann']);
});
