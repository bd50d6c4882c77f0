import {
  AsyncSubject,
  catchError,
  concat,
  concatMap,
  defer,
  EMPTY,
  finalize,
  ignoreElements,
  interval,
  map,
  merge,
  of,
  range,
  repeat,
  switchMap,
  take,
  takeWhile,
  tap,
  timer,
  type Observable,
} from 'rxjs';
import { isEtcdError, put, type Client, type LockHandle } from '../../../src/index.js';
import { randomFrom, type Random } from '../random.js';
import { COUNTERS, LOCKS, type Count, type Line, type Orders } from './protocol.js';

/** The longest pauses of contenders, in milliseconds. */
export interface Tempo {
  /** Between two ticks of a client. A tick reports the owners that the client knows. */
  readonly tickMs: number;
  /** Before each write. */
  readonly writeMs: number;
  /** Before a lock is released, after the last write. */
  readonly holdMs: number;
  /** Between two attempts to acquire. */
  readonly restMs: number;
}

/** The environment of contenders. */
export interface Stage {
  readonly etcd: Client;
  readonly tempo: Tempo;
  /** Milliseconds by the clock that all contenders share. */
  readonly now: () => number;
  readonly say: (line: Line) => void;
}

/** The maximum number of guarded writes for one ownership. */
const MOST_WRITES = 16;

/**
 * Runs contenders for locks: each owns a lock now and then, and increments its counter. They run until they are
 * unsubscribed, or the client is closed.
 */
export function contend(
  { contenders, locks, ttl, seed }: Omit<Orders, 'endpoint' | 'name'>,
  { etcd, tempo, now, say }: Stage,
): Observable<unknown> {
  /** Ownerships whose end was not reported in this process. */
  const open = new Set<LockHandle>();

  /** Increments the counter as often as it may, each time only if it is still the owner. */
  function work(lock: string, ownership: LockHandle, careful: boolean, random: Random): Observable<unknown> {
    const counter = COUNTERS + lock;
    const write = (n: number): Observable<boolean> =>
      defer(() => {
        // A careful contender checks `alive` first, so after a pause of the process it does not write. The others write, and
        // rely on the guard to reject the write.
        if (careful && !ownership.alive) return of(false);
        const count: Count = { n, owner: ownership.revision };
        const writing = etcd.kv.txn({ compare: [ownership.guard], success: [put(counter, JSON.stringify(count))] }).pipe(
          map(({ succeeded }) => succeeded),
          tap((done) => say({ is: 'write', done })),
        );
        if (careful) return writing;
        const written = new AsyncSubject<boolean>();
        writing.subscribe(written);
        return written;
      });
    return etcd.kv.get(counter).pipe(
      map((kv) => (kv === undefined ? 0 : (JSON.parse(kv.value) as Count).n)),
      switchMap((before) =>
        range(1, random.int(1, MOST_WRITES)).pipe(
          concatMap((step) => timer(random.int(0, tempo.writeMs)).pipe(switchMap(() => write(before + step)))),
        ),
      ),
      takeWhile((done) => done),
    );
  }

  function own(careful: boolean, random: Random): Observable<unknown> {
    return defer(() => {
      const lock = random.pick(locks);
      let owned: LockHandle | undefined;
      const end = (is: 'lost' | 'released'): void => {
        if (owned !== undefined && open.delete(owned)) say({ is, at: now(), key: owned.key });
      };
      return etcd.lock(LOCKS + lock, { ttl }).pipe(
        tap({
          next: (ownership) => {
            owned = ownership;
            open.add(ownership);
            say({ is: 'owned', at: now(), key: ownership.key });
          },
          error: () => end('lost'),
          // The client is closed.
          complete: () => end('released'),
        }),
        switchMap((ownership) => concat(work(lock, ownership, careful, random).pipe(ignoreElements()), timer(random.int(0, tempo.holdMs)))),
        take(1),
        finalize(() => end('released')),
      );
    });
  }

  const contenderOf = (index: number): Observable<unknown> => {
    const random = randomFrom(seed).fork(`contender ${index}`);
    return own(index % 2 === 0, random).pipe(
      catchError((error: unknown) => {
        say({ is: 'failed', reason: isEtcdError(error) ? error.reason : String(error) });
        return EMPTY;
      }),
      repeat({ delay: () => timer(random.int(0, tempo.restMs)) }),
    );
  };
  const ticks = interval(tempo.tickMs).pipe(
    tap(() => {
      for (const { key, ...ownership } of openNow()) say({ is: 'tick', key, ...ownership });
    }),
  );
  return merge(ticks, ...Array.from({ length: contenders }, (_, index) => contenderOf(index)));

  /** The time is read first: an owner that is alive afterwards was alive at that time. */
  function openNow(): { readonly at: number; readonly key: string; readonly alive: boolean }[] {
    return [...open].map((ownership) => ({ at: now(), key: ownership.key, alive: ownership.alive }));
  }
}
