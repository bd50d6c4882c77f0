import { Observable, type Observer, Subscription, throwError, type Unsubscribable } from 'rxjs';

// The classes below replace RxJS's Subject, to save memory. Measured: a subscriber takes 144 bytes here, and 520 with a
// Subject.

/** A source to which an observer is attached, and from which it can be detached. */
export interface Detachable<T> {
  detach(observer: Observer<T>): void;
}

/** Represents a source that ended before the observer was attached. */
export const NOTHING_ATTACHED: Detachable<unknown> = { detach: () => undefined };

/** The functions that a subscriber may pass to `subscribe`. */
interface PartialObserver<T> {
  readonly next?: ((value: T) => void) | null | undefined;
  readonly error?: ((error: unknown) => void) | null | undefined;
  readonly complete?: (() => void) | null | undefined;
}

/**
 * An Observable for many thousands of subscribers. RxJS creates four objects for each subscriber, and a list with room
 * for 17 teardowns. Here a subscriber that passes plain functions takes one object. If an RxJS operator subscribes,
 * RxJS handles the subscriber as usual.
 */
// eslint-disable-next-line rxjs-x/no-subclass -- memory is up to `subscribe` alone; operators yield plain Observables
export class LightObservable<T> extends Observable<T> {
  /** @param attach attaches an observer to the source */
  constructor(readonly attach: (observer: Observer<T>) => Detachable<T>) {
    super((subscriber) => teardownOf(attach(subscriber), subscriber));
  }

  override subscribe(
    destination?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (isSubscriber(destination)) return super.subscribe(destination);
    const threeFunctions = typeof destination !== 'object' && typeof (error ?? complete) === 'function';
    const subscriber = new LightSubscriber(threeFunctions ? { next: destination, error, complete } : (destination ?? {}));
    subscriber.attach(this.attach);
    return subscriber;
  }
}

/**
 * Creates a teardown. It is a separate function, as a closure within the method that uses it would keep `attach`,
 * and everything that `attach` refers to, in memory.
 */
const teardownOf =
  <T>(source: Detachable<T>, observer: Observer<T>) =>
  (): void =>
    source.detach(observer);

/**
 * A subscriber that passed plain functions. As with RxJS, it receives nothing after its end. If one of its functions
 * throws, other subscribers are not affected.
 */
class LightSubscriber<T> extends Subscription implements Observer<T> {
  /** The place in a list of observers; see `src/watch/refCounted.ts`. */
  place = -1;
  private source: Detachable<T> | undefined;

  /** @param destination the functions of the subscriber; undefined after its end */
  constructor(private destination: PartialObserver<T> | ((value: T) => void) | undefined) {
    super();
  }

  attach(attach: (observer: Observer<T>) => Detachable<T>): void {
    try {
      const source = attach(this);
      // The source may have ended during `attach`.
      if (this.closed) source.detach(this);
      else this.source = source;
    } catch (error) {
      this.error(error);
    }
  }

  next(value: T): void {
    const { destination } = this;
    if (this.closed || destination === undefined) return;
    try {
      if (typeof destination === 'function') destination(value);
      else destination.next?.(value);
    } catch (error) {
      reportUnhandled(error);
    }
  }

  error(error: unknown): void {
    this.end((destination) => {
      if (typeof destination?.error !== 'function') throw error;
      destination.error(error);
    });
  }

  complete(): void {
    this.end((destination) => destination?.complete?.());
  }

  override unsubscribe(): void {
    const { source } = this;
    this.source = undefined;
    source?.detach(this);
    super.unsubscribe();
  }

  private end(notify: (destination: PartialObserver<T> | undefined) => void): void {
    const { destination } = this;
    if (this.closed || destination === undefined) return;
    // The function that is called may end this subscriber again, for example by closing the client.
    this.destination = undefined;
    try {
      notify(typeof destination === 'function' ? undefined : destination);
    } catch (error) {
      reportUnhandled(error);
    }
    this.unsubscribe();
  }
}

/** Returns whether RxJS has to handle the observer, as for an observer that an operator creates. */
function isSubscriber<T>(
  destination: Partial<Observer<T>> | ((value: T) => void) | null | undefined,
): destination is Partial<Observer<T>> & Unsubscribable {
  return typeof destination === 'object' && destination !== null && 'unsubscribe' in destination;
}

/** Reports an error that no function handles, as RxJS does: in a separate task, or to `config.onUnhandledError`. */
function reportUnhandled(error: unknown): void {
  throwError(() => error).subscribe();
}

/**
 * Attaches an observer to an Observable. For a {@link LightObservable} this needs no other object. The caller has to
 * detach the observer after the end, as the subscribers of a light Observable do.
 */
export function attachTo<T>(source: Observable<T>, observer: Observer<T>): Detachable<T> {
  if (source instanceof LightObservable) return (source as LightObservable<T>).attach(observer);
  const subscription = source.subscribe(observer);
  return { detach: () => subscription.unsubscribe() };
}

/**
 * Creates an Observable for each subscriber, as `defer` does. It takes no memory besides that of the created
 * Observable.
 */
export const deferLight = <T>(make: () => Observable<T>): Observable<T> => new LightObservable((observer) => attachTo(make(), observer));
