import { describe, expect, test } from '@jest/globals';
import {
  asyncScheduler,
  concat,
  defer,
  finalize,
  identity,
  NEVER,
  type Observable,
  of,
  ReplaySubject,
  retry,
  Subject,
  take,
  tap,
  throwError,
  timer,
} from 'rxjs';
import { RefCountedMap } from '../../../src/watch/refCounted.js';
import { runInVirtualTime, watching, type Seen } from './support.js';

const GRACE_MS = 1_000;

/** A map of shared sources, which are subjects that the test creates and counts. */
function setUp({ late: keep }: { late?: (last: string) => string } = {}) {
  const closed = new ReplaySubject<void>(1);
  const shared = new RefCountedMap<string>(closed, {
    lingerMs: GRACE_MS,
    ...(keep === undefined ? {} : { replay: { keep, toFirst: identity } }),
  });
  const made: { readonly key: string; readonly source: Subject<string>; live: boolean }[] = [];
  const of = (key: string): Observable<string> =>
    shared.of(key, () =>
      defer(() => {
        const one = { key, source: new Subject<string>(), live: true };
        made.push(one);
        return one.source.pipe(finalize(() => (one.live = false)));
      }),
    );
  return { closed, shared, of, made };
}

describe('one key', () => {
  test('has one source for all subscribers, and another key has its own', () => {
    const { of, made } = setUp();
    const seen = [watching(of('a')), watching(of('a')), watching(of('b'))];
    made[0]?.source.next('x');
    made[1]?.source.next('y');
    expect(made.map(({ key }) => key)).toEqual(['a', 'b']);
    expect(seen.map(({ values }) => values)).toEqual([['x'], ['x'], ['y']]);
  });

  test('notifies the current subscribers, in whatever order they leave, and ends after the last', () => {
    runInVirtualTime(({ flush }) => {
      const { of, made } = setUp();
      const seen = [watching(of('a')), watching(of('a')), watching(of('a'))];
      for (const [round, leaving] of [1, 0, 2].entries()) {
        made[0]?.source.next(String(round));
        seen[leaving]?.leave();
      }
      flush();
      expect(seen.map(({ values }) => values)).toEqual([['0', '1'], ['0'], ['0', '1', '2']]);
      expect(made.map(({ live }) => live)).toEqual([false]);
    });
  });

  test('has no source before the first subscription', () => {
    const { of, made } = setUp();
    void of('a');
    expect(made).toEqual([]);
  });

  test('continues without a subscriber for lingerMs, and no longer', () => {
    runInVirtualTime(({ flush }) => {
      const { of, made } = setUp();
      const live: (boolean | undefined)[] = [];
      watching(of('a')).leave();
      for (const at of [GRACE_MS - 1, GRACE_MS + 1]) timer(at).subscribe(() => live.push(made[0]?.live));
      flush();
      expect(live).toEqual([true, false]);
    });
  });

  test('is the same for subscribers within lingerMs, repeatedly', () => {
    runInVirtualTime(({ flush }) => {
      const { of, made } = setUp();
      const visit = (at: number): void => void timer(at).subscribe(() => watching(of('a')).leave());
      for (let at = 0; at < 10 * GRACE_MS; at += GRACE_MS - 1) visit(at);
      flush();
      expect(made).toHaveLength(1);
      expect(made[0]?.live).toBe(false);
    });
  });

  test('is another after lingerMs, without state of the previous one', () => {
    runInVirtualTime(({ flush }) => {
      const { of, made } = setUp({ late: (last) => `was ${last}` });
      const first = watching(of('a'));
      made[0]?.source.next('x');
      first.leave();
      let second: Seen<string> | undefined;
      timer(GRACE_MS + 1).subscribe(() => (second = watching(of('a'))));
      timer(GRACE_MS + 2).subscribe(() => made[1]?.source.next('y'));
      flush();
      expect(second?.values).toEqual(['y']);
      expect(made[0]?.live).toBe(false);
    });
  });

  test('is not retained by ten thousand subscriptions that ended', () => {
    runInVirtualTime(({ flush }) => {
      const { of, made } = setUp();
      for (let round = 0; round < 10_000; round++) watching(of(`key ${round % 10}`)).leave();
      flush();
      expect(made).toHaveLength(10);
      expect(made.filter(({ live }) => live)).toEqual([]);
      // The linger timer of the last one was the only one left.
      expect(asyncScheduler.now()).toBe(GRACE_MS);
    });
  });
});

