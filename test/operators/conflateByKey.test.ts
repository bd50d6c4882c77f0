import { describe, expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { concat, delay, EMPTY, map, NEVER, of, Subject, throwError, timer, toArray, type Observable } from 'rxjs';
import * as t from 'io-ts';
import { conflateByKey, decodeJson, foldEvents, puts, type Decoded, type WholeRevision } from '../../operators/index.js';
import type { KeyValue } from '../../src/model/keyValue.js';
import type { PutEvent, WatchBatch, WatchEvent } from '../../src/model/events.js';
import { del, put, logger, eventsOf, runInVirtualTime } from './support.js';

/** Describes changes as text, in order. */
const shown = ({ revision, events }: WholeRevision<WatchEvent>): string =>
  `${revision}: ${events.map(({ type, kv }) => (type === 'put' ? `${kv.key}=${kv.value}` : `-${kv.key}`)).join(' ')}`;

/** Creates a consumer that takes this many frames for a value. */
const slow =
  (frames: number) =>
  (changes: WholeRevision<WatchEvent>): Observable<string> =>
    timer(frames).pipe(map(() => shown(changes)));

const events: Record<string, WatchEvent> = {
  a: put('a', '1', 5),
  b: put('b', '1', 6),
  c: put('a', '2', 7),
  d: del('b', 8),
  e: put('a', '3', 9),
};

describe('conflateByKey', () => {
  test('projects a change at once if no work is running', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-a---b---|', events);
      expectObservable(source.pipe(conflateByKey(slow(2)))).toBe('---x---y-|', { x: '5: a=1', y: '6: b=1' });
      expectSubscriptions(source.subscriptions).toBe('^--------!');
    });
  });

  test('keeps the newest change of each key while work runs, deletions too, in the order of their revisions', () => {
    runInVirtualTime(({ cold, expectObservable }) => {
      const source = cold('-abcde------|', events);
      expectObservable(source.pipe(conflateByKey(slow(5)))).toBe('------x----y|', { x: '5: a=1', y: '9: -b a=3' });
    });
  });

  test('projects one value at a time, as long as there are changes', () => {
    runInVirtualTime(({ cold, expectObservable }) => {
      const inner = cold('---(x|)', { x: 1 });
      const source = cold('-a-b-c-d--', events);
      expectObservable(source.pipe(conflateByKey(() => inner))).toBe('----x--x--x--', { x: 1 });
    });
  });

  test('completes after all pending changes were projected', () => {
    runInVirtualTime(({ cold, expectObservable }) => {
      const source = cold('-ab|', events);
      expectObservable(source.pipe(conflateByKey(slow(4)))).toBe('-----x---(y|)', { x: '5: a=1', y: '6: b=1' });
    });
  });

  test('errors after all pending changes were projected', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-abc#', events);
      expectObservable(source.pipe(conflateByKey(slow(4)))).toBe('-----x---(y#)', { x: '5: a=1', y: '7: b=1 a=2' });
      expectSubscriptions(source.subscriptions).toBe('^---!');
    });
  });

  test('passes on an error of any type', () => {
    const seen: unknown[] = [];
    throwError(() => undefined)
      .pipe(conflateByKey(slow(1)))
      .subscribe({ error: (error: unknown) => seen.push(error) });
    expect(seen).toEqual([undefined]);
  });

  test('an error of the work is passed on at once, and unsubscribes from the source', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold('-abc---', events);
      expectObservable(source.pipe(conflateByKey(() => cold('--#')))).toBe('---#');
      expectSubscriptions(source.subscriptions).toBe('^--!');
    });
  });

  test('an error thrown by project is passed on at once, and unsubscribes from the source', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const boom = new Error('boom');
      const source = cold('-abc---', events);
      const failing = conflateByKey((): Observable<never> => {
        throw boom;
      });
      expectObservable(source.pipe(failing)).toBe('-#', undefined, boom);
      expectSubscriptions(source.subscriptions).toBe('^!');
    });
  });

  test('unsubscribing ends the source and the work', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const [source, inner] = [cold('-ab----', events), cold('-----')];
      expectObservable(source.pipe(conflateByKey(() => inner)), '^---!').toBe('-----');
      expectSubscriptions(source.subscriptions).toBe('^---!');
      expectSubscriptions(inner.subscriptions).toBe('-^--!');
    });
  });

  test('does not split a revision', () => {
    runInVirtualTime(({ cold, expectObservable }) => {
      const batches = {
        a: { revision: 5, events: [put('a', '1', 5), put('b', '1', 5)] },
        b: { revision: 6, events: [put('a', '2', 6), put('c', '1', 6)] },
        c: { revision: 7, events: [del('c', 7)] },
      };
      const source = cold('-abc|', batches);
      expectObservable(source.pipe(conflateByKey(slow(5)))).toBe('------x----(y|)', { x: '5: a=1 b=1', y: '7: a=2 -c' });
    });
  });

  test('does not project a revision without events, but keeps its number', () => {
    runInVirtualTime(({ cold, expectObservable }) => {
      const batches: Record<string, WatchBatch> = {
        a: { type: 'events', revision: 5, events: [put('a', '1', 5)] },
        b: { type: 'events', revision: 6, events: [put('a', '2', 6)] },
        p: { type: 'progress', revision: 9, events: [] },
      };
      const source = cold('-p-abp----|', batches);
      expectObservable(source.pipe(conflateByKey(slow(3)))).toBe('------x--y|', { x: '9: a=1', y: '9: a=2' });
    });
  });

  test('distinguishes keys that are not UTF-8 and have the same text', () => {
    const [one, other] = [new Uint8Array([0x61, 0xff]), new Uint8Array([0x61, 0xfe])];
    const source = new Subject<WatchEvent>();
    const seen: number[] = [];
    const release = new Subject<void>();
    source.pipe(conflateByKey(({ events }) => (seen.push(events.length), release))).subscribe();
    for (const event of [put('x', '', 2), put(one, '', 3), put(other, '', 4)]) source.next(event);
    release.complete();
    expect(seen).toEqual([1, 2]);
  });

  test('accepts Promises', async () => {
    const seen: string[] = [];
    const source = of(...Object.values(events)).pipe(
      conflateByKey(async (changes, index) => {
        await Promise.resolve();
        seen.push(shown(changes));
        return index;
      }),
      toArray(),
    );
    const indexes = await new Promise<number[]>((resolve, reject) => source.subscribe({ next: resolve, error: reject }));
    expect(seen).toEqual(['5: a=1', '9: -b a=3']);
    expect(indexes).toEqual([0, 1]);
  });

  test('accepts changes that the work itself causes', () => {
    const source = new Subject<WatchEvent>();
    const seen: string[] = [];
    source
      .pipe(
        conflateByKey((changes) => {
          if (changes.revision < 5) source.next(put('a', '', changes.revision + 1));
          seen.push(shown(changes));
          return EMPTY;
        }),
      )
      .subscribe();
    source.next(put('a', '', 2));
    expect(seen).toEqual(['2: a=', '3: a=', '4: a=', '5: a=']);
  });

  test('buffers at most one change for each key', () => {
    const source = new Subject<WatchEvent>();
    const release = new Subject<void>();
    const seen: number[] = [];
    source.pipe(conflateByKey(({ events }) => (seen.push(events.length), release))).subscribe();
    for (let revision = 2; revision < 20_000; revision++) source.next(put(`key/${revision % 10}`, '', revision));
    release.complete();
    expect(seen).toEqual([1, 10]);
  });
});

