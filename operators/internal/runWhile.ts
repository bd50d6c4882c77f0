import {
  defer,
  EMPTY,
  from,
  Observable,
  retry,
  Subject,
  switchMap,
  takeUntil,
  tap,
  throwError,
  timer,
  type MonoTypeOperatorFunction,
  type ObservableInput,
  type ObservedValueOf,
} from 'rxjs';
import { oneOf, type OptionKinds } from '../../src/model/validate.js';
import { completeWhenReleased } from '../../src/util/releases.js';
import { backoff } from './backoff.js';
import { mayRunAgain } from './transient.js';

/** The option that decides what follows the completion of the work. */
export interface RunWhileOptions {
  /**
   * - `hold` (the default) keeps the ownership or lease, and the stream stays open
   * - `release` completes the stream, which releases the ownership or lease
   */
  readonly onComplete?: 'hold' | 'release';
}

/** The valid values of each option. */
export const runWhileKinds = (): OptionKinds<RunWhileOptions> => ({ onComplete: oneOf('hold', 'release') });

/**
 * Runs work while a lock or lease is held, and stops the work when the lock or lease is lost. The source reports the
 * loss by `undefined`, by its error or by its completion. With `switchMap` alone, the work would continue after a
 * completion, and would still run while an error is emitted. If the source reacquires after a loss, work that fails
 * with a temporary error is run again, too. With `release` the result completes when the server has confirmed the
 * release.
 */
export function runWhile<H extends object, O extends ObservableInput<unknown>>(
  source: Observable<H | undefined>,
  work: (held: H, index: number) => O,
  onComplete: 'hold' | 'release',
): Observable<ObservedValueOf<O>> {
  const values = new Observable<ObservedValueOf<O>>((subscriber) => {
    const ended = new Subject<void>();
    const stop = (): void => ended.next();
    // Teardowns run in the order in which they were added. So the work is stopped before the lease or lock is released.
    subscriber.add(stop);
    const release = onComplete === 'hold' ? {} : { complete: () => subscriber.complete() };
    // The number of leases or ownerships so far.
    let index = 0;
    const run = (held: H): Observable<ObservedValueOf<O>> => {
      const number = index++;
      if (!comesBack(held)) return from(work(held, number));
      return defer(() => from(work(held, number))).pipe(runAgain());
    };
    source
      .pipe(
        // The work is stopped before an error or a completion is emitted.
        tap({ error: stop, complete: stop }),
        switchMap((held): Observable<ObservedValueOf<O>> => (held === undefined ? EMPTY : run(held).pipe(tap(release), takeUntil(ended)))),
      )
      .subscribe(subscriber);
  });
  return onComplete === 'release' ? completeWhenReleased(values) : values;
}

/**
 * Returns whether the source reacquires after a loss: a lease with `regrant`, or an ownership with `reacquire`. With
 * such a source, the work may run several times even without an error.
 */
function comesBack(held: object): boolean {
  return ('type' in held && held.type === 'owned') || ('onLost' in held && held.onLost === 'regrant');
}

/** Runs work again after temporary errors. The pauses grow until the work emits a value. */
function runAgain<T>(): MonoTypeOperatorFunction<T> {
  return (work) =>
    defer(() => {
      const waitMs = backoff({});
      let failures = 0;
      return work.pipe(
        tap(() => (failures = 0)),
        retry({ delay: (error: unknown) => (mayRunAgain(error) ? timer(waitMs(failures++)) : throwError(() => error)) }),
      );
    });
}

/** Converts the event of a loss to `undefined`, and returns other values unchanged. */
export const unlessLost = <H extends object>(held: H | { readonly type: 'lost' }): H | undefined => (isLost(held) ? undefined : held);

const isLost = (held: object): held is { readonly type: 'lost' } => 'type' in held && held.type === 'lost';
