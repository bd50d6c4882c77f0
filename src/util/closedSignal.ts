import { type MonoTypeOperatorFunction, type Observable, type Observer, Subscription } from 'rxjs';
import { attachTo, type Detachable, LightObservable, NOTHING_ATTACHED } from './lightObservable.js';

type Completed = Pick<Observer<never>, 'complete'>;

/**
 * Completes observers when the client is closed, in the order in which they were added. An outer Observable is added
 * before its inner ones, and so completes first. All observers share one subscription to the end of the client. With
 * `takeUntil`, each of thousands of leases and watches would take 500 bytes.
 */
class ClosedSignal {
  private readonly observers = new Set<Completed>();
  private subscription: Subscription | undefined;
  private fired = false;

  constructor(private readonly closed: Observable<void>) {}

  /** Adds an observer. If the client is closed already, completes the observer, and returns false. */
  add(observer: Completed): boolean {
    if (this.fired) {
      observer.complete();
      return false;
    }
    const isFirst = this.observers.size === 0;
    // If a subscriber is passed on through two levels, it is added twice.
    this.observers.add(observer);
    if (isFirst) this.listen();
    return this.observers.has(observer);
  }

  remove(observer: Completed): void {
    if (this.observers.delete(observer) && this.observers.size === 0) this.subscription?.unsubscribe();
  }

  private listen(): void {
    const fire = (): void => this.fire();
    this.subscription = new Subscription();
    this.subscription.add(this.closed.subscribe({ next: fire, error: fire }));
  }

  private fire(): void {
    this.fired = true;
    this.subscription?.unsubscribe();
    // If an earlier observer has ended this one during the loop, this one was removed from the set.
    for (const observer of [...this.observers]) if (this.observers.delete(observer)) observer.complete();
  }
}

const byClosed = new WeakMap<Observable<void>, ClosedSignal>();

/** Returns the signal for the end of a client. */
export function closedSignal(closed: Observable<void>): ClosedSignal {
  const known = byClosed.get(closed);
  if (known !== undefined) return known;
  const signal = new ClosedSignal(closed);
  byClosed.set(closed, signal);
  return signal;
}

/** Completes when the client is closed. */
export const takeUntilClosed =
  <T>(closed: Observable<void>): MonoTypeOperatorFunction<T> =>
  (source) =>
    new LightObservable((observer) => {
      const signal = closedSignal(closed);
      if (!signal.add(observer)) return NOTHING_ATTACHED;
      // The observer itself is passed on, so that emitted values do not pass through this object.
      return new ClosedWithClient(signal, attachTo(source, observer));
    });

class ClosedWithClient<T> implements Detachable<T> {
  constructor(
    private readonly signal: ClosedSignal,
    private readonly source: Detachable<T>,
  ) {}

  detach(observer: Observer<T>): void {
    this.signal.remove(observer);
    this.source.detach(observer);
  }
}