test('the projected changes add up to the state of the store, and each step is one of its states', () => {
  const change = fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.option(fc.constantFrom('1', '2')) });
  const txns = fc.array(fc.uniqueArray(change, { selector: ({ key }) => key, minLength: 1, maxLength: 3 }), { maxLength: 12 });
  const plain = (state: ReadonlyMap<string, KeyValue>): Record<string, string> =>
    Object.fromEntries([...state].map(([key, { value }]) => [key, value] as const).sort());
  fc.assert(
    fc.property(txns, fc.integer({ min: 0, max: 5 }), (all, frames) => {
      runInVirtualTime(({ flush }) => {
        const batches = all.map((changes, index) => ({
          revision: index + 2,
          events: changes.map(({ key, value }) => (value === null ? del(key, index + 2) : put(key, value, index + 2))),
        }));
        const truth = new Map<number, unknown>();
        let revision = 1;
        concat(...batches.map((batch) => of(batch)))
          .pipe(foldEvents({ seed: [] }))
          .subscribe((state) => truth.set(revision++, plain(state)));
        // A delete of a missing key changes nothing, and is not a new state.
        const stateAt = (at: number): unknown => {
          const folded: unknown[] = [];
          concat(...batches.filter((batch) => batch.revision <= at).map((batch) => of(batch)))
            .pipe(foldEvents({ seed: [] }))
            .subscribe((state) => folded.push(plain(state)));
          return folded.at(-1);
        };
        const seen: WholeRevision<WatchEvent>[] = [];
        concat(...batches.map((batch, index) => of(batch).pipe(delay(index === 0 ? 0 : 1))))
          .pipe(conflateByKey((changes) => timer(frames).pipe(map(() => changes))))
          .subscribe((changes) => seen.push(changes));
        flush();
        let reached: unknown = {};
        for (let count = 1; count <= seen.length; count++) {
          of(...seen.slice(0, count))
            .pipe(foldEvents({ seed: [] }))
            .subscribe((state) => (reached = plain(state)));
          expect(reached).toEqual(stateAt(seen[count - 1]?.revision ?? NaN));
        }
        if (batches.length > 0) expect(seen.at(-1)?.revision).toBe(batches.at(-1)?.revision);
      });
    }),
    { numRuns: 200 },
  );
});

