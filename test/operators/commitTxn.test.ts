import { expect, test } from '@jest/globals';
import { EMPTY, of, throwError, type Observable } from 'rxjs';
import { commitTxn, type TxnTarget } from '../../operators/index.js';
import { AmbiguousWriteError, EtcdError } from '../../src/errors/index.js';
import { get, key, put, txn, type TxnSpec } from '../../src/model/op.js';
import { MemoryKv } from '../support/memory/memoryKv.js';
import { logger, runInVirtualTime } from './support.js';

/** Responds to every txn with this stream. */
const answering = (answer: Observable<unknown>): TxnTarget => ({ txn: () => answer }) as unknown as TxnTarget;

test('commits one txn for each value, after the response to the one before', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    const source = cold('-12-|');
    expectObservable(source.pipe(commitTxn(answering(answer), (value) => ({ success: [put(value, '')] })))).toBe('----a--(a|)');
    expectSubscriptions(answer.subscriptions).toBe(['-^--!', '----^--!']);
  });
});

test('calls build with the value and its index; without build, values are txns', () => {
  const kv = new MemoryKv();
  of('a', 'b')
    .pipe(commitTxn(kv, (value, index) => ({ success: [put(value, String(index))] })))
    .subscribe();
  of(txn({ success: [put('c', '2')] }))
    .pipe(commitTxn(kv))
    .subscribe();
  expect(['a', 'b', 'c'].map((name) => kv.server.get(name)?.value)).toEqual(['0', '1', '2']);
});

test('compares that do not hold are no error', () => {
  const seen: boolean[] = [];
  of('a')
    .pipe(commitTxn(new MemoryKv(), (name) => ({ compare: [key(name).version.equals(1)], failure: [get(name)] })))
    .subscribe(({ succeeded }) => seen.push(succeeded));
  expect(seen).toEqual([false]);
});

test('an error ends the stream, and pending values are not committed', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const unknown = new AmbiguousWriteError(new EtcdError('ConnectionLost', 'lost'));
    const answer = cold('---#', {}, unknown);
    const source = cold('-12---');
    expectObservable(source.pipe(commitTxn(answering(answer), () => ({})))).toBe('----#', undefined, unknown);
    expectSubscriptions(answer.subscriptions).toBe('-^--!');
    expectSubscriptions(source.subscriptions).toBe('^---!');
  });
});

test('an error thrown by build ends the stream', () => {
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

test('unsubscribing aborts the txn in progress', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    expectObservable(cold('-1---').pipe(commitTxn(answering(answer), () => ({}))), '^--!').toBe('---');
    expectSubscriptions(answer.subscriptions).toBe('-^-!');
  });
});

test('commits the txns for each subscriber', () => {
  const kv = new MemoryKv();
  const commits = of('a').pipe(commitTxn(kv, (value, index) => ({ success: [put(value, String(index))] })));
  commits.subscribe();
  commits.subscribe();
  expect(kv.txns).toHaveLength(2);
  expect(kv.server.get('a')?.value).toBe('0');
});

test('an error of the source is passed on', () => {
  runInVirtualTime(({ expectObservable }) => {
    expectObservable(throwError(() => 'boom').pipe(commitTxn(answering(EMPTY)))).toBe('#', undefined, 'boom');
  });
});

test('the example', () => {
  const etcd = { kv: new MemoryKv() };
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
