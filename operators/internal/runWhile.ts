import { EMPTY, from, Observable, Subject, switchMap, takeUntil, tap, type ObservableInput, type ObservedValueOf } from 'rxjs';
import { oneOf, type OptionKinds } from '../../src/model/validate.js';

/** What becomes of what is held when the work that it was held for completes. */
export interface WhileHeldConfig {
  /**
   * - `hold` (the default): it is held on, and the stream stays open
   * - `release`: the stream completes, which gives it back
   */
  readonly onComplete?: 'hold' | 'release';
}

/** What each of them may be. */
export const whileHeldKinds = (): OptionKinds<WhileHeldConfig> => ({ onComplete: oneOf('hold', 'release') });

/**
 * Runs work on what is held at a time, and stops it when that is gone: `undefined` says so, and so do the source's error and its completion, after which
 * `switchMap` alone would let the work run on.
 */
export function whileHeld<H extends object, O extends ObservableInput<unknown>>(
  source: Observable<H | undefined>,
  work: (held: H, index: number) => O,
  onComplete: 'hold' | 'release',
): Observable<ObservedValueOf<O>> {
  return new Observable((subscriber) => {
    const ended = new Subject<void>();
    const stop = (): void => ended.next();
    // Teardowns run in the order of their adding: the work is stopped before what it was done under is given back.
    subscriber.add(stop);
    const release = onComplete === 'hold' ? {} : { complete: () => subscriber.complete() };
    // How often there was something to hold.
    let index = 0;
    source
      .pipe(
        // Before anybody hears of the end.
        tap({ error: stop, complete: stop }),
        switchMap((held): Observable<ObservedValueOf<O>> =>
          held === undefined ? EMPTY : from(work(held, index++)).pipe(tap(release), takeUntil(ended)),
        ),
      )
      .subscribe(subscriber);
  });
}
