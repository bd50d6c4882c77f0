import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { NEVER, concat, of, toArray, type Observable } from 'rxjs';
import { byRevision, puts, type WholeRevision } from '../../operators/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { put as txnPut } from '../../src/model/op.js';
import { del, put, logger, eventsOf, runInVirtualTime } from './support.js';

const events: Record<string, WatchEvent> = { a: put('a', '1', 5), b: put('b', '1', 5), c: del('a', 6) };
const [a, b, c] = [events['a'], events['b'], events['c']];

test('a revision is emitted when an event of the next one arrives, or the source completes', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-c---|', events);
    expectObservable(source.pipe(byRevision())).toBe('-----x---(y|)', {
      x: { revision: 5, events: [a, b] },
      y: { revision: 6, events: [c] },
    });
    expectSubscriptions(source.subscriptions).toBe('^--------!');
  });
});

test('an empty source emits nothing', () => {
  runInVirtualTime(({ cold, expectObservable }) => expectObservable(cold<WatchEvent>('---|').pipe(byRevision())).toBe('---|'));
});

test('an incomplete group is dropped when the source errors', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-#', events);
    expectObservable(source.pipe(byRevision())).toBe('---#');
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('unsubscribing early unsubscribes from the source', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-c---', events);
    expectObservable(source.pipe(byRevision()), '^---!').toBe('-----');
    expectSubscriptions(source.subscriptions).toBe('^---!');
  });
});

test('no event is lost, and each group has one revision', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 20 }), (sizes) => {
      const all = sizes.flatMap((size, i) => Array.from({ length: size }, (_, n) => put(`k${n}`, '', i + 2)));
      let groups: WholeRevision<PutEvent>[] = [];
      of(...all)
        .pipe(byRevision(), toArray())
        .subscribe((seen) => (groups = seen));
      expect(groups.map(({ events }) => events.length)).toEqual(sizes);
      expect(groups.flatMap(({ events }) => events)).toEqual(all);
      expect(groups.every(({ revision, events }) => events.every((event) => event.revision === revision))).toBe(true);
    }),
  );
});

test('the type of the events is kept', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(byRevision())).toEqualTypeOf<Observable<WholeRevision<WatchEvent>>>();
  expectTypeOf(source.pipe(puts(), byRevision())).toEqualTypeOf<Observable<WholeRevision<PutEvent>>>();
});

test('the example', () => {
  const events = eventsOf((server) => {
    server.txn({ success: [txnPut('stock/a', '1'), txnPut('stock/b', '1')] });
    server.put('stock/c', '1');
  });
  const etcd = { watch: () => concat(events, NEVER) };
  const console = logger();

  etcd
    .watch()
    .pipe(byRevision())
    .subscribe(({ revision, events }) => {
      console.log(revision, events.map(({ kv }) => kv.key).join(' and '));
    });

  expect(console.lines).toEqual(['2 stock/a and stock/b']);
});
