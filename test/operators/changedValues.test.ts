import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { of, toArray, type Observable } from 'rxjs';
import { changedValues, puts } from '../../operators/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, kv, logger, put, Store, virtually } from './support.js';

function passed(...events: WatchEvent[]): WatchEvent[] {
  let seen: WatchEvent[] = [];
  of(...events)
    .pipe(changedValues(), toArray())
    .subscribe((all) => (seen = all));
  return seen;
}

test('it drops puts of the value that the key has', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
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

test('deletes pass, and a key that is put again passes with any value', () => {
  const events = [put('a', '1', 2), del('a', 3), del('a', 4), put('a', '1', 5)];
  expect(passed(...events)).toEqual(events);
});

test('a key that was created anew passes where its delete was filtered away', () => {
  const [first, anew] = [put('a', '1', 2, { createRevision: 2 }), put('a', '1', 5, { createRevision: 5 })];
  expect(passed(first, anew)).toEqual([first, anew]);
});

test('prevKv says what an unseen key was', () => {
  const same: PutEvent = { ...put('a', '1', 5), prevKv: kv('a', '1', 4) };
  const other: PutEvent = { ...put('b', '1', 6), prevKv: kv('b', '0', 4) };
  expect(passed(same, other)).toEqual([other]);
});

test('bytes that read as the same text are not the same', () => {
  const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
  const values = [put('a', bytes(0xff), 2), put('a', bytes(0xfe), 3)];
  expect(passed(...values)).toEqual(values);
  const keys = [put(bytes(0xff), '1', 2), put(bytes(0xfe), '1', 3)];
  expect(passed(...keys)).toEqual(keys);
});

test('an empty value is a value', () => {
  const [empty, again, full] = [put('a', '', 2), put('a', '', 3), put('a', 'x', 4)];
  expect(passed(empty, again, full)).toEqual([empty, full]);
});

test('it agrees with a model', () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b'), value: fc.constantFrom('1', '2', undefined) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const store = new Store();
      const events = steps.map(({ key, value }) => (value === undefined ? store.delete(key) : store.put(key, value)));
      const expected = events.filter(({ type, kv, prevKv }) => type === 'delete' || prevKv?.value !== kv.value);
      expect(passed(...events)).toEqual(expected);
      const withoutPrevKv = ({ type, kv, revision }: WatchEvent): WatchEvent => ({ type, kv, revision });
      expect(passed(...events.map(withoutPrevKv))).toEqual(expected.map(withoutPrevKv));
    }),
  );
});

test('the type is kept', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(changedValues())).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(source.pipe(changedValues(), puts())).toEqualTypeOf<Observable<PutEvent>>();
});

test('the example', () => {
  const store = new Store();
  const etcd = { watch: () => of(store.put('app/color', 'red'), store.put('app/color', 'red'), store.put('app/color', 'blue')) };
  const console = logger();

  etcd
    .watch()
    .pipe(changedValues())
    .subscribe(({ kv, revision }) => console.log(revision, kv.value));

  expect(console.lines).toEqual(['2 red', '4 blue']);
});
