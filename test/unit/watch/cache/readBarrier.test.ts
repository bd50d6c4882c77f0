import { describe, expect, test } from '@jest/globals';
import { defer, delay, Observable, of, type Subscription, switchMap, throwError, timer } from 'rxjs';
import { hasReason } from 'rxetcd';
import type { ClusterId } from '../../../../src/model/ids.js';
import { ReadBarrier, type StorePosition } from '../../../../src/watch/cache/readBarrier.js';
import { runInVirtualTime } from '../support.js';

const CLUSTER = '7' as ClusterId;
const SHARE_OF_LARGE = 1_000;

/** A cache and a store, both of which the test moves. */
function scene({ size = SHARE_OF_LARGE, timeoutMs = 5_000 } = {}) {
  const cache = { revision: 10, clusterId: CLUSTER, size, newestChange: 10 };
  const store = { revision: 10, clusterId: CLUSTER, size, newestChange: 10 };
  const sent: string[] = [];
  const seen: string[] = [];
  // The store is read when half of the time has passed.
  const request = (name: string, read: () => Observable<StorePosition>): Observable<StorePosition> =>
    defer(() => {
      sent.push(name);
      return timer(2).pipe(switchMap(read), delay(2));
    });
  const revision = request('revision', () => of({ clusterId: store.clusterId, revision: store.revision }));
  const summary = request('summary', () =>
    of({ clusterId: store.clusterId, revision: store.revision, keys: { count: store.size, newestChange: store.newestChange } }),
  );
  const barrier = new ReadBarrier(cache, { revision, summary }, timeoutMs);
  const read = (name: string, answered?: () => void): Subscription =>
    new Observable<string>((subscriber) => barrier.add(subscriber, () => `${name} at ${cache.revision}`)).subscribe({
      next: (line) => seen.push(line),
      error: (error: unknown) => seen.push(`${name}: ${hasReason(error, 'DeadlineExceeded') ? 'too late' : String(error)}`),
      ...(answered && { complete: answered }),
    });
  const move = (ms: number, run: () => void): void => void timer(ms).subscribe(run);
  return { cache, store, barrier, sent, seen, read, move };
}

describe('a read', () => {
  test('never uses a request that was sent before the read', () => {
    runInVirtualTime(({ flush }) => {
      const { read, sent, seen, move, cache, store, barrier } = scene();
      read('first');
      move(3, () => {
        read('second');
        read('third');
        store.revision = 11;
      });
      move(10, () => {
        expect(seen).toEqual(['first at 10']);
        cache.revision = 11;
        barrier.advance();
      });
      flush();
      expect(sent).toEqual(['revision', 'revision']);
      expect(seen).toEqual(['first at 10', 'second at 11', 'third at 11']);
    });
  });

  test('waits until the cache has reached the revision', () => {
    runInVirtualTime(({ flush }) => {
      const { read, seen, move, cache, store, barrier } = scene();
      store.revision = 12;
      read('one');
      for (const revision of [11, 12])
        move(revision - 4, () => {
          cache.revision = revision;
          barrier.advance();
        });
      flush();
      expect(seen).toEqual(['one at 12']);
    });
  });

  test('completes with a summary if no event follows, and keeps waiting if the summary differs', () => {
    runInVirtualTime(({ flush }) => {
      const { read, seen, sent, move, cache, store, barrier } = scene();
      Object.assign(store, { revision: 20, size: 999 });
      read('one');
      move(100, () => {
        expect(seen).toEqual([]);
        Object.assign(cache, { revision: 15, size: 999 });
        barrier.advance();
      });
      flush();
      expect(sent).toEqual(['revision', 'summary']);
      expect(seen).toEqual(['one at 15']);
    });
  });

  test('needs one request for few keys', () => {
    runInVirtualTime(({ flush }) => {
      const { read, seen, sent, store } = scene({ size: 3 });
      store.revision = 20;
      read('one');
      flush();
      expect(sent).toEqual(['summary']);
      expect(seen).toEqual(['one at 10']);
    });
  });

  test.each([
    ['a lower revision', { revision: 5 }],
    ['another cluster', { clusterId: '8' as ClusterId, revision: 10 }],
  ])('waits for the next list if the store has %s', (_, replaced) => {
    runInVirtualTime(({ flush }) => {
      const { read, seen, sent, move, cache, store, barrier } = scene({ size: 3 });
      Object.assign(store, replaced);
      read('one');
      move(100, () => {
        expect(seen).toEqual([]);
        Object.assign(cache, replaced);
        barrier.restart();
      });
      flush();
      expect(sent).toEqual(['summary', 'summary']);
      expect(seen).toEqual([`one at ${store.revision}`]);
    });
  });

  test('errors after the timeout, and leaves no timer', () => {
    runInVirtualTime(({ flush }) => {
      const { read, seen, store, cache, barrier } = scene({ timeoutMs: 500 });
      Object.assign(store, { revision: 20, newestChange: 20 });
      read('one');
      flush();
      expect(seen).toEqual(['one: too late']);
      cache.revision = 20;
      barrier.advance();
      expect(seen).toEqual(['one: too late']);
    });
  });

  test('that another read unsubscribes does not complete', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, read } = scene();
      const left: Subscription[] = [];
      read('first', () => {
        left.forEach((each) => each.unsubscribe());
        read('during');
      });
      read('second');
      left.push(read('third'), read('fourth'));
      flush();
      expect(seen).toEqual(['first at 10', 'second at 10', 'during at 10']);
    });
  });

  test('that starts when a completed read ends all others has its own request', () => {
    runInVirtualTime(({ flush }) => {
      const { seen, read, sent } = scene();
      // The request of the first is on its way: the other two share the next one.
      read('first');
      read('second', () => {
        read('during');
        last.unsubscribe();
      });
      const last = read('third');
      flush();
      expect(seen).toEqual(['first at 10', 'second at 10', 'during at 10']);
      expect(sent).toHaveLength(3);
    });
  });

  test('fails with the error of its request, and the next read sends another', () => {
    runInVirtualTime(({ flush }) => {
      const seen: string[] = [];
      const cache = { revision: 10, clusterId: CLUSTER, size: 0, newestChange: 0 };
      let failing = true;
      const request = defer(() => (failing ? throwError(() => new Error('down')) : of({ clusterId: CLUSTER, revision: 10 })));
      const barrier = new ReadBarrier(cache, { revision: request, summary: request }, 500);
      const read = (): unknown =>
        new Observable<string>((subscriber) => barrier.add(subscriber, () => 'answered')).subscribe({
          next: (line) => seen.push(line),
          error: (error: unknown) => seen.push(String(error)),
        });
      read();
      failing = false;
      read();
      flush();
      barrier.end(new Error('over'));
      read();
      expect(seen).toEqual(['Error: down', 'answered', 'Error: over']);
    });
  });
});
