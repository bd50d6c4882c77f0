import { expect, test } from '@jest/globals';
import { EMPTY, of, type Observable } from 'rxjs';
import { putTo, type PutTarget } from '../../operators/index.js';
import { AmbiguousWriteError, EtcdError, hasReason } from '../../src/errors/index.js';
import { toBytes } from '../../src/model/bytes.js';
import { leaseId } from '../../src/model/ids.js';
import { MemoryKv } from '../support/memory/memoryKv.js';
import { logger, runInVirtualTime } from './support.js';

const answering = (answer: Observable<unknown>): PutTarget => ({ put: () => answer }) as unknown as PutTarget;

test('writes one put for each value, after the response to the one before', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    const source = cold('-12-|');
    expectObservable(source.pipe(putTo(answering(answer), 'key'))).toBe('----a--(a|)');
    expectSubscriptions(source.subscriptions).toBe('^---!');
    expectSubscriptions(answer.subscriptions).toBe(['-^--!', '----^--!']);
  });
});

test.each<[string, unknown, string]>([
  ['a string as it is', 'red', 'red'],
  ['bytes as they are', toBytes('red'), 'red'],
  ['an object as JSON', { n: 1 }, '{"n":1}'],
  ['a number as JSON', 7, '7'],
  ['null as JSON', null, 'null'],
])('%s', (_, value, written) => {
  const kv = new MemoryKv();
  of(value).pipe(putTo(kv, 'a')).subscribe();
  expect(kv.server.get('a')?.value).toBe(written);
});

test('encode replaces the JSON encoding', () => {
  const kv = new MemoryKv();
  of('red')
    .pipe(putTo(kv, 'a', { encode: (value) => JSON.stringify(value) }))
    .subscribe();
  expect(kv.server.get('a')?.value).toBe('"red"');
});

const endless: { self?: unknown } = {};
endless.self = endless;

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['a function', () => 1],
  ['a bigint', 1n],
  ['a circular object', endless],
])('%s has no JSON: nothing is written', (_, value) => {
  const kv = new MemoryKv();
  let error: unknown;
  of(value)
    .pipe(putTo(kv, 'a'))
    .subscribe({ error: (thrown: unknown) => (error = thrown) });
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
  expect(kv.server.revision).toBe(1);
});

test('a function returns the key for a value and its index', () => {
  const kv = new MemoryKv();
  of('x', 'y')
    .pipe(putTo(kv, (value, index) => `${value}/${index}`))
    .subscribe();
  expect(kv.server.range({ all: true }).kvs.map(({ key }) => key)).toEqual(['x/0', 'y/1']);
});

test('passes lease and prevKv to the put, but not encode', () => {
  const puts: unknown[] = [];
  const target: PutTarget = {
    put: (...args) => {
      puts.push(args);
      return EMPTY;
    },
  };
  of(1)
    .pipe(putTo(target, 'a', { lease: leaseId(7), prevKv: true, encode: (value) => String(value) }))
    .subscribe();
  expect(puts).toEqual([['a', '1', { lease: '7', prevKv: true }]]);
});

test('an error ends the stream, and pending values are not written', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const unknown = new AmbiguousWriteError(new EtcdError('ConnectionLost', 'lost'));
    const answer = cold('---#', {}, unknown);
    expectObservable(cold('-12---').pipe(putTo(answering(answer), 'key'))).toBe('----#', undefined, unknown);
    expectSubscriptions(answer.subscriptions).toBe('-^--!');
  });
});

test('unsubscribing aborts the put in progress', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    expectObservable(cold('-1---').pipe(putTo(answering(answer), 'key')), '^--!').toBe('---');
    expectSubscriptions(answer.subscriptions).toBe('-^-!');
  });
});

test('rejects an invalid key at once', () => {
  let error: unknown;
  try {
    putTo(new MemoryKv(), 7 as unknown as string);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  const etcd = { kv: new MemoryKv() };
  const settings$ = of({ name: 'color', value: 'red' }, { name: 'size', value: 7 });
  const console = logger();

  settings$
    .pipe(putTo(etcd.kv, ({ name }: { readonly name: string }) => `settings/${name}`))
    .subscribe(({ header }) => console.log('written at', header.revision));

  expect(console.lines).toEqual(['written at 2', 'written at 3']);
  expect(etcd.kv.server.range({ all: true }).kvs.map(({ key, value }) => [key, value])).toEqual([
    ['settings/color', '{"name":"color","value":"red"}'],
    ['settings/size', '{"name":"size","value":7}'],
  ]);
});
