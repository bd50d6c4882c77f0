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
import type { OwnershipLost } from '../src/model/events.js';
import { OBSERVABLE_OR_FUNCTION } from './internal/validators.js';
import { unlessLost, runWhile } from './internal/runWhile.js';

/** The policy for a new job that arrives while another job runs, or waits for its lock. */
export type LockStrategy = 'concat' | 'switch' | 'exhaust' | 'merge';

export interface WithLockOptions {
  /**
   * The policy for a new job, named after the flattening operators of RxJS:
   * - `concat` (the default): the new job waits until the previous one is done, and then for the lock
   * - `switch`: the new job replaces the previous one, which is stopped or removed from the queue of the lock
   * - `exhaust`: the new job is dropped while the previous one runs, or while its lock is being released
   * - `merge`: the new job waits for its lock at once; with a separate lock for each job, jobs run in parallel
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
 * Runs each job of the source under a lock. Acquires the lock, runs the job while the lock is owned, and releases the
 * lock when the job completes, fails or is unsubscribed from. Emits the values of the jobs.
 *
 * ```text
 * source:  -1-----------2--------|
 * lock:     ---o        ---o             (a subscription for each job)
 *          withLock(lock, job => a--b|)
 * result:  ----a--b--------a--b--|
 * ```
 *
 * As soon as the ownership is no longer certain, the job is stopped, and the error (`LockLost`) is passed on. The job
 * is not retried automatically, as a part of it may be done. With `etcd.lock(name, { onLost: 'reacquire' })` the job is
 * stopped, and run again from its beginning when the lock is owned again. It is also run again, after a pause, when it
 * fails with a temporary error. Temporary errors include a lost connection, no leader, a slow server, a full database,
 * a write of unknown outcome, and a loss not reported yet. Such a job must tolerate a second run.
 *
 * The error is also `LockLost` if the lock completes, for example because the client is closed. So an unfinished job is
 * reported.
 *
 * Until the loss is detected, a pending call may still be carried out. So add the ownership's `guard` to the job's
 * txns, with {@link guardedBy}.
 *
 * Use `etcd.lock`, which waits for the lock. With `etcd.tryLock`, a job fails if the lock has another owner. With the
 * strategies `switch` and `merge`, this may be an earlier job.
 *
 * ## Example
 *
 * ```ts
 * jobs$.pipe(
 *   withLock(etcd.lock('jobs/nightly', { ttl: 15 }), (job, { revision }) =>
 *     run(job).pipe(map((result) => `${result} under ${revision}`)),
 *   ),
 * ).subscribe((line) => console.log(line));
 *
 * // jobs$ emits report and cleanup
 * // Logs:
 * // report is done under 2
 * // cleanup is done under 4
 * ```
 *
 * A lock for each order. In the whole cluster, jobs of the same order run one after the other, and jobs of different
 * orders run in parallel
 *
 * ```ts
 * orders$.pipe(
 *   withLock((order) => etcd.lock(`orders/${order.id}`), (order) => ship(order), { strategy: 'merge' }),
 * ).subscribe();
 * ```
 *
 * @see {@link withLease}
 * @see {@link whileLeader}
 * @see {@link guardedBy}
 *
 * @param lock A lock, owned from its first value until it is unsubscribed from, or a function that returns the lock of
 * a job.
 * @param project A function that returns the work for a job and the ownership of its lock.
 * @param options The policy for jobs that arrive while another runs.
 * @return A function that returns an Observable of the values of the jobs.
 */
export function withLock<J, W extends object, O extends ObservableInput<unknown>>(
  lock: Observable<W | OwnershipLost> | ((job: J) => Observable<W | OwnershipLost>),
  project: (job: J, ownership: W) => O,
  options: WithLockOptions = {},
): OperatorFunction<J, ObservedValueOf<O>> {
  checkArgument('withLock', 'lock', lock, OBSERVABLE_OR_FUNCTION);
  checkArgument('withLock', 'project', project, FUNCTION);
  const { strategy = 'concat' } = checkOptions('withLock', options, { strategy: oneOf(...Object.keys(FLATTEN)) });
  const lockFor = typeof lock === 'function' ? lock : () => lock;
  const underLock = map((job: J) => {
    const held = concat(
      defer(() => lockFor(job)),
      throwError(() => ended()),
    );
    return runWhile(held.pipe(map((event) => unlessLost<W>(event))), (ownership: W) => project(job, ownership), 'release');
  });
  return (source) => source.pipe(underLock, FLATTEN[strategy]<ObservedValueOf<O>>());
}

function ended(): EtcdError {
  return new EtcdError('LockLost', 'the lock was lost or released before the work was complete');
}
