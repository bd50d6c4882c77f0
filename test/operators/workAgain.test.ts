import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, concat, defer, finalize, map, NEVER, of, throwError, timer, type Observable } from 'rxjs';
import { isTransientError, whileLeader, withLease, withLock } from '../../operators/index.js';
import { EtcdError, type Reason } from '../../src/errors/index.js';
import type { OwnershipEvent } from '../../src/model/events.js';
import { runInVirtualTime } from './support.js';

interface Held {
  readonly id: number;
}

const lost = new EtcdError('LockLost', 'lost');

/** Acquired at once, as 1; lost after this many milliseconds, and acquired as 2 a second later. */
const ownedUntil = (lostAtMs: number): Observable<OwnershipEvent<Held>> =>
  concat(
    of({ type: 'owned', id: 1 } as const),
    timer(lostAtMs).pipe(map(() => ({ type: 'lost', error: lost }) as const)),
    timer(1_000).pipe(map(() => ({ type: 'owned', id: 2 }) as const)),
    NEVER,
  );
const leasedUntil = (lostAtMs: number) =>
  ownedUntil(lostAtMs).pipe(
    map((event) =>
      event.type === 'owned'
        ? { type: 'granted', lease: { id: event.id, onLost: 'regrant' } }
        : { type: 'lost', lease: { id: 1, onLost: 'regrant' } },
    ),
  );

type Run = (lostAtMs: number, work: (held: Held) => Observable<unknown>) => Observable<unknown>;

/** The operators that run work, on a source that continues after each loss. */
const OPERATORS: readonly (readonly [string, Run])[] = [
  ['whileLeader', (lostAtMs, work) => ownedUntil(lostAtMs).pipe(whileLeader(work))],
  ['withLock', (lostAtMs, work) => concat(of('job'), NEVER).pipe(withLock(ownedUntil(lostAtMs), (_, held) => work(held)))],
  ['withLease', (lostAtMs, work) => leasedUntil(lostAtMs).pipe(withLease(work))],
];

/** The steps by virtual time. */
function happens(
  run: Run,
  lostAtMs: number,
  work: (held: Held, fail: () => Observable<never>) => Observable<unknown>,
  reason: Reason = 'Unreachable',
) {
  const seen: { readonly at: number; readonly what: string }[] = [];
  runInVirtualTime(({ flush }) => {
    const note = (what: string): void => void seen.push({ at: asyncScheduler.now(), what });
    const fail = (): Observable<never> => throwError(() => new EtcdError(reason, ''));
    const running = run(lostAtMs, (held) =>
      defer(() => {
        note(`begun ${held.id}`);
        return work(held, fail).pipe(finalize(() => note(`over ${held.id}`)));
      }),
    ).subscribe({ next: (value) => note(String(value)), error: (error: EtcdError) => note(error.reason) });
    timer(10_000).subscribe(() => running.unsubscribe());
    flush();
  });
  return seen;
}

describe.each(OPERATORS)('%s, on a source that continues after each loss', (_, run) => {
  test('stops the work at the loss, and runs it again', () => {
    const seen = happens(run, 2_000, () => NEVER);
    expect(seen).toEqual([
      { at: 0, what: 'begun 1' },
      { at: 2_000, what: 'over 1' },
      { at: 3_000, what: 'begun 2' },
      { at: 10_000, what: 'over 2' },
    ]);
  });

  test.each([
    'Unreachable',
    'ConnectionLost',
    'DeadlineExceeded',
    'AmbiguousWrite',
    'LockLost',
    'LeaseLost',
    'LeaseNotFound',
    'NoSpace',
  ] as const)('runs work again that fails with %s, with growing pauses, until the loss', (reason) => {
    const seen = happens(run, 2_000, ({ id }, fail) => (id === 1 ? fail() : of('done')), reason);
    const begun = seen.filter(({ what }) => what === 'begun 1').map(({ at }) => at);
    // 100, 200, 400, 800 ms, each up to a fifth shorter.
    expect(begun.length).toBe(5);
    const pauses = begun.slice(1).map((at, index) => at - (begun[index] ?? 0));
    pauses.forEach((ms, index) => expect([ms >= 80 * 2 ** index, ms <= 100 * 2 ** index]).toEqual([true, true]));
    expect(seen.slice(-3)).toEqual([
      { at: 3_000, what: 'begun 2' },
      { at: 3_000, what: 'done' },
      { at: 3_000, what: 'over 2' },
    ]);
  });

  test('resets the pauses when the work emits', () => {
    const seen = happens(run, 5_000, (_, fail) => concat(timer(500).pipe(map(() => 'a')), fail()));
    const begun = seen.filter(({ what }) => what === 'begun 1').map(({ at }) => at);
    const pauses = begun.slice(1).map((at, index) => at - (begun[index] ?? 0) - 500);
    expect(pauses.length).toBeGreaterThan(5);
    for (const ms of pauses) expect([ms >= 80, ms <= 100]).toEqual([true, true]);
  });

  test.each(['PermissionDenied', 'InvalidArgument', 'ClientClosed', 'Conflict'] as const)('passes on %s of the work', (reason) => {
    expect(happens(run, 2_000, (_, fail) => fail(), reason).map(({ what }) => what)).toEqual(['begun 1', reason, 'over 1']);
  });
});

describe('a lock or lease without `reacquire`', () => {
  test.each<[string, (work: () => Observable<unknown>) => Observable<unknown>]>([
    ['whileLeader', (work) => concat(of({ id: 1 }), NEVER).pipe(whileLeader(work))],
    ['withLock', (work) => of('job').pipe(withLock(concat(of({ id: 1 }), NEVER), work))],
    ['withLease', (work) => concat(of({ type: 'granted', lease: { id: 1, onLost: 'error' } }), NEVER).pipe(withLease(work))],
  ])('runs its work once, whatever it fails with: %s', (_, run) => {
    for (const reason of ['Unreachable', 'AmbiguousWrite'] as const)
      expect(
        happens(
          (_, work) => run(() => work({ id: 1 })),
          0,
          (_, fail) => fail(),
          reason,
        ).map(({ what }) => what),
      ).toEqual(['begun 1', reason, 'over 1']);
  });
});

describe('isTransientError', () => {
  test.each<[Reason, boolean]>([
    ['Unreachable', true],
    ['ConnectionLost', true],
    ['NoLeader', true],
    ['TooManyRequests', true],
    ['AmbiguousWrite', false],
    ['LockLost', false],
    ['PermissionDenied', false],
    ['ClientClosed', false],
  ])('returns for %s: %s', (reason, passes) => {
    expect(isTransientError(new EtcdError(reason, ''))).toBe(passes);
  });

  test('returns false for errors that are not of etcd', () => {
    expect([new Error('Unreachable'), { code: 'Unavailable' }, undefined, 'NoLeader'].map(isTransientError)).toEqual(Array(4).fill(false));
  });
});
