import { type MonoTypeOperatorFunction, type Observable, type Observer, Subscription } from 'rxjs';
import { attachTo, type Detachable, LightObservable, NOTHING_ATTACHED } from './lightObservable.js';

type Completed = Pick<Observer<never>, 'complete'>;

/**
 * Completes observers when the client is closed, in the order in which they were added. So an outer Observable
 * completes before an inner one. One subscription serves all of them, as long as there are any: `takeUntil` would take
 * 500 bytes for each of thousands of leases and watches.
 */
class ClosedSignal {
  private readonly observers = new Set<Completed>();
  private subscription: Subscription | undefined;
  private fired = false;

  constructor(private readonly closed: Observable<void>) {}

  /** Adds an observer. Returns false if the client is closed already, in which case the observer was completed. */
  add(observer: Completed): boolean {
    if (this.fired) {
      observer.complete();
      return false;
    }
    const isFirst = this.observers.size === 0;
    // A subscriber that is passed through two levels is added twice.
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
    // A subscriber that an earlier one has ended during this loop is removed.
    for (const observer of [...this.observers]) if (this.observers.delete(observer)) observer.complete();
  }
}

const byClosed = new WeakMap<Observable<void>, ClosedSignal>();

/** Returns the signal of the Observable that fires when a client is closed. */
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
      // Passes on the observer itself, so that emitted values do not pass through this object.
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
