import {
  concatMap,
  defer,
  from,
  isObservable,
  merge,
  Observable,
  of,
  share,
  switchMap,
  take,
  takeLast,
  takeUntil,
  tap,
  timer,
  type Observer,
  type Subscriber,
  throwIfEmpty,
  type MonoTypeOperatorFunction,
  type OperatorFunction,
} from 'rxjs';
import { EtcdError } from '../errors/index.js';

/**
 * Shares one run of `make()` among all subscribers that wait at the same time, such as one authentication or one
 * version request. When the run has ended, the next subscriber starts a new run. If a subscriber unsubscribes, the run
 * continues for the other subscribers. When the last subscriber unsubscribes, the run is cancelled.
 */
export function shareUntilDone<T>(make: () => Observable<T>, onValue: (value: T) => void): Observable<T> {
  return defer(make).pipe(
    tap(onValue),
    share({ connector: () => multicast<T>({ replay: true }), resetOnComplete: true, resetOnError: true, resetOnRefCountZero: true }),
  );
}

/**
 * Subscribes to the next Observable, unless the subscriber has unsubscribed while the user's code ran. In that case
 * RxJS would start the next Observable, and end it at once.
 */
export const unlessUnsubscribed = <T>(next: () => Observable<T>): Observable<T> =>
  new Observable((subscriber) => (subscriber.closed ? undefined : next().subscribe(subscriber)));

/**
 * Emits the first value of two runs. The second run begins if the first one has emitted nothing for `afterMs`
 * milliseconds. Use it only for requests that may be sent twice.
 */
export function hedged<T>(run: () => Observable<T>, afterMs: number): Observable<T> {
  // A timer of Node with an infinite delay would fire at once.
  if (afterMs === Infinity) return run();
  return merge(defer(run), timer(afterMs).pipe(switchMap(run))).pipe(take(1));
}

/** A value, or a Promise or an Observable of it. The last value of an Observable is used. */
export type MaybeAsync<T> = T | PromiseLike<T> | Observable<T>;

/**
 * Calls a function of the user, and emits its result: a value, the value of a Promise, or the last value of an
 * Observable.
 */
export function outcomeOf<T>(give: () => MaybeAsync<T>): Observable<T> {
  return defer(() => {
    const given = give();
    if (isStream(given)) return given.pipe(takeLast(1));
    return isPromise(given) ? from(given) : of(given);
  });
}

const isStream = <T>(given: MaybeAsync<T>): given is Observable<T> => isObservable(given);

const isPromise = <T>(given: T | PromiseLike<T>): given is PromiseLike<T> =>
  typeof given === 'object' && given !== null && 'then' in given && typeof given.then === 'function';

/**
 * Converts each value, and emits the results in the order of the values. If a result is a Promise, the results after it
 * wait. Otherwise a result is emitted at once.
 */
export const mapInOrder = <T, R>(convert: (value: T) => R | PromiseLike<R>): OperatorFunction<T, R> =>
  concatMap((value) => {
    const result = convert(value);
    return isPromise(result) ? from(result) : of(result);
  });

/**
 * Subscribes to the Observable that `next` returns for the only value of a source, as `switchMap` does. The subscriber
 * itself is passed on, so that nothing of the source is kept in memory. With `switchMap`, each of thousands of ranges
 * would keep 1 KB.
 */
export function handOver<T, R>(source: Observable<T>, next: (value: T) => Observable<R>): Observable<R> {
  return new Observable((subscriber) => {
    let taken = false;
    const onValue = (value: T): void => {
      taken = true;
      next(value).subscribe(subscriber);
    };
    subscriber.add(
      source.subscribe({
        next: onValue,
        error: (error: unknown) => subscriber.error(error),
        complete: () => {
          if (!taken) subscriber.complete();
        },
      }),
    );
  });
}

/** The interface of a Subject. */
export type Multicast<T> = Observable<T> & Observer<T>;

/**
 * Creates a Subject from which unsubscribing takes constant time. A Subject of RxJS searches its list of subscribers.
 * So it takes quadratic time to unsubscribe many of them.
 *
 * @param replay whether each new subscriber first receives the last value, as with a `ReplaySubject` of one value
 */
