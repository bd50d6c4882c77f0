import { describe, expect, test } from '@jest/globals';
import { expectTypeOf } from 'expect-type';
import fc from 'fast-check';
import { concat, defer, from, map, NEVER, of, take, throwError, timer, zip, type Observable } from 'rxjs';
import { byRevision, resumeFromRevision, type WholeRevision } from '../../operators/index.js';
import { CompactedError, EtcdError } from '../../src/errors/index.js';
import { logger, runInVirtualTime } from './support.js';

interface Item {
  readonly revision: number;
  readonly key: string;
}

const lost = new EtcdError('ConnectionLost', 'lost');
const compacted = new CompactedError('compacted');
const item = (revision: number, key: string): Item => ({ revision, key });
const [a5, b6, c6, d7] = [item(5, 'a'), item(6, 'b'), item(6, 'c'), item(7, 'd')];
const items = { a: a5, b: b6, c: c6, d: d7 };

/** A factory that returns these streams, one after the other, and records its arguments. */
function streams<T>(...list: Observable<T>[]): {
  readonly factory: (from: number | undefined) => Observable<T>;
  readonly asked: (number | undefined)[];
} {
  const asked: (number | undefined)[] = [];
  return {
    asked,
    factory: (fromRevision) => {
      asked.push(fromRevision);
      return list[asked.length - 1] ?? NEVER;
    },
  };
}

describe('after a broken stream', () => {
  test('in the middle of a revision, emits the rest of it, and nothing twice', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions, flush }) => {
      const [first, second] = [cold('-a-b-#', items, lost), cold('-b-c-d-', items)];
      const { factory, asked } = streams(first, second);
      expectObservable(resumeFromRevision(factory, { startRevision: 5, initialMs: 2, jitter: 0 }), '^-------------!').toBe(
        '-a-b------c-d--',
        items,
      );
      expectSubscriptions(first.subscriptions).toBe('^----!');
      expectSubscriptions(second.subscriptions).toBe('-------^------!');
      flush();
      expect(asked).toEqual([5, 6]);
    });
  });

  test('after completion, resumes as after an error', () => {
    runInVirtualTime(({ cold, expectObservable, flush }) => {
      const { factory, asked } = streams(cold('-a-b-|', items), cold('-b-c-d-', items));
      expectObservable(resumeFromRevision(factory, { initialMs: 2, jitter: 0 }), '^-------------!').toBe('-a-b------c-d--', items);
      flush();
      expect(asked).toEqual([undefined, 6]);
    });
  });

  test('before the first item, resumes at the initial start', () => {
    runInVirtualTime(({ cold, expectObservable, flush }) => {
      const { factory, asked } = streams(cold('-#', items, lost), cold('-#', items, lost), cold('-a', items));
      expectObservable(resumeFromRevision(factory, { startRevision: 5, initialMs: 1, jitter: 0 }), '^--------!').toBe('------a', items);
      flush();
      expect(asked).toEqual([5, 5, 5]);
    });
  });

  test('does not reset the pauses by repeated items, but by new ones', () => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const source = cold<Item>('a#', { a: item(5, 'a') }, lost);
      expectObservable(
        resumeFromRevision(() => source, { initialMs: 1, jitter: 0 }),
        '^-----------!',
      ).toBe('a', { a: item(5, 'a') });
      expectSubscriptions(source.subscriptions).toBe(['^!', '--^!', '-----^!', '----------^!']);
    });
  });

  test('treats a factory that throws like a broken stream', () => {
    runInVirtualTime(({ expectObservable }) => {
      let calls = 0;
      const factory = (): Observable<Item> => {
        if (calls++ === 0) throw lost;
        return of(a5);
      };
      expectObservable(resumeFromRevision(factory, { initialMs: 2, jitter: 0, resumeOnComplete: false })).toBe('--(a|)', items);
    });
  });
});

test('requests whole revisions from the next one on, as the last may be compacted', () => {
  runInVirtualTime(({ cold, expectObservable, flush }) => {
    const { factory, asked } = streams(cold('-a-b-#', items, lost), cold('-b-d-', items));
    expectObservable(resumeFromRevision(factory, { wholeRevisions: true, initialMs: 2, jitter: 0 }), '^-------------!').toBe(
      '-a-b------d',
      items,
    );
    flush();
    expect(asked).toEqual([undefined, 7]);
  });
});

test('passes on an error that is not transient', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a-#', items, compacted);
    expectObservable(resumeFromRevision(() => source)).toBe('-a-#', items, compacted);
    expectSubscriptions(source.subscriptions).toBe('^--!');
  });
});

test('errors after the last retry, also on completion', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const error = new EtcdError('ConnectionLost', 'the source completed, but was expected to continue');
    expectObservable(resumeFromRevision(() => cold<Item>('-|'), { maxRetries: 1, initialMs: 1, jitter: 0 })).toBe('---#', items, error);
  });
});

test('passes on completion if requested', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const { factory } = streams(cold('-a-#', items, lost), cold('-a-b-|', items));
    expectObservable(resumeFromRevision(factory, { resumeOnComplete: false, initialMs: 1, jitter: 0 })).toBe('-a-----b-|', items);
  });
});

test('drops items before the start, also if a stream ignores the revision', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const source = cold('-abcd#', items, lost);
    expectObservable(
      resumeFromRevision(() => source, { startRevision: 6, initialMs: 1, jitter: 0 }),
      '^----------------!',
    ).toBe('--bcd', items);
  });
});

