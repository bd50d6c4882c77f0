/** A process of contenders for locks: each owns one now and then, and counts up under it. Run by `child.ts`; ends with SIGTERM, having given everything back. */
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
import { createClient, isEtcdError, put, type LockHandle } from '../../../src/index.js';
import { randomFrom, type Random } from '../random.js';
import { COUNTERS, LOCKS, machineNow, type Count, type Line, type Orders } from './protocol.js';

const TICK_MS = 10;
/** So many guarded writes at the most for one ownership. */
const MOST_WRITES = 16;

const { endpoint, contenders, locks, ttl, seed } = JSON.parse(process.argv[2] ?? '') as Orders;
const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const etcd = createClient({
  endpoints: endpoint,
  requestTimeoutMs: 2_000,
  streams: { heartbeatMs: 300, responseTimeoutMs: 500, initialBackoffMs: 5, maxBackoffMs: 200 },
});

/** Ownerships of which nobody here was told that they have ended. */
const open = new Set<LockHandle>();

/** Counts up by one as often as it may, each time only if it is still the owner. */
function work(lock: string, ownership: LockHandle, careful: boolean, random: Random): Observable<unknown> {
  const counter = COUNTERS + lock;
  const write = (n: number): Observable<boolean> =>
    defer(() => {
      // One that was stopped knows by this, before it does anything. The others do it, and do not let it be undone: that is what the guard is for.
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
      range(1, random.int(1, MOST_WRITES)).pipe(concatMap((step) => timer(random.int(0, 40)).pipe(switchMap(() => write(before + step))))),
    ),
    takeWhile((done) => done),
  );
}

function own(careful: boolean, random: Random): Observable<unknown> {
  return defer(() => {
    const lock = random.pick(locks);
    let owned: LockHandle | undefined;
    const end = (is: 'lost' | 'released'): void => {
      if (owned !== undefined && open.delete(owned)) say({ is, at: machineNow(), key: owned.key });
    };
    return etcd.lock(LOCKS + lock, { ttl }).pipe(
      tap({
        next: (ownership) => {
          owned = ownership;
          open.add(ownership);
          say({ is: 'owned', at: machineNow(), key: ownership.key });
        },
        error: () => end('lost'),
        // The client is closed.
        complete: () => end('released'),
      }),
      switchMap((ownership) => concat(work(lock, ownership, careful, random).pipe(ignoreElements()), timer(random.int(0, 300)))),
      take(1),
      finalize(() => end('released')),
    );
  });
}

for (let index = 0; index < contenders; index++) {
  const random = randomFrom(seed).fork(`contender ${index}`);
  own(index % 2 === 0, random)
    .pipe(
      catchError((error: unknown) => {
        say({ is: 'failed', reason: isEtcdError(error) ? error.reason : String(error) });
        return EMPTY;
      }),
      repeat({ delay: () => timer(random.int(0, 100)) }),
    )
    .subscribe();
}

interval(TICK_MS).subscribe(() => {
  for (const { key, ...ownership } of openNow()) say({ is: 'tick', key, ...ownership });
});

/** The time is taken first: what is alive then was so at that time. */
function openNow(): { readonly at: number; readonly key: string; readonly alive: boolean }[] {
  return [...open].map((ownership) => ({ at: machineNow(), key: ownership.key, alive: ownership.alive }));
}

process.on('SIGTERM', () => {
  say({ is: 'closing' });
  void etcd.close().then(() => process.exit(0));
});
say({ is: 'ready' });