describe('a late subscriber', () => {
  test('starts with the next value by default', () => {
    const { of, made } = setUp();
    watching(of('a'));
    made[0]?.source.next('x');
    const late = watching(of('a'));
    made[0]?.source.next('y');
    expect(late.values).toEqual(['y']);
  });

  test('starts with a value derived from the last one, and receives none twice', () => {
    const { of, made } = setUp({ late: (last) => `was ${last}` });
    const first = watching(of('a'));
    const second = watching(of('a'));
    made[0]?.source.next('x');
    const third = watching(of('a'));
    made[0]?.source.next('y');
    expect([first, second, third].map(({ values }) => values)).toEqual([
      ['x', 'y'],
      ['x', 'y'],
      ['was x', 'y'],
    ]);
  });

  test('that subscribes during a value receives it once', () => {
    const { of, made } = setUp({ late: (last) => `was ${last}` });
    let inside: ReturnType<typeof watching<string>> | undefined;
    watching(of('a').pipe(tap(() => (inside ??= watching(of('a'))))));
    made[0]?.source.next('x');
    made[0]?.source.next('y');
    expect(inside?.values).toEqual(['was x', 'y']);
  });

  test('after an error does not start with a value from before it', () => {
    const { of, made } = setUp({ late: (last) => `was ${last}` });
    watching(of('a'));
    made[0]?.source.next('x');
    made[0]?.source.error(new Error('broken'));
    const late = watching(of('a'));
    made[1]?.source.next('y');
    expect(late.values).toEqual(['y']);
  });
});

describe('when a source fails', () => {
  test('all subscribers are notified, and the next one gets a new source', () => {
    const { of, made } = setUp();
    const seen = [watching(of('a')), watching(of('a'))];
    made[0]?.source.error(new Error('broken'));
    watching(of('a'));
    expect(seen.map(({ errors }) => errors)).toEqual([[new Error('broken')], [new Error('broken')]]);
    expect(made).toHaveLength(2);
  });

  test('all that subscribe again at once share one new source, from its beginning', () => {
    const { of, made } = setUp({ late: (last) => `was ${last}` });
    const seen = [watching(of('a').pipe(retry(1))), watching(of('a').pipe(retry(1)))];
    made[0]?.source.next('x');
    made[0]?.source.error(new Error('broken'));
    seen.push(watching(of('a')));
    expect(made.map(({ live }) => live)).toEqual([false, true]);
    made[1]?.source.next('y');
    expect(seen.map(({ values }) => values)).toEqual([['x', 'y'], ['x', 'y'], ['y']]);
  });

  test('on creation, nothing stays behind', () => {
    const { shared } = setUp();
    const broken = watching(shared.of('a', () => { throw new Error('broken'); })); // prettier-ignore
    expect(broken.errors).toEqual([new Error('broken')]);
    expect(watching(shared.of('a', () => of('fine'))).values).toEqual(['fine']);
  });
});

describe('a source that emits synchronously', () => {
  test('is complete for its first subscriber, and removed when it completed', () => {
    const { shared } = setUp();
    const once = (): Observable<string> => shared.of('a', () => of('x', 'y'));
    for (const seen of [watching(once()), watching(once())]) expect([seen.values, seen.completed]).toEqual([['x', 'y'], true]);
  });

  test('stops lingerMs after its only subscriber has unsubscribed', () => {
    runInVirtualTime(({ flush }) => {
      const { shared } = setUp();
      let stopped = false;
      const source = concat(of('x', 'y'), NEVER).pipe(finalize(() => (stopped = true)));
      expect(watching(shared.of('a', () => source).pipe(take(1))).values).toEqual(['x']);
      flush();
      expect(stopped).toBe(true);
    });
  });

  test('and fails is created again for the next subscriber', () => {
    const { shared } = setUp();
    let made = 0;
    const failing = shared.of('a', () => throwError(() => new Error(`broken ${++made}`)));
    expect([watching(failing), watching(failing)].map(({ errors }) => errors)).toEqual([[new Error('broken 1')], [new Error('broken 2')]]);
  });
});

describe('when the client is closed', () => {
  test('all complete, sources end, and no timer keeps the process alive', () => {
    runInVirtualTime(({ flush }) => {
      const { of, made, closed } = setUp();
      const [seen, leaving] = [watching(of('a')), watching(of('b'))];
      leaving.leave();
      closed.next();
      expect([seen.completed, made.map(({ live }) => live)]).toEqual([true, [false, false]]);
      flush();
      expect(asyncScheduler.now()).toBe(0);
    });
  });

  test('a later subscriber completes, and no source is created', () => {
    const { of, made, closed } = setUp();
    closed.next();
    expect(watching(of('a')).completed).toBe(true);
    expect(made).toEqual([]);
  });

  test('a subscriber that comes while others complete does so as well, and no source is created', () => {
    const { of, made, closed } = setUp();
    const late: Seen<string>[] = [];
    of('a').subscribe({ complete: () => late.push(watching(of('a'))) });
    watching(of('b'));
    closed.next();
    expect(late.map(({ completed }) => completed)).toEqual([true]);
    expect(made.map(({ key, live }) => [key, live])).toEqual([
      ['a', false],
      ['b', false],
    ]);
  });
});
