import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import * as t from 'io-ts';
import { of, type Observable, from } from 'rxjs';
import { decodeJson, puts, type Decoded } from '../../operators/index.js';
import { InvalidValueError } from '../../src/errors/index.js';
import type { KeyValue } from '../../src/model/keyValue.js';
import type { WatchEvent } from '../../src/model/events.js';
import { kv, logger, put, eventsOf, runInVirtualTime } from './support.js';

const N = t.type({ n: t.number });
const good = put('a', '{"n":1}', 5);
const decodedGood = { key: 'a', value: { n: 1 }, revision: 5, kv: good.kv };
const notJson = put('a', 'hunter2', 6);
const wrong = put('a', '{"n":"hunter2"}', 6);

test('emits values with key and revision, and errors at one that is not JSON', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-x-a-|', { a: good, x: notJson });
    expectObservable(source.pipe(decodeJson(N))).toBe('-a-#', { a: decodedGood }, new InvalidValueError('a', ['it is not JSON']));
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('errors at a value that the codec rejects, without showing it', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-x-|', { x: wrong });
    expectObservable(source.pipe(decodeJson(N))).toBe('-#', {}, new InvalidValueError('a', ['n: expected number, received string']));
    expectSubscriptions(source.subscriptions).toBe('^!');
  });
  let message = '';
  of(wrong)
    .pipe(decodeJson(N))
    .subscribe({ error: (error: Error) => (message = error.message) });
  expect(message).not.toContain('hunter2');
});

test('accepts the results of reads as well', () => {
  const seen: Decoded<{ n: number }>[] = [];
  of(good.kv)
    .pipe(decodeJson(N))
    .subscribe((value) => seen.push(value));
  expect(seen).toEqual([decodedGood]);
  expect(seen[0]?.kv).toBe(good.kv);
});

test('emits the output of the codec', () => {
  const Upper = new t.Type<string, string>(
    'Upper',
    t.string.is,
    (u, c) => (t.string.is(u) ? t.success(u.toUpperCase()) : t.failure(u, c)),
    String,
  );
  let seen: string | undefined;
  of(put('a', '"x"', 2))
    .pipe(decodeJson(Upper))
    .subscribe(({ value }) => (seen = value));
  expect(seen).toBe('X');
});

test('errors with the error that a codec throws', () => {
  const boom = new Error('boom');
  const Throws = new t.Type<string, string>(
    'Throws',
    t.string.is,
    () => {
      throw boom;
    },
    String,
  );
  runInVirtualTime(({ cold, expectObservable }) => {
    expectObservable(cold('-a-|', { a: good }).pipe(decodeJson(Throws))).toBe('-#', {}, boom);
  });
});

test('accepts a put or a key with its value as its type, but no delete and no missing key', () => {
  const events: Observable<WatchEvent> = of();
  const maybe: Observable<KeyValue | undefined> = of(undefined);
  expectTypeOf(events.pipe(puts(), decodeJson(N))).toEqualTypeOf<Observable<Decoded<{ n: number }>>>();
  expectTypeOf(of(kv('a', '1', 2)).pipe(decodeJson(N))).toEqualTypeOf<Observable<Decoded<{ n: number }>>>();
  // @ts-expect-error a delete has no value
  void events.pipe(decodeJson(N));
  // @ts-expect-error a missing key has none either
  void maybe.pipe(decodeJson(N));
});

test('the example', () => {
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('flags/beta', '{"on":true}');
          server.put('flags/beta', '{"on":"yes"}');
        }),
      ),
  };
  const console = logger();
  const Flag = t.type({ on: t.boolean });

  etcd
    .watch()
    .pipe(puts(), decodeJson(Flag))
    .subscribe({
      next: ({ key, value, revision }) => console.log(key, value.on, revision),
      error: (error: Error) => console.log(error.message),
    });

  expect(console.lines).toEqual(['flags/beta true 2', 'the value of "flags/beta" is not valid: on: expected boolean, received string']);
});
