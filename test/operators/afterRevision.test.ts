import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { of, type Observable, from } from 'rxjs';
import { afterRevision, puts } from '../../operators/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, logger, put, eventsOf, runInVirtualTime } from './support.js';

test('emits items after the given revision', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const events: Record<string, WatchEvent> = { a: put('a', '1', 5), b: put('b', '1', 5), c: put('c', '1', 6), d: del('a', 7) };
    const source = cold('-a-b-c-d-|', events);
    expectObservable(source.pipe(afterRevision(5))).toBe('-----c-d-|', events);
    expectObservable(source.pipe(afterRevision(7))).toBe('---------|', events);
    expectSubscriptions(source.subscriptions).toBe(['^--------!', '^--------!']);
  });
});

test('drops an older revision that is repeated', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    expectObservable(cold('abab', { a: { revision: 5 }, b: { revision: 6 } }).pipe(afterRevision(5))).toBe('-b-b', { b: { revision: 6 } });
  });
});

test('keeps the type of its source', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(afterRevision(5))).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(source.pipe(puts(), afterRevision(5))).toEqualTypeOf<Observable<PutEvent>>();
});

test('the example', () => {
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('app/a', '1');
          server.put('app/b', '1');
        }),
      ),
  };
  const console = logger();

  etcd
    .watch()
    .pipe(afterRevision(2))
    .subscribe(({ kv, revision }) => console.log(revision, kv.key));

  expect(console.lines).toEqual(['3 app/b']);
});
