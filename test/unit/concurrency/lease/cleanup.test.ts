import { describe, expect, test } from '@jest/globals';
import { EMPTY, map, NEVER, Observable, of, throwError, timer } from 'rxjs';
import { CleanupTracker, type CloseSummary } from '../../../../src/concurrency/lease/cleanup.js';
import { leaseId, type LeaseId } from '../../../../src/model/ids.js';
import { errorOf, ID, runInVirtualTime, type VirtualTime } from '../support.js';

const done = of(undefined);
const inMs = (ms: number): Observable<unknown> => timer(ms).pipe(map(() => undefined));
const idOf = (index: number): LeaseId => leaseId(String(index + 1));

/** How long `settled` takes, and which leases are reported then. */
function closing(
  timeoutMs: number,
  begin: (cleanup: CleanupTracker, time: VirtualTime) => void,
): Promise<CloseSummary & { readonly tookMs: number }> {
  return new Promise((resolve) => {
    runInVirtualTime((time) => {
      const cleanup = new CleanupTracker();
      begin(cleanup, time);
      cleanup.settled(timeoutMs).subscribe(() => resolve({ ...cleanup.summary(), tookMs: time.now() }));
      time.flush();
    });
  });
}

const revokeIn = (ms: number) => () => inMs(ms);

describe('closing a client', () => {
  test('waits for releases in progress, and counts them', async () => {
    expect(
      await closing(10_000, (cleanup) => {
        cleanup.run(done, revokeIn(50), { lease: ID });
        cleanup.run(inMs(100), revokeIn(50), { key: 'a' });
      }),
    ).toEqual({ released: 2, unreleased: [], tookMs: 150 });
  });

  test('takes no time if nothing is held, and counts nothing without a release', async () => {
    expect(
      await closing(10_000, (cleanup) => {
        cleanup.run(EMPTY, revokeIn(50), { lease: ID });
        cleanup.run(done, () => undefined, { lease: ID });
        cleanup.run(
          throwError(() => errorOf('Unreachable')),
          revokeIn(50),
          { lease: ID },
        );
      }),
    ).toEqual({ released: 0, unreleased: [], tookMs: 0 });
  });

  test('lists the failed releases with their errors, and those with an unknown outcome', async () => {
    const refused = errorOf('PermissionDenied');
    const { unreleased } = await closing(10_000, (cleanup, time) => {
      time.at(10, () => cleanup.run(done, () => throwError(() => refused), { lease: ID }));
      cleanup.run(inMs(20), () => throwError(() => refused), { key: 'a' });
      cleanup.run(
        inMs(20).pipe(
          map(() => {
            throw errorOf('AmbiguousWrite');
          }),
        ),
        revokeIn(1),
        { key: 'b' },
      );
    });
    expect(unreleased).toMatchObject([
      { lease: ID, key: undefined, error: { reason: 'PermissionDenied' } },
      { lease: undefined, key: 'a', error: { reason: 'PermissionDenied' } },
      { lease: undefined, key: 'b', error: { reason: 'AmbiguousWrite' } },
    ]);
  });

  test('ends at its timeout, and lists all remaining releases', async () => {
    const { tookMs, released, unreleased } = await closing(10_000, (cleanup) => {
      // A server that takes a second for each request: 512 are sent at a time.
      for (let index = 0; index < 2_000; index++) cleanup.run(done, revokeIn(9_000 + (index % 512) * 10), { lease: idOf(index) });
    });
    expect([tookMs, released]).toEqual([2_000, 0]);
    expect(unreleased).toHaveLength(2_000);
    expect(new Set(unreleased.map(({ lease }) => lease)).size).toBe(2_000);
    expect(unreleased.every(({ error }) => error === undefined)).toBe(true);
  });

  test('waits as long as the server confirms releases, up to its timeout', async () => {
    const slowly = (cleanup: CleanupTracker): void => {
      for (let index = 0; index < 100; index++) cleanup.run(done, revokeIn(1_000 * (index + 1)), { lease: idOf(index) });
    };
    expect(await closing(10_500, slowly)).toMatchObject({ tookMs: 10_500, released: 10, unreleased: { length: 90 } });
    expect(await closing(Infinity, slowly)).toMatchObject({ tookMs: 100_000, released: 100, unreleased: [] });
  });

  test('ends if the server confirms nothing for 2 s, or for a fifth of a longer timeout', async () => {
    const silent = (cleanup: CleanupTracker): void => cleanup.run(done, () => NEVER, { lease: ID });
    expect(await closing(1_000, silent)).toMatchObject({ tookMs: 1_000 });
    expect(await closing(10_000, silent)).toMatchObject({ tookMs: 2_000 });
    expect(await closing(60_000, silent)).toMatchObject({ tookMs: 12_000, unreleased: [{ lease: ID }] });
  });

  test('sends 512 releases at a time, each once, in order', async () => {
    const sent: number[] = [];
    let open = 0;
    let most = 0;
    const revoke = (index: number): Observable<unknown> =>
      new Observable((subscriber) => {
        sent.push(index);
        most = Math.max(most, ++open);
        return timer(10).subscribe(() => {
          open -= 1;
          subscriber.complete();
        });
      });
    const { released, tookMs } = await closing(10_000, (cleanup) => {
      for (let index = 0; index < 5_120; index++) cleanup.run(of(index), revoke, { lease: idOf(index) });
    });
    expect([released, tookMs, most]).toEqual([5_120, 100, 512]);
    expect(sent).toEqual(Array.from({ length: 5_120 }, (_, index) => index));
  });

  test('ends any number of leases at once', async () => {
    const { released } = await closing(10_000, (cleanup) => {
      for (let index = 0; index < 512; index++) cleanup.run(done, revokeIn(10), { lease: ID });
      for (let index = 0; index < 50_000; index++) cleanup.run(done, () => EMPTY, { lease: ID });
    });
    expect(released).toBe(50_512);
  });
});

test('a slot is free when its release has ended, successful or not', () => {
  runInVirtualTime((time) => {
    const cleanup = new CleanupTracker();
    const free: number[] = [];
    const note = (): void => void free.push(time.now());
    cleanup.run(done, revokeIn(100), { key: 'a' }, 'a');
    cleanup.run(done, () => throwError(() => errorOf('PermissionDenied')), { key: 'b' }, 'b');
    for (const place of ['a', 'b', 'c']) cleanup.whenReleased(place).subscribe(note);
    time.flush();
    expect(free).toEqual([0, 0, 100]);
  });
});
