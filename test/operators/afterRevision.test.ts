import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { of, type Observable } from 'rxjs';
import { afterRevision, puts } from '../../operators/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, logger, put, Store, virtually } from './support.js';

test('it passes what is later than the revision', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const events: Record<string, WatchEvent> = { a: put('a', '1', 5), b: put('b', '1', 5), c: put('c', '1', 6), d: del('a', 7) };
    const source = cold('-a-b-c-d-|', events);
    expectObservable(source.pipe(afterRevision(5))).toBe('-----c-d-|', events);
    expectObservable(source.pipe(afterRevision(7))).toBe('---------|', events);
    expectSubscriptions(source.subscriptions).toBe(['^--------!', '^--------!']);
  });
});

test('it holds back an old revision that comes again', () => {
  virtually(({ cold, expectObservable }) => {
    expectObservable(cold('abab', { a: { revision: 5 }, b: { revision: 6 } }).pipe(afterRevision(5))).toBe('-b-b', { b: { revision: 6 } });
  });
});

test('the type is kept', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(afterRevision(5))).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(source.pipe(puts(), afterRevision(5))).toEqualTypeOf<Observable<PutEvent>>();
});

test('the example', () => {
  const store = new Store();
  const etcd = { watch: () => of(store.put('app/a', '1'), store.put('app/b', '1')) };
  const console = logger();

  etcd
    .watch()
    .pipe(afterRevision(2))
    .subscribe(({ kv, revision }) => console.log(revision, kv.key));

  expect(console.lines).toEqual(['3 app/b']);
});
