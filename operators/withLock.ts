import {
  concat,
  concatAll,
  defer,
  exhaustAll,
  map,
  mergeAll,
  switchAll,
  throwError,
  type Observable,
  type ObservableInput,
  type ObservedValueOf,
  type OperatorFunction,
} from 'rxjs';
import { EtcdError } from '../src/errors/index.js';
import { checkArgument, checkOptions, FUNCTION, oneOf } from '../src/model/validate.js';
import { OBSERVABLE_OR_FUNCTION } from './internal/validators.js';
import { whileHeld } from './internal/runWhile.js';

/** What becomes of a job that comes while another runs, or waits for its lock. */
export type LockStrategy = 'concat' | 'switch' | 'exhaust' | 'merge';

export interface WithLockConfig {
  /**
   * RxJS' four ways to flatten:
   * - `concat` (the default): it waits until the one before is done, and then for the lock
   * - `switch`: it takes the place of the other, which is stopped or leaves the queue
   * - `exhaust`: it is dropped
   * - `merge`: it waits for its lock at once; with a lock for each job, jobs run side by side
   */
  readonly strategy?: LockStrategy;
}

const FLATTEN: Readonly<Record<LockStrategy, <R>() => OperatorFunction<Observable<R>, R>>> = {
  concat: concatAll,
  switch: switchAll,
  exhaust: exhaustAll,
  merge: mergeAll,
};

/**
 * Runs each job of the source under a lock: takes it, runs the job while it is owned, and gives it back when the job completes, fails or is
 * unsubscribed from. Emits what the jobs emit.
 *
 * ```text
 * source:  -1-----------2--------|
 * lock:     ---o        ---o             (a subscription for each job)
 *          withLock(lock, job => a--b|)
 * result:  ----a--b--------a--b--|
 * ```
 *
 * The moment that the lock can no longer be owned for certain, the job is stopped and the error (`LockLost`) passed on. Nothing is tried again by itself: that job
 * was half done. A lock that completes, as that of a client that is closed, ends in `LockLost`, too: a job that was not done does not vanish.
 *
 * Between the loss and its being noticed here, a call that is under way may still be carried out: put the ownership's `guard` into the job's txns, with
 * {@link guardedBy}.
 *
 * Use `etcd.lock`, which waits. With `etcd.tryLock` a job that follows another at once may find the lock still being given back.
 *
 * ## Example
 *
 * ```ts
 * jobs$.pipe(
 *   withLock(etcd.lock('jobs/nightly', { ttl: 15 }), (job, { revision }) => run(job).pipe(map((result) => `${result} under ${revision}`))),
 * ).subscribe((line) => console.log(line));
 *
 * // jobs$ emits report and cleanup
 * // Logs:
 * // report is done under 2
 * // cleanup is done under 4
 * ```
 *
 * A lock for each job, so that different ones run side by side and equal ones one after the other, all over the cluster
 *
 * ```ts
 * orders$.pipe(withLock((order) => etcd.lock(`orders/${order.id}`), (order) => ship(order), { strategy: 'merge' })).subscribe();
 * ```
 *
 * @see {@link withLease}
 * @see {@link whileLeader}
 * @see {@link guardedBy}
 *
 * @param lock A lock, owned from its first value on and as long as it is subscribed to; or a function that gives the one for a job.
 * @param project A function that gives the work for a job; it gets the job, and what the lock emitted.
 * @param config What becomes of jobs that come while another runs.
 * @return A function that returns an Observable of what the jobs emit.
 */
export function withLock<J, W extends object, O extends ObservableInput<unknown>>(
  lock: Observable<W> | ((job: J) => Observable<W>),
  project: (job: J, ownership: W) => O,
  config: WithLockConfig = {},
): OperatorFunction<J, ObservedValueOf<O>> {
  checkArgument('withLock', 'lock', lock, OBSERVABLE_OR_FUNCTION);
  checkArgument('withLock', 'project', project, FUNCTION);
  const { strategy = 'concat' } = checkOptions('withLock', config, { strategy: oneOf(...Object.keys(FLATTEN)) });
  const lockFor = typeof lock === 'function' ? lock : () => lock;
  const underLock = map((job: J) => {
    const held = concat(
      defer(() => lockFor(job)),
      throwError(() => ended()),
    );
    return whileHeld(held, (ownership: W) => project(job, ownership), 'release');
  });
  return (source) => source.pipe(underLock, FLATTEN[strategy]<ObservedValueOf<O>>());
}

function ended(): EtcdError {
  return new EtcdError('LockLost', 'the lock ended before what it was taken for');
}