test('has types for events, puts alone, whole revisions and decoded values', () => {
  const source: Observable<WatchEvent> = of();
  const batches: Observable<WatchBatch> = of();
  const changes = conflateByKey((given: WholeRevision<WatchEvent>) => of(given));
  expectTypeOf(source.pipe(changes)).toEqualTypeOf<Observable<WholeRevision<WatchEvent>>>();
  expectTypeOf(source.pipe(conflateByKey((given) => of(given)))).toEqualTypeOf<Observable<WholeRevision<WatchEvent>>>();
  expectTypeOf(batches.pipe(conflateByKey((given) => of(given)))).toEqualTypeOf<Observable<WholeRevision<WatchEvent>>>();
  expectTypeOf(
    source.pipe(
      puts(),
      conflateByKey((given) => of(given)),
    ),
  ).toEqualTypeOf<Observable<WholeRevision<PutEvent>>>();
  const numbers = source.pipe(puts(), decodeJson(t.number));
  expectTypeOf(numbers.pipe(conflateByKey((given) => of(given)))).toEqualTypeOf<Observable<WholeRevision<Decoded<number>>>>();
  expectTypeOf(source.pipe(conflateByKey(async () => Promise.resolve(5)))).toEqualTypeOf<Observable<number>>();
});

test('rejects an argument that is not a function at once', () => {
  // @ts-expect-error -- a program in JavaScript can give anything
  expect(() => conflateByKey(5)).toThrow('project of conflateByKey: expected a function');
});

test('the example', () => {
  runInVirtualTime(({ flush }) => {
    const batches = eventsOf((server) => {
      for (const value of ['1', '2', '3']) server.put('prices/tea', value);
    }).map((event) => ({ revision: event.revision, events: [event] }));
    const etcd = { watchBatches: () => concat(batches, NEVER) };
    const console = logger();
    const save = (_: number, events: readonly WatchEvent[]): Observable<string> =>
      timer(10).pipe(map(() => `saved ${events.map(({ kv }) => `${kv.key.slice(7)}=${kv.value}`).join(' ')}`));

    const saving = etcd
      .watchBatches()
      .pipe(conflateByKey(({ revision, events }) => save(revision, events)))
      .subscribe((saved) => {
        console.log(saved);
      });
    flush();
    saving.unsubscribe();

    expect(console.lines).toEqual(['saved tea=1', 'saved tea=3']);
  });
});
