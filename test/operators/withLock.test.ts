import { describe, expect, test } from '@jest/globals';
import { concat, defer, finalize, map, NEVER, of, throwError, type Observable } from 'rxjs';
import { withLock, type WithLockOptions } from '../../operators/index.js';
import { EtcdError, hasReason } from '../../src/errors/index.js';
import { logger, runInVirtualTime } from './support.js';

const owned = { o: { revision: 7 } };
const lost = new EtcdError('LockLost', 'lost');

test('runs a job once the lock is owned, and releases the lock when the job completes', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const lock = cold('--o-------', owned);
    const work = cold('a-b|');
    expectObservable(cold('-1-------|').pipe(withLock(lock, () => work))).toBe('---a-b---|');
    expectSubscriptions(lock.subscriptions).toBe('-^----!');
    expectSubscriptions(work.subscriptions).toBe('---^--!');
  });
});

test('passes the job and the ownership to the work', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    const result = cold('-(12|)').pipe(withLock(cold('o', owned), (job, { revision }) => of(`${job}@${revision}`)));
    expectObservable(result).toBe('-(ab|)', { a: '1@7', b: '2@7' });
  });
});

describe('a job that arrives while another runs', () => {
  // Jobs at 1 and 4; a lock is owned after 1, and the work takes 5.
  test.each([
    { strategy: undefined, result: '--a----xa----(x|)', locks: ['-^-----!', '-------^-----!'], works: ['--^----!', '--------^----!'] },
    { strategy: 'concat', result: '--a----xa----(x|)', locks: ['-^-----!', '-------^-----!'], works: ['--^----!', '--------^----!'] },
    { strategy: 'switch', result: '--a--a----x-|', locks: ['-^--!', '----^-----!'], works: ['--^-!', '-----^----!'] },
    { strategy: 'exhaust', result: '--a----x----|', locks: ['-^-----!'], works: ['--^----!'] },
    { strategy: 'merge', result: '--a--a-x--x-|', locks: ['-^-----!', '----^-----!'], works: ['--^----!', '-----^----!'] },
  ] as const)('with strategy $strategy', ({ strategy, result, locks, works }) => {
    runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
      const lock = cold('-o', owned);
      const work = cold('a----(x|)');
      const config: WithLockOptions = strategy === undefined ? {} : { strategy };
      expectObservable(cold('-1--2-------|').pipe(withLock(lock, () => work, config))).toBe(result);
      expectSubscriptions(lock.subscriptions).toBe([...locks]);
      expectSubscriptions(work.subscriptions).toBe([...works]);
    });
  });
});

test('stops a job as soon as the lock is lost', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const jobs = cold('-1----------');
    const work = cold('a--b--c');
    expectObservable(jobs.pipe(withLock(cold('-o----#', owned, lost), () => work))).toBe('--a--b-#', undefined, lost);
    expectSubscriptions(work.subscriptions).toBe('--^----!');
    expectSubscriptions(jobs.subscriptions).toBe('^------!');
  });
});

test('stops a job before the loss is emitted', () => {
  const order: string[] = [];
  const lock = concat(
    of({}),
    throwError(() => lost),
  );
  const work = NEVER.pipe(finalize(() => order.push('stopped')));
  of(1)
    .pipe(withLock(lock, () => work))
    .subscribe({ error: () => order.push('error') });
  expect(order).toEqual(['stopped', 'error']);
});

test.each([
  ['while the job runs', '-o--|'],
  ['before it was owned', '---|'],
])('fails with LockLost if the lock completes %s, as a job must not disappear', (_, marbles) => {
  let error: unknown;
  runInVirtualTime(({ cold, flush }) => {
    cold('-1---')
      .pipe(withLock(cold(marbles, owned), () => NEVER))
      .subscribe({ error: (thrown: unknown) => (error = thrown) });
    flush();
  });
  expect(hasReason(error, 'LockLost')).toBe(true);
});

test('completes if the lock completes together with its job', () => {
  runInVirtualTime(({ cold, expectObservable }) => {
    expectObservable(cold('-1-|').pipe(withLock(of({}), () => of('a')))).toBe('-a-|');
  });
});

test('fails with the error of a lock that is not acquired', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const work = cold('a');
    expectObservable(cold('-1-----').pipe(withLock(cold('--#', owned, lost), () => work))).toBe('---#', undefined, lost);
    expectSubscriptions(work.subscriptions).toBe([]);
  });
});

test('passes on an error of a job, and releases the lock', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const lock = cold('o---', owned);
    expectObservable(cold('-1-----').pipe(withLock(lock, () => cold('a-#')))).toBe('-a-#');
    expectSubscriptions(lock.subscriptions).toBe('-^-!');
  });
});

test('unsubscribing stops the job and then releases the lock, or leaves the queue', () => {
  const order: string[] = [];
  const lock = concat(of({}), NEVER).pipe(finalize(() => order.push('given back')));
  const work = NEVER.pipe(finalize(() => order.push('stopped')));
  of(1)
    .pipe(withLock(lock, () => work))
    .subscribe()
    .unsubscribe();
  expect(order).toEqual(['stopped', 'given back']);

  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const waiting = cold('----o', owned);
    expectObservable(cold('-1---').pipe(withLock(waiting, () => NEVER)), '^--!').toBe('---');
    expectSubscriptions(waiting.subscriptions).toBe('-^-!');
  });
});

test('a separate lock for each job lets different ones run concurrently', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const locks: Record<string, ReturnType<typeof cold>> = { a: cold('-o', owned), b: cold('---o', owned) };
    const result = cold('-ab|').pipe(
      withLock(
        (job) => (locks[job] ?? NEVER) as Observable<{ revision: number }>,
        (job) => cold(`--(x|)`).pipe(map(() => job)),
        { strategy: 'merge' },
      ),
    );
    expectObservable(result).toBe('----a--(b|)');
    expectSubscriptions(locks['a']?.subscriptions ?? []).toBe('-^--!');
    expectSubscriptions(locks['b']?.subscriptions ?? []).toBe('--^----!');
  });
});

test('has separate jobs and locks for each subscriber', () => {
  runInVirtualTime(({ cold, expectObservable, expectSubscriptions }) => {
    const lock = cold('-o', owned);
    const result = cold('-1-|').pipe(withLock(lock, () => cold('a|')));
    expectObservable(result).toBe('--a|');
    expectObservable(result, '-----^').toBe('-------a|');
    expectSubscriptions(lock.subscriptions).toBe(['-^-!', '------^-!']);
  });
});

test('rejects an unknown strategy at once', () => {
  let error: unknown;
  try {
    withLock(of({}), () => [], { strategy: 'toString' } as unknown as WithLockOptions);
  } catch (thrown) {
    error = thrown;
  }
  expect(hasReason(error, 'InvalidArgument')).toBe(true);
});

test('the example', () => {
  const revisions = [2, 4];
  const etcd = { lock: () => defer(() => concat(of({ revision: revisions.shift() ?? 0 }), NEVER)) };
  const jobs$ = of('report', 'cleanup');
  const run = (job: string): Observable<string> => of(`${job} is done`);
  const console = logger();

  jobs$
    .pipe(withLock(etcd.lock(), (job, { revision }) => run(job).pipe(map((result) => `${result} under ${revision}`))))
    .subscribe((line) => console.log(line));

  expect(console.lines).toEqual(['report is done under 2', 'cleanup is done under 4']);
});
