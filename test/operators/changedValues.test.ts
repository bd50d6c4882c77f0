import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { of, toArray, type Observable, from } from 'rxjs';
import { changedValues, puts } from '../../operators/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, kv, logger, put, eventsOf, runInVirtualTime } from './support.js';

function passed(...events: WatchEvent[]): WatchEvent[] {
  let seen: WatchEvent[] = [];
  of(...events)
    .pipe(changedValues(), toArray())
    .subscribe((all) => (seen = all));
  return seen;
}

test('drops puts that do not change the value', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const events: Record<string, WatchEvent> = {
      a: put('a', '1', 2),
      b: put('b', '1', 3),
      c: put('a', '1', 4),
      d: put('a', '2', 5),
      e: put('a', '1', 6),
    };
    const source = cold('-a-b-c-d-e-|', events);
    expectObservable(source.pipe(changedValues())).toBe('-a-b---d-e-|', events);
    expectSubscriptions(source.subscriptions).toBe('^----------!');
  });
});

test('passes deletes, and the next put of the key with any value', () => {
  const events = [put('a', '1', 2), del('a', 3), del('a', 4), put('a', '1', 5)];
  expect(passed(...events)).toEqual(events);
});

test('passes a key that was created again, although its deletion was filtered out', () => {
  const [first, anew] = [put('a', '1', 2, { createRevision: 2 }), put('a', '1', 5, { createRevision: 5 })];
  expect(passed(first, anew)).toEqual([first, anew]);
});

test('uses prevKv as the value of a key without an earlier event', () => {
  const same: PutEvent = { ...put('a', '1', 5), prevKv: kv('a', '1', 4) };
  const other: PutEvent = { ...put('b', '1', 6), prevKv: kv('b', '0', 4) };
  expect(passed(same, other)).toEqual([other]);
});

test('compares bytes, not their text', () => {
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
  const values = [put('a', bytes(0xff), 2), put('a', bytes(0xfe), 3)];
  expect(passed(...values)).toEqual(values);
  const keys = [put(bytes(0xff), '1', 2), put(bytes(0xfe), '1', 3)];
  expect(passed(...keys)).toEqual(keys);
});

test('distinguishes an empty value from none', () => {
  const [empty, again, full] = [put('a', '', 2), put('a', '', 3), put('a', 'x', 4)];
  expect(passed(empty, again, full)).toEqual([empty, full]);
});

test('agrees with a simple model for any events', () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b'), value: fc.constantFrom('1', '2', undefined) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const events = eventsOf((server) => {
        for (const { key, value } of steps) {
          if (value === undefined) server.delete(key);
          else server.put(key, value);
        }
      });
      const expected = events.filter(({ type, kv, prevKv }) => type === 'delete' || prevKv?.value !== kv.value);
      expect(passed(...events)).toEqual(expected);
      const withoutPrevKv = ({ type, kv, revision }: WatchEvent): WatchEvent => ({ type, kv, revision });
      expect(passed(...events.map(withoutPrevKv))).toEqual(expected.map(withoutPrevKv));
    }),
  );
});

test('keeps the type of its source', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(changedValues())).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(source.pipe(changedValues(), puts())).toEqualTypeOf<Observable<PutEvent>>();
});

test('the example', () => {
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('app/color', 'red');
          server.put('app/color', 'red');
          server.put('app/color', 'blue');
        }),
      ),
  };
  const console = logger();

  etcd
    .watch()
    .pipe(changedValues())
    .subscribe(({ kv, revision }) => console.log(revision, kv.value));

  expect(console.lines).toEqual(['2 red', '4 blue']);
});
