import { expect, test } from '@jest/globals';
import { of, type Observable } from 'rxjs';
import { putTo, type PutTarget } from '../../operators/index.js';
import { AmbiguousWriteError, EtcdError, hasReason } from '../../src/errors/index.js';
import { toBytes } from '../../src/model/bytes.js';
import { leaseId } from '../../src/model/ids.js';
import { FakeKv } from '../support/fakes/fakeKv.js';
import { logger, virtually } from './support.js';

const answering = (answer: Observable<unknown>): PutTarget => ({ put: () => answer }) as unknown as PutTarget;

test('a put a value, each when the one before was answered', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
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
  const kv = new FakeKv();
  of(value).pipe(putTo(kv, 'a')).subscribe();
  expect(kv.value('a')).toBe(written);
});

test('encode writes it otherwise', () => {
  const kv = new FakeKv();
  of('red')
    .pipe(putTo(kv, 'a', { encode: (value) => JSON.stringify(value) }))
    .subscribe();
  expect(kv.value('a')).toBe('"red"');
});

const endless: { self?: unknown } = {};
endless.self = endless;

test.each<[string, unknown]>([
  ['undefined', undefined],
  ['a function', () => 1],
  ['a bigint', 1n],
  ['what refers to itself', endless],
])('%s has no JSON: nothing is written', (_, value) => {
  const kv = new FakeKv();
  let error: unknown;
  of(value)
    .pipe(putTo(kv, 'a'))
    .subscribe({ error: (thrown: unknown) => (error = thrown) });
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
  expect(kv.asked).toEqual([]);
});

test('a function gives the key for a value, and its number', () => {
  const kv = new FakeKv();
  of('x', 'y')
    .pipe(putTo(kv, (value, index) => `${value}/${index}`))
    .subscribe();
  expect([...kv.keys.keys()]).toEqual(['x/0', 'y/1']);
});

test('lease and prevKv go along, encode does not', () => {
  const kv = new FakeKv();
  of(1)
    .pipe(putTo(kv, 'a', { lease: leaseId(7), prevKv: true, encode: (value) => String(value) }))
    .subscribe();
  expect(kv.asked).toEqual([['a', '1', { lease: '7', prevKv: true }]]);
});

test('an error ends it, and the values that wait are not written', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const unknown = new AmbiguousWriteError(new EtcdError('ConnectionLost', 'lost'));
    const answer = cold('---#', {}, unknown);
    expectObservable(cold('-12---').pipe(putTo(answering(answer), 'key'))).toBe('----#', undefined, unknown);
    expectSubscriptions(answer.subscriptions).toBe('-^--!');
  });
});

test('unsubscribing aborts the put under way', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const answer = cold('---(a|)');
    expectObservable(cold('-1---').pipe(putTo(answering(answer), 'key')), '^--!').toBe('---');
    expectSubscriptions(answer.subscriptions).toBe('-^-!');
  });
});

test('what is no key is refused at once', () => {
  let error: unknown;
  try {
    putTo(new FakeKv(), 7 as unknown as string);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  const etcd = { kv: new FakeKv() };
  const settings$ = of({ name: 'color', value: 'red' }, { name: 'size', value: 7 });
  const console = logger();

  settings$
    .pipe(putTo(etcd.kv, ({ name }: { readonly name: string }) => `settings/${name}`))
    .subscribe(({ header }) => console.log('written at', header.revision));

  expect(console.lines).toEqual(['written at 2', 'written at 3']);
  expect([...etcd.kv.keys.values()].map(({ key, value }) => [key, value])).toEqual([
    ['settings/color', '{"name":"color","value":"red"}'],
    ['settings/size', '{"name":"size","value":7}'],
  ]);
});
