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

/** The end of the work: whether the ownership or lease is kept or released. */
export interface RunWhileOptions {
  /**
   * - `hold` (the default): the ownership or lease is kept, and the stream stays open
   * - `release`: the stream completes, which releases it
   */
  readonly onComplete?: 'hold' | 'release';
}

/** The valid values of each. */
export const runWhileKinds = (): OptionKinds<RunWhileOptions> => ({ onComplete: oneOf('hold', 'release') });

/**
 * Runs work on what is held at a time, and stops it when that is gone. `undefined` says so, and so do the source's
 * error and its completion. After those `switchMap` alone would let the work run on. If the source reacquires after a
 * loss, work that fails with a temporary error is run again, too. With `release` it completes when the server has
 * confirmed the release.
 */
export function runWhile<H extends object, O extends ObservableInput<unknown>>(
  source: Observable<H | undefined>,
  work: (held: H, index: number) => O,
  onComplete: 'hold' | 'release',
): Observable<ObservedValueOf<O>> {
  const values = new Observable<ObservedValueOf<O>>((subscriber) => {
    const ended = new Subject<void>();
    const stop = (): void => ended.next();
    // Teardowns run in the order of their adding: the work is stopped before the lease or lock is released.
    subscriber.add(stop);
    const release = onComplete === 'hold' ? {} : { complete: () => subscriber.complete() };
    // How often there was something to hold.
    let index = 0;
    const run = (held: H): Observable<ObservedValueOf<O>> => {
      const number = index++;
      if (!comesBack(held)) return from(work(held, number));
      return defer(() => from(work(held, number))).pipe(runAgain());
    };
    source
      .pipe(
        // Before anybody hears of the end.
        tap({ error: stop, complete: stop }),
        switchMap((held): Observable<ObservedValueOf<O>> => (held === undefined ? EMPTY : run(held).pipe(tap(release), takeUntil(ended)))),
      )
      .subscribe(subscriber);
  });
  return onComplete === 'release' ? completeWhenReleased(values) : values;
}

/**
 * Tells whether the source reacquires after a loss: a lease with `regrant`, an ownership with `reacquire`. Its work is
 * run more than once in any case.
 */
function comesBack(held: object): boolean {
  return ('type' in held && held.type === 'owned') || ('onLost' in held && held.onLost === 'regrant');
}

/** Runs work again after a temporary error, with pauses that grow until it emits. */
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

/** Maps the report of a loss to `undefined`. */
export const unlessLost = <H extends object>(held: H | { readonly type: 'lost' }): H | undefined => (isLost(held) ? undefined : held);

const isLost = (held: object): held is { readonly type: 'lost' } => 'type' in held && held.type === 'lost';
