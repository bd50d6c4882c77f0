import { merge, Observable, Subject, Subscription, takeUntil } from 'rxjs';

/** A release that was sent to the server, or waits to be sent. */
export interface PendingRelease {
  /** Emits once, and completes, when the release has ended. */
  readonly ended: Observable<unknown>;
  /** The error of a release that failed; undefined if it succeeded. */
  readonly failure: unknown;
}

/**
 * The releases that the current teardown has begun; undefined while no teardown runs under {@link tearDownAndRelease}.
 */
let begun: PendingRelease[] | undefined;

/** Records a release that begins now. */
export function noteRelease(release: PendingRelease): void {
  begun?.push(release);
}

/**
 * Runs a teardown now. Completes when the server has confirmed all releases that the teardown has begun. Errors if one
 * of these releases failed. A teardown runs synchronously through all operators, so all these releases are known when
 * it returns.
 */
export function tearDownAndRelease(teardown: () => void): Observable<never> {
  const outer = begun;
  const own: PendingRelease[] = [];
  begun = own;
  try {
    teardown();
  } finally {
    begun = outer;
    outer?.push(...own);
  }
  return merge(...own.map(confirmed));
}

const confirmed = (release: PendingRelease): Observable<never> =>
  new Observable((subscriber) =>
    release.ended.subscribe({
      error: (error: unknown) => subscriber.error(error),
      complete: () => (release.failure === undefined ? subscriber.complete() : subscriber.error(release.failure)),
    }),
  );

/**
 * Emits the values of a source. The end of the source may begin releases, so the result completes when the server has
 * confirmed them. A failed release is ignored, as its lease expires by itself.
 */
export function completeWhenReleased<T>(source: Observable<T>): Observable<T> {
  return new Observable((subscriber) => {
    const subscription = new Subscription();
    const state = { started: false, completed: false };
    const done = (): void => subscriber.complete();
    const whenDone = (released: Observable<never>): void => {
      subscriber.add(released.subscribe({ error: done, complete: done }));
    };
    const observer = {
      next: (value: T) => subscriber.next(value),
      error: (error: unknown) => subscriber.error(error),
      complete: () => {
        state.completed = true;
        if (state.started && !subscriber.closed) whenDone(tearDownAndRelease(() => subscription.unsubscribe()));
      },
    };
    subscriber.add(subscription);
    // A source that emits synchronously must stop on unsubscribe even before its subscription is known.
    const stopped = new Subject<void>();
    subscriber.add(() => stopped.next());
    const released = tearDownAndRelease(() => subscription.add(source.pipe(takeUntil(stopped)).subscribe(observer)));
    state.started = true;
    // The source completed before its subscription was known, so its releases have already begun.
    if (state.completed) whenDone(released);
  });
}
