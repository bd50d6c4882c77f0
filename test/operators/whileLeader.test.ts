import { expect, test } from '@jest/globals';
import { concat, defer, finalize, map, NEVER, of, Subject, takeUntil, throwError, timer, type Observable } from 'rxjs';
import { retryBackoff, whileLeader, type RunWhileOptions } from '../../operators/index.js';
import { EtcdError, hasReason } from '../../src/errors/index.js';
import type { OwnershipEvent } from '../../src/model/events.js';
import { logger, runInVirtualTime } from './support.js';

const leader = { revision: 2 };
const lost = new EtcdError('LockLost', 'lost');

test('runs the work while it leads, and stops it at the loss', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('--L-----#', { L: leader }, lost);
    const work = cold('      a--b--c--d');
    expectObservable(campaign.pipe(whileLeader(() => work))).toBe('--a--b--#', undefined, lost);
    expectSubscriptions(work.subscriptions).toBe('--^-----!');
  });
});

test('stops the work before the loss is emitted', () => {
  const order: string[] = [];
  concat(
    of(leader),
    throwError(() => lost),
  )
    .pipe(whileLeader(() => NEVER.pipe(finalize(() => order.push('stopped')))))
    .subscribe({ error: () => order.push('error') });
  expect(order).toEqual(['stopped', 'error']);
});

test('resigning stops the work and completes, unlike switchMap', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a--b--c--d');
    expectObservable(cold('--L---|', { L: leader }).pipe(whileLeader(() => work))).toBe('--a--b|');
    expectSubscriptions(work.subscriptions).toBe('--^---!');
  });
});

test('ends work that resigns by itself', () => {
  const resigned = new Subject<void>();
  const seen: unknown[] = [];
  const campaign = concat(of({ resign: () => defer(() => of(resigned.next())) }), NEVER).pipe(takeUntil(resigned));
  campaign
    .pipe(whileLeader(({ resign }) => concat(of('working'), resign())))
    .subscribe({ next: (value) => seen.push(value), complete: () => seen.push('done') });
  expect(seen).toEqual(['working', 'done']);
});

test('runs the work again after the next election', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('-L----#', { L: leader }, lost);
    const standing = campaign.pipe(
      whileLeader(() => cold('a--b--c')),
      retryBackoff({ initialMs: 2, jitter: 0, retryIf: (error) => hasReason(error, 'LockLost') }),
    );
    expectObservable(standing, '^------------!').toBe('-a--b----a--b');
    expectSubscriptions(campaign.subscriptions).toBe(['^-----!', '--------^----!']);
  });
});

test('keeps leading after the work has completed, unless `onComplete` is to resign', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('-L----', { L: leader });
    expectObservable(campaign.pipe(whileLeader(() => cold('a|'))), '^-----!').toBe('-a----');
    expectObservable(campaign.pipe(whileLeader(() => cold('a-|'), { onComplete: 'release' }))).toBe('-a-|');
    expectSubscriptions(campaign.subscriptions).toBe(['^-----!', '^--!']);
  });
});

test('passes on an error of the work, and resigns', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('-L----', { L: leader });
    expectObservable(campaign.pipe(whileLeader(() => cold('a-#')))).toBe('-a-#');
    expectSubscriptions(campaign.subscriptions).toBe('^--!');
  });
});

test('runs no work if it is unsubscribed before the election', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('----L', { L: leader });
    const work = cold('a');
    expectObservable(campaign.pipe(whileLeader(() => work)), '^--!').toBe('---');
    expectSubscriptions(campaign.subscriptions).toBe('^--!');
    expectSubscriptions(work.subscriptions).toBe([]);
  });
});

test('rejects an unknown action for completion at once', () => {
  let error: unknown;
  try {
    whileLeader(() => [], { onComplete: 'resign' } as unknown as RunWhileOptions);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  runInVirtualTime(({ flush }) => {
    const campaign: Observable<OwnershipEvent<typeof leader>> = concat(
      of({ type: 'owned', revision: 2 } as const),
      timer(1_500).pipe(map(() => ({ type: 'lost', error: lost }) as const)),
      of({ type: 'owned', revision: 9 } as const),
      NEVER,
    );
    const etcd = { election: () => ({ campaign: () => campaign }) };
    const console = logger();

    const leading = etcd
      .election()
      .campaign()
      .pipe(
        whileLeader(({ revision }) => timer(0, 1_000).pipe(map((tick) => `${revision}: tick ${tick}`))),
        takeUntil(timer(2_000)),
      );
    leading.subscribe((line) => console.log(line));
    flush();

    expect(console.lines).toEqual(['2: tick 0', '2: tick 1', '9: tick 0']);
  });
});
