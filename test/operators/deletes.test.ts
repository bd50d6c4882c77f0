import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { of, type Observable, from } from 'rxjs';
import { deletes } from '../../operators/index.js';
import type { DeleteEvent, WatchEvent } from '../../src/model/events.js';
import { del, logger, put, eventsOf, runInVirtualTime } from './support.js';

test('emits deletions', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const events: Record<string, WatchEvent> = { p: put('a', '1', 2), d: del('a', 3), q: put('b', '1', 4) };
    const source = cold('--p-d-q-', events);
    expectObservable(source.pipe(deletes()), '^----!').toBe('----d---', events);
    expectSubscriptions(source.subscriptions).toBe('^----!');
  });
});

test('narrows the type to deletions', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(deletes())).toEqualTypeOf<Observable<DeleteEvent>>();
});

test('the example', () => {
  const console = logger();
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('app/color', 'red');
          server.delete('app/color');
        }),
      ),
  };

  etcd
    .watch()
    .pipe(deletes())
    .subscribe(({ kv, prevKv }) => {
      console.log(kv.key, 'was', prevKv?.value);
    });

  expect(console.lines).toEqual(['app/color was red']);
});
