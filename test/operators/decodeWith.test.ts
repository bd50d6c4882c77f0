import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import * as t from 'io-ts';
import { of, type Observable, from } from 'rxjs';
import { decodeWith, puts, type Decoded } from '../../operators/index.js';
import { InvalidValueError } from '../../src/errors/index.js';
import { logger, put, eventsOf, runInVirtualTime } from './support.js';

const Digits = new t.Type<number, string, string>(
  'Digits',
  t.number.is,
  (text, context) => (/^\d+$/.test(text) ? t.success(Number(text)) : t.failure(text, context)),
  String,
);

test('decodes text that is not JSON, and errors at an invalid one', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const seven = put('a', '7', 5);
    const source = cold('-a-x-|', { a: seven, x: put('a', 'hunter2', 6) });
    expectObservable(source.pipe(decodeWith(Digits))).toBe(
      '-a-#',
      { a: { key: 'a', value: 7, revision: 5, kv: seven.kv } },
      new InvalidValueError('a', ['expected Digits, received string']),
    );
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('accepts a codec of strings and one of unknown', () => {
  const source = of(put('a', '7', 5));
  expectTypeOf(source.pipe(decodeWith(Digits))).toEqualTypeOf<Observable<Decoded<number>>>();
  expectTypeOf(source.pipe(decodeWith(t.literal('x')))).toEqualTypeOf<Observable<Decoded<'x'>>>();
});

test('the example', () => {
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('log/level', 'debug');
          server.put('log/level', 'loud');
        }),
      ),
  };
  const console = logger();
  const Level = t.keyof({ debug: null, info: null, warn: null });

  etcd
    .watch()
    .pipe(puts(), decodeWith(Level))
    .subscribe({
      next: ({ value }) => console.log(value),
      error: (error: Error) => console.log(error.message),
    });

  expect(console.lines).toEqual(['debug', 'the value of "log/level" is not valid: expected "debug" | "info" | "warn", received string']);
});
