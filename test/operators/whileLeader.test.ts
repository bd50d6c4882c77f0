import { expect, test } from '@jest/globals';
import { concat, defer, finalize, map, NEVER, of, Subject, takeUntil, throwError, timer, type Observable } from 'rxjs';
import { retryBackoff, whileLeader, type RunWhileOptions } from '../../operators/index.js';
import { EtcdError, hasReason } from '../../src/errors/index.js';
import type { OwnershipEvent } from '../../src/model/events.js';
import { logger, virtually } from './support.js';

const leader = { revision: 2 };
const lost = new EtcdError('LockLost', 'lost');

test('the work runs as long as it leads, and is stopped at the loss', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('--L-----#', { L: leader }, lost);
    const work = cold('      a--b--c--d');
    expectObservable(campaign.pipe(whileLeader(() => work))).toBe('--a--b--#', undefined, lost);
    expectSubscriptions(work.subscriptions).toBe('--^-----!');
  });
});

test('the work is stopped before anybody hears of the loss', () => {
  const order: string[] = [];
  concat(
    of(leader),
    throwError(() => lost),
  )
    .pipe(whileLeader(() => NEVER.pipe(finalize(() => order.push('stopped')))))
    .subscribe({ error: () => order.push('error') });
  expect(order).toEqual(['stopped', 'error']);
});

test('resigning stops the work and completes, where switchMap would let it run on', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a--b--c--d');
    expectObservable(cold('--L---|', { L: leader }).pipe(whileLeader(() => work))).toBe('--a--b|');
    expectSubscriptions(work.subscriptions).toBe('--^---!');
  });
});

test('work that resigns itself is ended by it', () => {
  const resigned = new Subject<void>();
  const seen: unknown[] = [];
  const campaign = concat(of({ resign: () => defer(() => of(resigned.next())) }), NEVER).pipe(takeUntil(resigned));
  campaign
    .pipe(whileLeader(({ resign }) => concat(of('working'), resign())))
    .subscribe({ next: (value) => seen.push(value), complete: () => seen.push('done') });
  expect(seen).toEqual(['working', 'done']);
});

test('standing again after a loss runs the work anew', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('-L----#', { L: leader }, lost);
    const standing = campaign.pipe(
      whileLeader(() => cold('a--b--c')),
      retryBackoff({ initialMs: 2, jitter: 0, retryIf: (error) => hasReason(error, 'LockLost') }),
    );
    expectObservable(standing, '^------------!').toBe('-a--b----a--b');
    expectSubscriptions(campaign.subscriptions).toBe(['^-----!', '--------^----!']);
  });
});

test('one without work leads on, unless the leadership is to be given up then', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('-L----', { L: leader });
    expectObservable(campaign.pipe(whileLeader(() => cold('a|'))), '^-----!').toBe('-a----');
    expectObservable(campaign.pipe(whileLeader(() => cold('a-|'), { onComplete: 'release' }))).toBe('-a-|');
    expectSubscriptions(campaign.subscriptions).toBe(['^-----!', '^--!']);
  });
});

test('an error of the work is passed on, and gives the leadership up', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('-L----', { L: leader });
    expectObservable(campaign.pipe(whileLeader(() => cold('a-#')))).toBe('-a-#');
    expectSubscriptions(campaign.subscriptions).toBe('^--!');
  });
});

test('leaving while it waits to be elected runs no work', () => {
  virtually(({ cold, expectObservable, expectSubscriptions }) => {
    const campaign = cold('----L', { L: leader });
    const work = cold('a');
    expectObservable(campaign.pipe(whileLeader(() => work)), '^--!').toBe('---');
    expectSubscriptions(campaign.subscriptions).toBe('^--!');
    expectSubscriptions(work.subscriptions).toBe([]);
  });
});

test('what is not known to be done on completion is refused at once', () => {
  let error: unknown;
  try {
    whileLeader(() => [], { onComplete: 'resign' } as unknown as RunWhileOptions);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  virtually(({ flush }) => {
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
