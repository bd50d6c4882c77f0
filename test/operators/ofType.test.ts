import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { map, of, type Observable, from } from 'rxjs';
import { ofType } from '../../operators/index.js';
import type { DeleteEvent, PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, logger, put, eventsOf, runInVirtualTime } from './support.js';

test('emits events of the given type', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const events: Record<string, WatchEvent> = { p: put('a', '1', 2), d: del('a', 3), q: put('b', '1', 4) };
    const source = cold('--p-d-q-|', events);
    expectObservable(source.pipe(ofType('delete'))).toBe('----d---|', events);
    expectObservable(source.pipe(ofType('put'))).toBe('--p---q-|', events);
    expectSubscriptions(source.subscriptions).toBe(['^-------!', '^-------!']);
  });
});

test('narrows the type to the given one', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(ofType('put'))).toEqualTypeOf<Observable<PutEvent>>();
  expectTypeOf(source.pipe(ofType('delete'))).toEqualTypeOf<Observable<DeleteEvent>>();
  // @ts-expect-error there are no others
  expect(() => ofType('putt')).toThrow('type of ofType: expected one of put, delete');
});

test('the example', () => {
  const console = logger();
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('services/a', '10.0.0.1');
          server.delete('services/a');
        }),
      ),
  };

  etcd
    .watch()
    .pipe(
      ofType('delete'),
      map((event) => `${event.kv.key} is gone`),
    )
    .subscribe((line) => console.log(line));

  expect(console.lines).toEqual(['services/a is gone']);
});