test('unsubscribing during a pause ends it', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const source = cold('-a#', items, lost);
    expectObservable(
      resumeFromRevision(() => source, { initialMs: 10, jitter: 0 }),
      '^----!',
    ).toBe('-a---', items);
    expectSubscriptions(source.subscriptions).toBe('^-!');
  });
});

test('take(1) stops a synchronous stream', () => {
  let taken = 0;
  const factory = (): Observable<Item> => from([a5, b6, d7]).pipe(map((value) => (taken++, value)));
  resumeFromRevision(factory).pipe(take(1)).subscribe();
  expect(taken).toBe(1);
});

test('keeps a separate cursor for each subscriber', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const result = resumeFromRevision(() => cold('-a-b-|', items), { startRevision: 5, resumeOnComplete: false });
    expectObservable(result).toBe('-a-b-|', items);
    expectObservable(result, '---^').toBe('----a-b-|', items);
  });
});

test('errors at an item without a revision', () => {
  let message = '';
  // @ts-expect-error items without a revision need revisionOf
  resumeFromRevision(() => of({ key: 'a' })).subscribe({ error: (error: Error) => (message = error.message) });
  expect(message).toContain('revisionOf');
});

test('revisionOf returns the revision of an item', () => {
  const result = resumeFromRevision(() => of({ at: 5 }), { revisionOf: ({ at }) => at, resumeOnComplete: false });
  expectTypeOf(result).toEqualTypeOf<Observable<{ at: number }>>();
  const seen: unknown[] = [];
  result.subscribe((value) => seen.push(value));
  expect(seen).toEqual([{ at: 5 }]);
});

describe('breaks at any point lose, repeat or reorder nothing', () => {
  /** The gaps between revisions, and the number of events of each. */
  const history = fc
    .array(fc.record({ gap: fc.integer({ min: 1, max: 3 }), size: fc.integer({ min: 1, max: 4 }) }), { minLength: 1, maxLength: 12 })
    .map((revisions) => {
      let revision = 1;
      return revisions.flatMap(({ gap, size }) => {
        revision += gap;
        return Array.from({ length: size }, (_, i) => item(revision, `k${i}`));
      });
    });
  /**
   * How a stream ends: after this many items, by error or completion; whether it emits synchronously; and whether it
   * starts too early.
   */
  const cuts = fc.array(fc.record({ after: fc.nat(8), error: fc.boolean(), spread: fc.boolean(), early: fc.nat(3) }), { maxLength: 12 });
  type Cuts = typeof cuts extends fc.Arbitrary<infer C> ? C : never;

  /** A store of events whose streams are cut at `cuts`. After the last cut, a stream is complete and stays open. */
  function cutting<T extends { readonly revision: number }>(all: readonly T[], list: Cuts): (from: number | undefined) => Observable<T> {
    let attempt = 0;
    return (fromRevision = 1) => {
      const cut = list[attempt++];
      const items = all.filter(({ revision }) => revision >= fromRevision - (cut?.early ?? 0));
      if (cut === undefined) return concat(from(items), NEVER);
      const some = items.slice(0, cut.after);
      const stream = cut.spread ? zip(from(some), timer(0, 1)).pipe(map(([value]) => value)) : from(some);
      return cut.error
        ? concat(
            stream,
            throwError(() => lost),
          )
        : stream;
    };
  }

  function delivered<T extends { readonly revision: number }>(all: readonly T[], list: Cuts, config: { wholeRevisions?: boolean }): T[] {
    const seen: T[] = [];
    runInVirtualTime(({ flush }) => {
      const subscription = resumeFromRevision(cutting(all, list), { startRevision: 1, initialMs: 1, maxMs: 4, ...config }).subscribe(
        (value) => seen.push(value),
      );
      flush();
      subscription.unsubscribe();
    });
    return seen;
  }

  test('with single events', () => {
    fc.assert(
      fc.property(history, cuts, (all, list) => expect(delivered(all, list, {})).toEqual(all)),
      { numRuns: 500 },
    );
  });

  test('with whole revisions', () => {
    fc.assert(
      fc.property(history, cuts, (all, list) => {
        let whole: WholeRevision<Item>[] = [];
        const groups: WholeRevision<Item>[] = [];
        from(all)
          .pipe(byRevision())
          .subscribe((group) => groups.push(group));
        whole = delivered(groups, list, { wholeRevisions: true });
        expect(whole).toEqual(groups);
        expect(delivered(groups, list, {})).toEqual(groups);
      }),
      { numRuns: 300 },
    );
  });
});

test('the example', () => {
  runInVirtualTime(({ flush }) => {
    const line = (revision: number, text: string) => ({ revision, text });
    const answers = [
      concat(
        of(line(1, 'a'), line(2, 'b')),
        throwError(() => new TypeError('terminated')),
      ),
      concat(of(line(2, 'b'), line(2, 'c'), line(3, 'd')), NEVER),
    ];
    const asked: number[] = [];
    const console = logger();
    const history = (fromRevision = 1) =>
      defer(() => {
        asked.push(fromRevision);
        return answers.shift() ?? NEVER;
      });

    resumeFromRevision(history, { startRevision: 1, maxMs: 5_000, retryIf: () => true }).subscribe(({ revision, text }) =>
      console.log(revision, text),
    );
    flush();

    expect(console.lines).toEqual(['1 a', '2 b', '2 c', '3 d']);
    expect(asked).toEqual([1, 2]);
  });
});
