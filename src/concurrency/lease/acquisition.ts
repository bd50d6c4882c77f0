import { AsyncSubject, defer, EMPTY, type Observable, type Observer, of, throwError } from 'rxjs';
import { closedSignal } from '../../util/closedSignal.js';
import { attachTo, type Detachable, LightObservable, NOTHING_ATTACHED } from '../../util/lightObservable.js';
import { clientClosed } from '../../util/rx.js';

/**
 * The state of an acquisition when its subscription ended. `pending`: the result was not known yet. `acquired`: the
 * value was passed to `use`. `failed`: the acquisition ended with an error.
 */
export type AcquisitionState = 'pending' | 'acquired' | 'failed';

/** The steps of {@link acquireWithCompensation}. */
export interface Acquisition<T, R> {
  /**
   * Acquires the value. The Observable emits this value once. The acquisition continues even after the subscriber has
   * unsubscribed.
   */
  acquire(hasLeft: () => boolean): Observable<T>;
  /** Returns the Observable that emits the results while the acquired value is held. */
  use(acquired: T, hasLeft: () => boolean): Observable<R>;
  /** Releases the value, usually by {@link CleanupTracker.run}. Called once, when the subscription has ended. */
  release(acquired: Observable<T>, state: AcquisitionState): void;
}

/**
 * Acquires a value, and releases it when the subscription ends. A request that was sent may still be carried out after
 * the subscription has ended. So `acquire` continues until the outcome of the request is known.
 *
 * @param closed emits or ends when the client is closed. The result then completes, or errors with `ClientClosed` if
 * nothing was acquired
 */
export const acquireWithCompensation = <T, R>(steps: Acquisition<T, R>, closed?: Observable<void>): Observable<R> =>
  new LightObservable((observer) => {
    const run = new CompensatedAcquisition(steps, observer, closed);
    if (closed !== undefined && !closedSignal(closed).add(run)) return NOTHING_ATTACHED;
    return run.begin();
  });

/**
 * An acquisition for one subscriber. It is one object instead of a pipeline of operators to save memory, as a program
 * may have thousands of leases.
 */
class CompensatedAcquisition<T, R> implements Detachable<R> {
  private state: AcquisitionState = 'pending';
  private acquired: { readonly value: T } | undefined;
  /** The outcome if nothing was acquired: an error, or a completion. */
  private outcome: Observable<T> | undefined;
  private left = false;
  /** The source of the outcome for a release that began before the outcome was known. */
  private late: AsyncSubject<T> | undefined;
  private used: Detachable<R> | undefined;

  constructor(
    private readonly steps: Acquisition<T, R>,
    private readonly observer: Observer<R>,
    private readonly closed: Observable<void> | undefined,
  ) {}

  begin(): this {
    let acquired: { readonly value: T } | undefined;
    defer(() => this.steps.acquire(() => this.left)).subscribe({
      next: (value) => (acquired = { value }),
      error: (error: unknown) => this.fail(error),
      complete: () => this.finish(acquired),
    });
    return this;
  }

  /** Ends the acquisition, as the client is closed. */
  complete(): void {
    if (this.state === 'acquired') this.observer.complete();
    else this.observer.error(clientClosed());
  }

  detach(): void {
    const { acquired, closed, observer, state, steps } = this;
    if (closed !== undefined) closedSignal(closed).remove(this);
    this.left = true;
    steps.release(acquired === undefined ? (this.outcome ?? (this.late = new AsyncSubject<T>())) : of(acquired.value), state);
    this.used?.detach(observer);
  }

  private fail(error: unknown): void {
    if (this.late !== undefined) return this.late.error(error);
    this.state = 'failed';
    this.outcome = throwError(() => error);
    this.observer.error(error);
  }

  private finish(acquired: { readonly value: T } | undefined): void {
    const { late } = this;
    if (acquired === undefined) {
      this.outcome = EMPTY;
      return (late ?? this.observer).complete();
    }
    if (late !== undefined) {
      late.next(acquired.value);
      return late.complete();
    }
    this.state = 'acquired';
    this.acquired = acquired;
    this.use(acquired.value);
  }

  private use(value: T): void {
    const { observer, steps } = this;
    try {
      // The observer itself is passed on, so that emitted values do not pass through this object.
      const used = attachTo(
        steps.use(value, () => this.left),
        observer,
      );
      // The subscriber may have unsubscribed when it received the first value.
      if (this.left) used.detach(observer);
      else this.used = used;
    } catch (error) {
      observer.error(error);
    }
  }
}
