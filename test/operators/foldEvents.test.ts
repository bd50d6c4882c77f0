import { describe, expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { map, of, Subject, toArray, type Observable, from } from 'rxjs';
import { afterRevision, byRevision, foldEvents, puts } from '../../operators/index.js';
import type { KeyValue } from '../../src/model/keyValue.js';
import type { WatchEvent } from '../../src/model/events.js';
import { del, kv, logger, put, eventsOf, runInVirtualTime } from './support.js';

type State = ReadonlyMap<string, KeyValue>;

const plain = (state: State): Record<string, string> => Object.fromEntries([...state].map(([key, { value }]) => [key, value]));

function states(events: readonly WatchEvent[], seed?: KeyValue[]): State[] {
  let seen: State[] = [];
  of(...events)
    .pipe(foldEvents(seed === undefined ? {} : { seed }), toArray())
    .subscribe((all) => (seen = all));
  return seen;
}

test('emits the state after each change', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold<WatchEvent>('--a-b-c-|', { a: put('a', '1', 2), b: put('b', '1', 3), c: del('a', 4) });
    expectObservable(source.pipe(foldEvents(), map(plain))).toBe('--x-y-z-|', { x: { a: '1' }, y: { a: '1', b: '1' }, z: { b: '1' } });
    expectSubscriptions(source.subscriptions).toBe('^-------!');
  });
});

test('emits the seed first, even if it is empty', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold<WatchEvent>('--a-#', { a: put('a', '2', 3) });
    expectObservable(source.pipe(foldEvents({ seed: [kv('a', '1', 2)] }), map(plain))).toBe('x-y-#', { x: { a: '1' }, y: { a: '2' } });
    expectObservable(source.pipe(foldEvents({ seed: [] }), map(plain))).toBe('x-y-#', { x: {}, y: { a: '2' } });
    expectSubscriptions(source.subscriptions).toBe(['^---!', '^---!']);
  });
});

test('ignores an event that is not newer than the state', () => {
  expect(states([put('a', 'old', 4), put('a', 'same', 5), del('a', 3), put('b', '1', 4)], [kv('a', '1', 5)]).map(plain)).toEqual([
    { a: '1' },
    { a: '1', b: '1' },
  ]);
});

test('ignores the delete of a missing key', () => {
  expect(states([del('a', 3), put('a', '1', 4), del('a', 5), del('a', 5)]).map(plain)).toEqual([{ a: '1' }, {}]);
});

test('emits one state for a whole revision', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const source = cold<WatchEvent>('-a-b-c-|', { a: put('a', '1', 2), b: put('b', '1', 2), c: del('a', 3) });
    expectObservable(source.pipe(byRevision(), foldEvents(), map(plain))).toBe('-----x-(y|)', { x: { a: '1', b: '1' }, y: { b: '1' } });
  });
});

test('ignores a revision without events, such as a bookmark', () => {
  const seen: State[] = [];
  of({ revision: 5, events: [] })
    .pipe(foldEvents())
    .subscribe((state) => seen.push(state));
  expect(seen).toEqual([]);
});

describe('a state', () => {
  test('never changes after it was emitted', () => {
    const source = new Subject<WatchEvent>();
    const seen: State[] = [];
    source.pipe(foldEvents({ seed: [] })).subscribe((state) => seen.push(state));
    source.next(put('a', '1', 2));
    source.next(put('a', '2', 3));
    source.next(del('a', 4));
    expect(seen.map(plain)).toEqual([{}, { a: '1' }, { a: '2' }, {}]);
  });

  test('has all methods of a ReadonlyMap', () => {
    const state = states([put('a', '1', 2), put('b', '2', 3)])[1];
    if (state === undefined) throw new Error('two events, two states');
    expect(state.size).toBe(2);
    expect([state.has('a'), state.has('c')]).toEqual([true, false]);
    expect([state.get('b')?.value, state.get('c')]).toEqual(['2', undefined]);
    expect([...state.keys()].sort()).toEqual(['a', 'b']);
    expect([...state.values()].map(({ value }) => value).sort()).toEqual(['1', '2']);
    expect([...state.entries()]).toEqual([...state]);
    const seen: unknown[] = [];
    state.forEach(function (this: unknown, value, key, map) {
      seen.push([this, value.value, key, map === state]);
    }, 'me');
    expect(seen).toEqual([
      ['me', '1', 'a', true],
      ['me', '2', 'b', true],
    ]);
    expect(new Map(state).size).toBe(2);
  });

  test('distinguishes keys that are not UTF-8', () => {
    const [one, other] = [put(Uint8Array.of(0xff), '1', 2), put(Uint8Array.of(0xfe), '2', 3)];
    expect(one.kv.key).toBe(other.kv.key);
    expect(plain(states([one, other])[1] ?? new Map())).toEqual({ '\uFFFD/w==': '1', '\uFFFD/g==': '2' });
    const lookalike = put('\uFFFD/w==', '3', 4);
    expect(states([one, other, lookalike])[2]?.size).toBe(3);
  });
});

