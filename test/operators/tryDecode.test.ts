import { expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import * as E from 'fp-ts/lib/Either.js';
import * as t from 'io-ts';
import { of, type Observable, from } from 'rxjs';
import { puts, tryDecode, type Decoded } from '../../operators/index.js';
import { InvalidValueError } from '../../src/errors/index.js';
import { kv, logger, put, eventsOf, runInVirtualTime } from './support.js';

const N = t.type({ n: t.number });

test('it continues after an invalid value', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const [one, two] = [put('a', '{"n":1}', 5), put('a', '{"n":2}', 8)];
    const source = cold('-a-x-y-b-|', { a: one, x: put('a', 'hunter2', 6), y: put('a', '{"n":"hunter2"}', 7), b: two });
    expectObservable(source.pipe(tryDecode(N))).toBe('-a-x-y-b-|', {
      a: E.right({ key: 'a', value: { n: 1 }, revision: 5, kv: one.kv }),
      x: E.left(new InvalidValueError('a', ['it is not JSON'])),
      y: E.left(new InvalidValueError('a', ['n: expected number, received string'])),
      b: E.right({ key: 'a', value: { n: 2 }, revision: 8, kv: two.kv }),
    });
    expectSubscriptions(source.subscriptions).toBe('^--------!');
  });
});

test('emits an Either of the error and the value as its type', () => {
  expectTypeOf(of(kv('a', '1', 2)).pipe(tryDecode(N))).toEqualTypeOf<Observable<E.Either<InvalidValueError, Decoded<{ n: number }>>>>();
});

test('the example', () => {
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('limit', '10');
          server.put('limit', 'ten');
          server.put('limit', '20');
        }),
      ),
  };
  const console = logger();

  etcd
    .watch()
    .pipe(puts(), tryDecode(t.number))
    .subscribe(
      E.match(
        (error) => console.log(error.message),
        ({ value }) => console.log('the limit is', value),
      ),
    );

  expect(console.lines).toEqual(['the limit is 10', 'the value of "limit" is not valid: it is not JSON', 'the limit is 20']);
});
