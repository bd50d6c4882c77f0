import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import { of, type Observable, from } from 'rxjs';
import { puts } from '../../operators/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, logger, put, eventsOf, runInVirtualTime } from './support.js';

test('emits created and changed keys', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const events: Record<string, WatchEvent> = { p: put('a', '1', 2), d: del('a', 3), q: put('b', '1', 4) };
    const source = cold('--p-d-q-', events);
    expectObservable(source.pipe(puts()), '^------!').toBe('--p---q-', events);
    expectSubscriptions(source.subscriptions).toBe('^------!');
  });
});

test('narrows the type to puts', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(puts())).toEqualTypeOf<Observable<PutEvent>>();
});

test('the example', () => {
  const console = logger();
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('app/color', 'red');
          server.delete('app/color');
          server.put('app/color', 'blue');
        }),
      ),
  };

  etcd
    .watch()
    .pipe(puts())
    .subscribe(({ kv }) => console.log(kv.key, kv.value));

  expect(console.lines).toEqual(['app/color red', 'app/color blue']);
});
