import { Observable, Subscription, throwError, type Observer, type Unsubscribable } from 'rxjs';

/** What tells its members, until they leave. */
export interface Company<T> {
  leave(member: Observer<T>): void;
}

/** The functions of who subscribes. */
interface Functions<T> {
  readonly next?: ((value: T) => void) | null | undefined;
  readonly error?: ((error: unknown) => void) | null | undefined;
  readonly complete?: (() => void) | null | undefined;
}

/**
 * An Observable of which a program may have thousands of subscribers. RxJS makes four objects for each, and a list with room for 17 ends; here it is one for who
 * subscribes with functions of his own. Subscribers that operators make are served by RxJS as ever.
 */
// eslint-disable-next-line rxjs-x/no-subclass -- what a subscription holds is up to nothing but `subscribe`; operators lift it to plain Observables
export class Listenable<T> extends Observable<T> {
  constructor(private readonly join: (member: Observer<T>) => Company<T>) {
    super((subscriber) => {
      const company = join(subscriber);
      return () => company.leave(subscriber);
    });
  }

  override subscribe(
    told?: Partial<Observer<T>> | ((value: T) => void) | null,
    error?: ((error: unknown) => void) | null,
    complete?: (() => void) | null,
  ): Subscription {
    if (isSubscriber(told)) return super.subscribe(told);
    const three = typeof told !== 'object' && typeof (error ?? complete) === 'function';
    const listener = new Listener(three ? { next: told, error, complete } : (told ?? {}));
    listener.join(this.join);
    return listener;
  }
}

/** One who has functions of his own: as RxJS's own, who is told nothing after the end, and whose errors are thrown where nobody else is disturbed. */
class Listener<T> extends Subscription implements Observer<T> {
  private company: Company<T> | undefined;

  constructor(private readonly told: Functions<T> | ((value: T) => void)) {
    super();
  }

  join(join: (member: Observer<T>) => Company<T>): void {
    try {
      const company = join(this);
      // It may be over at once.
      if (this.closed) company.leave(this);
      else this.company = company;
    } catch (error) {
      this.error(error);
    }
  }

  next(value: T): void {
    if (this.closed) return;
    try {
      if (typeof this.told === 'function') this.told(value);
      else this.told.next?.(value);
    } catch (error) {
      throwUnhandled(error);
    }
  }

  error(error: unknown): void {
    this.end((told) => {
      if (typeof told?.error !== 'function') throw error;
      told.error(error);
    });
  }

  complete(): void {
    this.end((told) => told?.complete?.());
  }

  override unsubscribe(): void {
    const { company } = this;
    this.company = undefined;
    company?.leave(this);
    super.unsubscribe();
  }

  private end(tell: (told: Functions<T> | undefined) => void): void {
    if (this.closed) return;
    try {
      tell(typeof this.told === 'function' ? undefined : this.told);
    } catch (error) {
      throwUnhandled(error);
    }
    this.unsubscribe();
  }
}

/** Whether RxJS has its own way with him, as with what an operator subscribes with. */
function isSubscriber<T>(
  told: Partial<Observer<T>> | ((value: T) => void) | null | undefined,
): told is Partial<Observer<T>> & Unsubscribable {
  return typeof told === 'object' && told !== null && 'unsubscribe' in told;
}

/** RxJS throws what nobody catches on a stack of its own, or hands it to `config.onUnhandledError`. */
function throwUnhandled(error: unknown): void {
  throwError(() => error).subscribe();
}
