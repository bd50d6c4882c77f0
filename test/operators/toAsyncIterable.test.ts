import { describe, expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { pipe } from 'fp-ts/lib/function.js';
import { concat, finalize, NEVER, Observable, of, range, Subject, throwError, from } from 'rxjs';
import { toAsyncIterable, type OverflowPolicy } from '../../operators/index.js';
import { hasReason } from '../../src/errors/index.js';
import { logger, eventsOf } from './support.js';

const boom = new Error('boom');

/** Collects the values of an iteration, then `'done'` or the thrown error. */
async function walk<T>(iterator: AsyncIterator<T>): Promise<unknown[]> {
  const seen: unknown[] = [];
  for (;;) {
    try {
      const result = await iterator.next();
      if (result.done === true) return [...seen, 'done'];
      seen.push(result.value);
    } catch (error) {
      return [...seen, error];
    }
  }
}

function iterate<T>(source: Observable<T>, config?: { bufferSize?: number; overflow?: OverflowPolicy }): AsyncIterator<T> {
  return toAsyncIterable(source, config)[Symbol.asyncIterator]();
}

describe('the values of an async iterator', () => {
  test('arrive in order, then its end, repeatedly', async () => {
    const iterator = iterate(of(1, 2, 3));
    expect(await walk(iterator)).toEqual([1, 2, 3, 'done']);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('may be undefined', async () => {
    expect(await walk(iterate(of(undefined, undefined)))).toEqual([undefined, undefined, 'done']);
  });

  test('wait for the consumer, and the consumer for them', async () => {
    const source = new Subject<number>();
    const iterator = iterate(source);
    const first = iterator.next();
    source.next(1);
    source.next(2);
    expect(await first).toEqual({ done: false, value: 1 });
    expect(await iterator.next()).toEqual({ done: false, value: 2 });
  });

  test('resolve concurrent calls of next in order, and the end resolves the rest', async () => {
    const source = new Subject<number>();
    const iterator = iterate(source);
    const calls = [iterator.next(), iterator.next(), iterator.next()];
    source.next(1);
    source.complete();
    expect(await Promise.all(calls)).toEqual([
      { done: false, value: 1 },
      { done: true, value: undefined },
      { done: true, value: undefined },
    ]);
  });
});

describe('an error of an async iterator', () => {
  test('is thrown after the values before it, once', async () => {
    const iterator = iterate(
      concat(
        of(1, 2),
        throwError(() => boom),
      ),
    );
    expect(await walk(iterator)).toEqual([1, 2, boom]);
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
  });

  test('rejects one of the waiting calls', async () => {
    const source = new Subject<number>();
    const iterator = iterate(source);
    const calls = Promise.allSettled([iterator.next(), iterator.next()]);
    source.error(boom);
    expect(await calls).toEqual([
      { status: 'rejected', reason: boom },
      { status: 'fulfilled', value: { done: true, value: undefined } },
    ]);
  });

  test('may be undefined', async () => {
    expect(await walk(iterate(throwError(() => undefined)))).toEqual([undefined]);
  });
});

describe('the source of an async iterator', () => {
  test('is subscribed to when the first value is requested, once for each iteration', async () => {
    let subscriptions = 0;
    const source = new Observable<number>((subscriber) => {
      subscriber.next(++subscriptions);
      subscriber.complete();
    });
    const iterable = toAsyncIterable(source);
    const [first, second] = [iterable[Symbol.asyncIterator](), iterable[Symbol.asyncIterator]()];
    expect(subscriptions).toBe(0);
    expect(await walk(first)).toEqual([1, 'done']);
    expect(await walk(second)).toEqual([2, 'done']);
  });

  test('is unsubscribed by break and by a throw', async () => {
    for (const leave of ['break', 'throw']) {
      let open = true;
      const source = concat(of(1, 2), NEVER).pipe(finalize(() => (open = false)));
      try {
        for await (const _ of toAsyncIterable(source)) {
          if (leave === 'break') break;
          throw boom;
        }
      } catch (error) {
        expect(error).toBe(boom);
      }
      expect(open).toBe(false);
    }
  });

  test('is unsubscribed at once by return, while a next waits', async () => {
    let open = true;
    const iterator = iterate(NEVER.pipe(finalize(() => (open = false))));
    const waiting = iterator.next();
    expect(await iterator.return?.()).toEqual({ done: true, value: undefined });
    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(open).toBe(false);
  });

  test('is never subscribed to if return is called first', async () => {
    let subscribed = false;
    const iterator = iterate(new Observable<number>(() => void (subscribed = true)));
    await iterator.return?.();
    expect(await iterator.next()).toEqual({ done: true, value: undefined });
    expect(subscribed).toBe(false);
  });

  test('is unsubscribed by return, which drops pending values and errors', async () => {
    const iterator = iterate(
      concat(
        of(1, 2, 3),
        throwError(() => boom),
      ),
    );
    await iterator.next();
    await iterator.return?.();
    expect(await walk(iterator)).toEqual(['done']);
  });

  test('that produces synchronously stops at an overflow', async () => {
    let produced = 0;
    const endless = new Observable<number>((subscriber) => {
      while (!subscriber.closed && produced < 1000) subscriber.next(++produced);
    });
    const seen = await walk(iterate(endless, { bufferSize: 2 }));
    expect(seen.slice(0, 3)).toEqual([1, 2, 3]);
    expect(produced).toBe(4);
  });
});

describe('a full buffer of an async iterator', () => {
  test('ends with BufferOverflow by default, after the pending values', async () => {
    let open = true;
    const seen = await walk(iterate(concat(range(1, 10), NEVER).pipe(finalize(() => (open = false))), { bufferSize: 2 }));
    expect(seen.slice(0, 3)).toEqual([1, 2, 3]);
    expect(seen).toHaveLength(4);
    expect(hasReason(seen[3], 'BufferOverflow')).toBe(true);
    expect(seen[3]).toMatchObject({
      code: 'ResourceExhausted',
      message: 'the consumer is slower than the source: 2 values wait, and another arrived',
    });
    expect(open).toBe(false);
  });

  test('drops the oldest value', async () => {
    expect(await walk(iterate(range(1, 10), { bufferSize: 2, overflow: 'dropOldest' }))).toEqual([1, 9, 10, 'done']);
  });

  test('drops the newest value', async () => {
    expect(await walk(iterate(range(1, 10), { bufferSize: 2, overflow: 'dropNewest' }))).toEqual([1, 2, 3, 'done']);
  });

  test('never exceeds its limit, in any order of calls', async () => {
    const steps = fc.array(fc.constantFrom('produce', 'consume'), { maxLength: 200 });
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.integer({ min: 1, max: 5 }),
        fc.constantFrom<OverflowPolicy>('dropOldest', 'dropNewest'),
        async (list, bufferSize, overflow) => {
          const source = new Subject<number>();
          const iterator = iterate(source, { bufferSize, overflow });
          const results: Promise<IteratorResult<number>>[] = [iterator.next()];
          const expected: number[] = [];
          const buffer: number[] = [];
          let [waiting, produced] = [1, 0];
          for (const step of list) {
            if (step === 'consume') {
              results.push(iterator.next());
              const first = buffer.shift();
              if (first === undefined) waiting++;
              else expected.push(first);
              continue;
            }
            const value = ++produced;
            source.next(value);
            if (waiting > 0) {
              waiting--;
              expected.push(value);
            } else if (buffer.length < bufferSize) buffer.push(value);
            else if (overflow === 'dropOldest') {
              buffer.shift();
              buffer.push(value);
            }
          }
          source.complete();
          const values = (await Promise.all(results)).flatMap((result) => (result.done === true ? [] : [result.value]));
          expect(values).toEqual(expected);
          expect((await walk(iterator)).slice(0, -1)).toEqual(buffer);
        },
      ),
    );
  });

  test('of many values is emptied as quickly as a small one', async () => {
    const size = 200_000;
    const iterator = iterate(range(0, size + 1), { bufferSize: size });
    let inOrder = 0;
    for (let result = await iterator.next(); result.done !== true; result = await iterator.next()) if (result.value === inOrder) inOrder++;
    expect(inOrder).toBe(size + 1);
  });
});

test.each([{ bufferSize: 0 }, { bufferSize: 1.5 }, { bufferSize: Infinity }])('rejects an invalid buffer size at once: %p', (config) => {
  expect(() => toAsyncIterable(config)).toThrow('bufferSize');
});

test('rejects an unknown overflow policy at once', () => {
  expect(() => toAsyncIterable({ overflow: 'drop' as 'error' })).toThrow('overflow');
});

test('rejects a source that is not an Observable before it is iterated', () => {
  // @ts-expect-error -- a program in JavaScript can give anything
  expect(() => toAsyncIterable()(undefined)).toThrow('source of toAsyncIterable: expected an Observable, received nothing');
});

test('without a source is a step of a pipe', async () => {
  const iterable = pipe(of(1, 2), toAsyncIterable({ bufferSize: 5 }));
  expect(await walk(iterable[Symbol.asyncIterator]())).toEqual([1, 2, 'done']);
});

test('has the type of its values', () => {
  expectTypeOf(toAsyncIterable(of(1))).toEqualTypeOf<AsyncIterable<number>>();
  expectTypeOf(toAsyncIterable({ bufferSize: 5 })(of(1))).toEqualTypeOf<AsyncIterable<number>>();
  expectTypeOf(pipe(of(1), toAsyncIterable())).toEqualTypeOf<AsyncIterable<number>>();
});

test('the example', async () => {
  const etcd = {
    watch: () =>
      concat(
        from(
          eventsOf((server) => {
            server.put('app/color', 'red');
            server.put('app/color', 'blue');
            server.put('app/color', 'green');
          }),
        ),
        NEVER,
      ),
  };
  const console = logger();
  const changes = toAsyncIterable(etcd.watch(), { bufferSize: 100 });

  for await (const { kv } of changes) {
    console.log(kv.key, kv.value);
    if (kv.value === 'blue') break;
  }

  expect(console.lines).toEqual(['app/color red', 'app/color blue']);
});
