import { test } from '@jest/globals';
import { finalize, map, NEVER, of, switchMap, take, timer, type MonoTypeOperatorFunction } from 'rxjs';
import { untilReleased, withLock } from '../../operators/index.js';
import { noteRelease } from '../../src/util/releases.js';
import { runInVirtualTime } from './support.js';

/** A lock whose release takes this long, and fails with `failure`, if given. */
const releasedIn = <T>(ms: number, failure?: Error): MonoTypeOperatorFunction<T> =>
  finalize(() => noteRelease({ ended: timer(ms), failure }));

test('completes when the release of the source has ended', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const work = cold('--o').pipe(
      releasedIn(5),
      switchMap(() => cold('a-b')),
      take(2),
    );
    expectObservable(work.pipe(untilReleased())).toBe('--a-b----|');
    expectObservable(work).toBe('--a-(b|)');
  });
});

test('completes after a release that failed', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const work = cold('-o').pipe(releasedIn(3, new Error('unreachable')), take(1), untilReleased());
    expectObservable(work).toBe('-o--|');
  });
});

test('passes on an error at once', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    expectObservable(cold('-a-#').pipe(releasedIn(5), untilReleased())).toBe('-a-#');
  });
});

test('waits for the release of a source that completes synchronously, and of an inner one', () => {
  runInVirtualTime(({ expectObservable }) => {
    const inner = of('a').pipe(releasedIn(4));
    expectObservable(
      of(1).pipe(
        switchMap(() => inner),
        releasedIn(2),
        untilReleased(),
      ),
    ).toBe('a---|');
  });
});

test('stops waiting when it is unsubscribed from', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    expectObservable(cold('-o').pipe(releasedIn(50), take(1), untilReleased()), '---!').toBe('-o');
  });
});

test('does not wait for a release that began elsewhere', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const other = NEVER.pipe(releasedIn(50)).subscribe();
    const work = cold('-a|').pipe(
      map((value) => value),
      untilReleased(),
    );
    other.unsubscribe();
    expectObservable(work).toBe('-a|');
  });
});

test('the next job of withLock begins after the release of the previous lock', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const lock = cold('o', { o: { revision: 1 } }).pipe(releasedIn(5));
    expectObservable(of(1, 2).pipe(withLock(lock, () => cold('a|')))).toBe('a-----a-----|');
  });
});