test('copies the seed once, so that later changes of it have no effect', () => {
  const seed = new Set([kv('a', '1', 2)]);
  const operator = foldEvents({ seed: seed.values() }); // values() can be iterated once
  seed.add(kv('b', '1', 2));
  const first: State[] = [];
  const second: State[] = [];
  of(put('c', '1', 3))
    .pipe(operator)
    .subscribe((state) => first.push(state));
  of(put('d', '1', 3))
    .pipe(operator)
    .subscribe((state) => second.push(state));
  expect(first.map(plain)).toEqual([{ a: '1' }, { a: '1', c: '1' }]);
  expect(second.map(plain)).toEqual([{ a: '1' }, { a: '1', d: '1' }]);
});

test('agrees with a Map from any seed, also if events overlap with it', () => {
  const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), value: fc.option(fc.string(), { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(step), fc.nat(10), fc.nat(10), (steps, listed, overlap) => {
      const events = eventsOf((server) => {
        for (const { key, value } of steps) {
          if (value === undefined) server.delete(key);
          else server.put(key, value);
        }
      });
      const model = new Map<string, KeyValue>();
      const models: Record<string, string>[] = [{}];
      const seeds: KeyValue[][] = [[]];
      for (const { type, kv } of events) {
        if (type === 'put') model.set(kv.key, kv);
        else model.delete(kv.key);
        models.push(plain(model));
        seeds.push([...model.values()]);
      }
      const at = Math.min(listed, events.length);
      const seen: State[] = [];
      of(...events.slice(Math.max(0, at - overlap)))
        .pipe(afterRevision(at + 1), foldEvents({ seed: seeds[at] ?? [] }))
        .subscribe((state) => seen.push(state));
      expect(plain(seen[0] ?? new Map())).toEqual(models[at]);
      expect(plain(seen[seen.length - 1] ?? new Map())).toEqual(models[models.length - 1]);
    }),
  );
});

test('applies an event to a hundred thousand keys at the cost of a hundred', () => {
  const cost = (keys: number): number => {
    const source = new Subject<WatchEvent>();
    const seed = Array.from({ length: keys }, (_, i) => kv(`key${i}`, '', 1));
    let last: State | undefined;
    source.pipe(foldEvents({ seed })).subscribe((state) => (last = state));
    const events = Array.from({ length: 5000 }, (_, i) => put(`key${i % keys}`, 'x', i + 2));
    const start = performance.now();
    for (const event of events) source.next(event);
    const elapsed = performance.now() - start;
    expect(last?.size).toBe(keys);
    return elapsed;
  };
  cost(100);
  // Copying the map for each event would take tens of seconds; the bound is far from both durations, as the machine may
  // be busy.
  expect(cost(100_000)).toBeLessThan(50 * cost(100) + 3000);
});

test('has types for events, puts alone and whole revisions', () => {
  const source: Observable<WatchEvent> = of();
  expectTypeOf(source.pipe(foldEvents())).toEqualTypeOf<Observable<State>>();
  expectTypeOf(source.pipe(puts(), foldEvents())).toEqualTypeOf<Observable<State>>();
  expectTypeOf(source.pipe(byRevision(), foldEvents())).toEqualTypeOf<Observable<State>>();
});

test('rejects an invalid seed at once, with the path of the entry', () => {
  // @ts-expect-error -- a program in JavaScript can give anything
  expect(() => foldEvents({ seed: [undefined] })).toThrow('seed[0] of foldEvents: expected a KeyValue, received nothing');
});

test('the example', () => {
  const etcd = {
    watchBatches: () =>
      from(
        eventsOf((server) => {
          server.put('services/a', '10.0.0.1');
          server.put('services/b', '10.0.0.2');
          server.delete('services/a');
        }),
      ).pipe(byRevision()),
  };
  const console = logger();

  etcd
    .watchBatches()
    .pipe(foldEvents({ seed: [] }))
    .subscribe((services) => {
      console.log(services.size, services.get('services/a')?.value);
    });

  expect(console.lines).toEqual(['0 undefined', '1 10.0.0.1', '2 10.0.0.1', '1 undefined']);
});
