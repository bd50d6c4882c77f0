import { runInNewContext } from 'node:vm';
import { describe, expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { of, type Observable, from } from 'rxjs';
import { matchKey, puts, type KeyMatcher } from '../../operators/index.js';
import { hasReason } from '../../src/errors/index.js';
import type { PutEvent, WatchEvent } from '../../src/model/events.js';
import { del, logger, put, eventsOf, runInVirtualTime } from './support.js';

const events: Record<string, WatchEvent> = { a: put('a', '1', 2), b: put('b/a', '1', 3), c: put('a/c', '1', 4), d: del('a', 5) };

function matched(matcher: KeyMatcher, ...keys: string[]): string[] {
  const seen: string[] = [];
  of(...keys.map((key) => put(key, '', 1)))
    .pipe(matchKey(matcher))
    .subscribe(({ kv }) => seen.push(kv.key));
  return seen;
}

test('emits events of the keys that match', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-c-d-|', events);
    expectObservable(source.pipe(matchKey('a'))).toBe('-a-----d-|', events);
    expectObservable(source.pipe(matchKey({ prefix: 'a' }))).toBe('-a---c-d-|', events);
    expectObservable(source.pipe(matchKey(/a/))).toBe('-a---c-d-|', events);
    expectObservable(source.pipe(matchKey((key, event) => key === 'a' && event.type === 'put'))).toBe('-a-------|', events);
    expectSubscriptions(source.subscriptions).toBe(['^--------!', '^--------!', '^--------!', '^--------!']);
  });
});

test('errors with the error that a function throws', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-b-|', events);
    const boom = new Error('boom');
    const throws = (): boolean => {
      throw boom;
    };
    expectObservable(source.pipe(matchKey(throws))).toBe('-#', {}, boom);
    expectSubscriptions(source.subscriptions).toBe('^!');
  });
});

describe('a RegExp', () => {
  test('must match at the start, and need not reach the end', () => {
    expect(matched(/a/, 'a', 'ab', 'ba')).toEqual(['a', 'ab']);
    expect(matched(/a$/, 'a', 'ab')).toEqual(['a']);
    expect(matched(/b|ab/, 'ab', 'cab')).toEqual(['ab']);
  });

  test('does not match at the start of a later line', () => {
    expect(matched(/^a/m, 'b\na', 'a\nb')).toEqual(['a\nb']);
  });

  test.each([/a/g, /a/y, /a/gy, /a/giu])('skips nothing because of its state: %s', (regExp) => {
    regExp.lastIndex = 1;
    expect(matched(regExp, 'a', 'a', 'a')).toEqual(['a', 'a', 'a']);
    expect(regExp.lastIndex).toBe(1);
  });

  test('keeps its other flags', () => {
    expect(matched(/A.B/is, 'a\nb')).toEqual(['a\nb']);
  });

  test('of another realm is accepted', () => {
    const foreign: unknown = runInNewContext('/a/');
    expect(foreign instanceof RegExp).toBe(false);
    expect(matched(foreign as RegExp, 'ab', 'ba')).toEqual(['ab']);
  });
});

test('compares a prefix as text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (prefix, rest) => {
      expect(matched({ prefix }, prefix + rest)).toEqual([prefix + rest]);
    }),
  );
});

test.each([undefined, null, 7, {}, { prefix: 7 }])('rejects an invalid matcher at once: %p', (matcher) => {
  let error: unknown;
  try {
    // @ts-expect-error that is the point
    matchKey(matcher);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('keeps the type of the events', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(matchKey('a'))).toEqualTypeOf<Observable<WatchEvent>>();
  expectTypeOf(
    source.pipe(
      puts(),
      matchKey((_, event) => event.kv.lease === undefined),
    ),
  ).toEqualTypeOf<Observable<PutEvent>>();
});

test('the example', () => {
  const console = logger();
  const etcd = {
    watch: () =>
      from(
        eventsOf((server) => {
          server.put('app/color', 'red');
          server.put('app/users/7', 'Ann');
          server.put('app/users/7/email', 'ann@example.org');
        }),
      ),
  };

  const app$ = etcd.watch();
  app$.pipe(matchKey('app/color')).subscribe(({ kv }) => console.log('color', kv.value));
  app$.pipe(matchKey(/app\/users\/\d+$/)).subscribe(({ kv }) => console.log('user', kv.value));

  expect(console.lines).toEqual(['color red', 'user Ann']);
});
