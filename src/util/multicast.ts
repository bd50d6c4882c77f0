import { Observable, type Observer, type Subscriber } from 'rxjs';

/** The interface of a Subject. */
export type Multicast<T> = Observable<T> & Observer<T>;

/**
 * Makes a Subject that each subscriber leaves in constant time. RxJS searches the list of all subscribers instead, so
 * that leaving takes quadratic time where there are many.
 *
 * @param replay begins with the last value for each new subscriber, as a `ReplaySubject` of one value does
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
