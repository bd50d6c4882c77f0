import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { concat, NEVER, of, type Observable, from } from 'rxjs';
import { byRevision, untilRevision } from '../../operators/index.js';
import type { WatchEvent } from '../../src/model/events.js';
import { logger, put, eventsOf, runInVirtualTime } from './support.js';

const events = { a: put('a', '1', 5), b: put('b', '1', 6), c: put('c', '1', 6), d: put('d', '1', 7) };

test('completes at the first item after the last revision', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-c-d-', events);
    expectObservable(source.pipe(untilRevision(6))).toBe('-a-b-c-|', events);
    expectObservable(source.pipe(untilRevision(4))).toBe('-|');
    expectSubscriptions(source.subscriptions).toBe(['^------!', '^!']);
  });
});

test('stays open while another item of the last revision may arrive', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-----', events);
    expectObservable(source.pipe(untilRevision(6)), '^-------!').toBe('-a-b-----', events);
    expectSubscriptions(source.subscriptions).toBe('^-------!');
  });
});

test('completes at the last revision for whole revisions', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-d-', events);
    expectObservable(source.pipe(untilRevision(6, { wholeRevisions: true }))).toBe('-a-(b|)', events);
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('completes at the next revision if the last one never arrives, and drops that', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-d-', events);
    expectObservable(source.pipe(untilRevision(6, { wholeRevisions: true }))).toBe('-a-|', events);
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('keeps the type of its source', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(untilRevision(5))).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(source.pipe(untilRevision(5, { wholeRevisions: true }))).toEqualTypeOf<Observable<WatchEvent>>();
});

test('the example', () => {
  const etcd = {
    watchBatches: () =>
      concat(
        from(
          eventsOf((server) => {
            server.put('app/color', 'red');
            server.put('app/color', 'blue');
            server.put('app/color', 'green');
          }),
        ),
        NEVER,
      ).pipe(byRevision()),
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