export function multicast<T>({ replay = false } = {}): Multicast<T> {
  const subscribers = new Set<Subscriber<T>>();
  let last: readonly [T] | undefined;
  let end: ((subscriber: Observer<T>) => void) | undefined;
  const finish = (tell: (subscriber: Observer<T>) => void): void => {
    if (end !== undefined) return;
    end = tell;
    const present = [...subscribers];
    subscribers.clear();
    for (const subscriber of present) tell(subscriber);
  };
  const source = new Observable<T>((subscriber) => {
    if (last !== undefined) subscriber.next(last[0]);
    if (end !== undefined) return end(subscriber);
    subscribers.add(subscriber);
    return () => subscribers.delete(subscriber);
  });
  return Object.assign(source, {
    next: (value: T) => {
      if (end !== undefined) return;
      if (replay) last = [value];
      for (const subscriber of [...subscribers]) subscriber.next(value);
    },
    error: (error: unknown) => finish((subscriber) => subscriber.error(error)),
    complete: () => finish((subscriber) => subscriber.complete()),
  });
}

export const clientClosed = (): EtcdError => new EtcdError('ClientClosed', 'the client is closed');

/**
 * Errors with `ClientClosed` if the source completes without a value. Use it for an Observable that should emit a
 * value, such as a lock, a lease or the next change. It completes without a value only when the client is closed. A
 * subscriber must not interpret this as success.
 */
export function throwIfClosed<T>(): MonoTypeOperatorFunction<T> {
  return throwIfEmpty(clientClosed);
}

/** Completes when the client is closed. If there was no value before, errors as {@link throwIfClosed} does. */
export function untilClosed<T>(closed: Observable<void>): MonoTypeOperatorFunction<T> {
  return (source) => throwIfClosed<T>()(source.pipe(takeUntil(closed)));
}

/** The functions that wait for one signal. They share one listener. */
class AbortListeners {
  private readonly entries = new Set<() => void>();

  constructor(private readonly signal: AbortSignal) {}

  add(entry: () => void): void {
    if (this.entries.size === 0) this.signal.addEventListener('abort', this.fire);
    this.entries.add(entry);
  }

  remove(entry: () => void): void {
    if (this.entries.delete(entry) && this.entries.size === 0) this.signal.removeEventListener('abort', this.fire);
  }

  private readonly fire = (): void => {
    for (const entry of [...this.entries]) entry();
  };
}

const bySignal = new WeakMap<AbortSignal, AbortListeners>();

/**
 * Calls a function when a signal is aborted. All functions share one listener, as Node warns of a leak if a signal has
 * more than ten. The listener is removed with the last function.
 *
 * @param signal a signal that is not aborted yet, as an aborted signal fires no event
 * @returns a function that cancels the call
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const waiting = bySignal.get(signal) ?? new AbortListeners(signal);
  bySignal.set(signal, waiting);
  // The function is wrapped, as the same function may be passed twice.
  const entry = (): void => run();
  waiting.add(entry);
  return () => waiting.remove(entry);
}

/** A module that is loaded when it is first needed. Many programs do not need it. */
export class LazyModule<T> {
  private loaded: T | undefined;

  constructor(private readonly load: () => Promise<T>) {}

  /**
   * Emits the module. If the module is loaded already, it is emitted at once. Errors with `Unreachable` if the module
   * cannot be loaded.
   */
  readonly module$: Observable<T> = defer(() => (this.loaded === undefined ? this.loadOnce() : of(this.loaded)));

  /**
   * Provides the module, so that it is emitted at once. Tests with virtual time need this, as virtual time cannot wait
   * for a Promise.
   */
  provide(module: T): void {
    this.loaded = module;
  }

  private async loadOnce(): Promise<T> {
    try {
      return (this.loaded = await this.load());
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      // No request was sent to etcd. The next attempt may succeed, for example if a page was offline for a short time.
      throw new EtcdError('Unreachable', `a part of rxetcd cannot be loaded: ${why}; are all files of the bundle served?`, { cause });
    }
  }
}
