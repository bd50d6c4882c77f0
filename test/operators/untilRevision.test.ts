import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { concat, NEVER, of, type Observable } from 'rxjs';
import { byRevision, untilRevision } from '../../operators/index.js';
import type { WatchEvent } from '../../src/model/events.js';
import { logger, put, Store, virtually } from './support.js';

const events = { a: put('a', '1', 5), b: put('b', '1', 6), c: put('c', '1', 6), d: put('d', '1', 7) };

test('it completes at the first item beyond', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-c-d-', events);
    expectObservable(source.pipe(untilRevision(6))).toBe('-a-b-c-|', events);
    expectObservable(source.pipe(untilRevision(4))).toBe('-|');
    expectSubscriptions(source.subscriptions).toBe(['^------!', '^!']);
  });
});

test('it stays open while another of the last revision may come', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-----', events);
    expectObservable(source.pipe(untilRevision(6)), '^-------!').toBe('-a-b-----', events);
    expectSubscriptions(source.subscriptions).toBe('^-------!');
  });
});

test('whole revisions complete it at the last one', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-d-', events);
    expectObservable(source.pipe(untilRevision(6, { wholeRevisions: true }))).toBe('-a-(b|)', events);
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('a last revision that never was completes at the next, which is held back', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-d-', events);
    expectObservable(source.pipe(untilRevision(6, { wholeRevisions: true }))).toBe('-a-|', events);
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('the type is kept', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(untilRevision(5))).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(source.pipe(untilRevision(5, { wholeRevisions: true }))).toEqualTypeOf<Observable<WatchEvent>>();
});

test('the example', () => {
  const store = new Store();
  const etcd = {
    watchBatches: () =>
      concat(of(store.put('app/color', 'red'), store.put('app/color', 'blue'), store.put('app/color', 'green')), NEVER).pipe(byRevision()),
  };
  const console = logger();

  etcd
    .watchBatches()
    .pipe(untilRevision(3, { wholeRevisions: true }))
    .subscribe({
      next: ({ revision, events }) => console.log(revision, ...events.map(({ kv }) => kv.value)),
      complete: () => console.log('done'),
    });

  expect(console.lines).toEqual(['2 red', '3 blue', 'done']);
});
