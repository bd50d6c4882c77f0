import { lastValueFrom, type Observable, Subscription } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import { checkOptions, SIGNAL, type OptionKinds } from '../model/validate.js';
import { tearDownAndRelease } from '../util/releases.js';
import { clientClosed, onAbort } from '../util/rx.js';

/** The options of `hold`. A signal can end the wait. */
export interface HoldOptions {
  /**
   * A signal that ends the wait: the Promise then rejects with `Aborted`. The signal has no effect once the lock or
   * lease is held.
   */
  readonly signal?: AbortSignal;
}

const HOLD: OptionKinds<HoldOptions> = { signal: SIGNAL };

/** A lock, a lease or the like that is held until it is released or lost. */
export interface Held<T> {
  /** The latest value of the Observable, such as the ownership of a lock. */
  readonly value: T;
  /** A signal that aborts when the loss is detected, with the error as its `reason`. A release does not abort it. */
  readonly signal: AbortSignal;
  /** Rejects when the loss is detected, and never resolves. It needs no handler. */
  readonly lost: Promise<never>;
  /**
   * Releases the lock or lease. Resolves when the server has confirmed the release, even after a loss. Rejects if the
   * server cannot be reached; the lease then expires by itself. Further calls return the same Promise.
   */
  release(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Subscribes to an Observable, and thereby holds a lock, lease, leadership, permit, registration or session. Resolves
 * when the Observable emits its first value. Rejects with its error, or with `ClientClosed` if it completes without a
 * value.
 *
 * ```ts
 * await using held = await hold(etcd.lock('jobs', { ttl: 15 }));
 * await firstValueFrom(etcd.kv.txn({ compare: [held.value.guard], success: [put('jobs/last', 'done')] }));
 * ```
 *
 * The lock or lease counts as lost when the Observable errors or completes. Do not use `onLost: 'reacquire'` or
 * `'regrant'` here, because the Observable then reports a loss as a value. Announcements and registrations also do so:
 * their loss shows only in `value`, as the event `lost`.
 */
export function hold<T>(source: Observable<T>, options: HoldOptions = {}): Promise<Held<T>> {
  return new Promise((resolve, reject) => {
    const { signal } = checkOptions('hold', options, HOLD);
    let holding: Holding<T> | undefined;
    const subscription = new Subscription();
    const abort = (): void => {
      subscription.unsubscribe();
      reject(new EtcdError('Aborted', 'hold failed: the signal was aborted'));
    };
    if (signal?.aborted === true) return abort();
    const end = signal === undefined ? () => undefined : onAbort(signal, abort);
    const fail = (error: unknown, loss = error): void => {
      end();
      reject(error);
      holding?.lose(loss);
      // The loss may have begun releases, such as the revocation of a lock's lease. `release` waits for these as well.
      void holding?.release().catch(() => undefined);
    };
    const observer = {
      next: (value: T) => {
        end();
        if (holding !== undefined) holding.value = value;
        else resolve((holding = new Holding(value, () => subscription.unsubscribe())));
      },
      error: fail,
      complete: () => fail(clientClosed(), new EtcdError('LockLost', 'the resource was released, or the client was closed')),
    };
    subscription.add(source.subscribe(observer));
  });
}

class Holding<T> implements Held<T> {
  readonly lost: Promise<never>;
  private controller: AbortController | undefined;
  private rejectLost: (error: unknown) => void = () => undefined;
  private released: Promise<void> | undefined;

  constructor(
    public value: T,
    private readonly tearDown: () => void,
  ) {
    this.lost = new Promise((_, reject) => (this.rejectLost = reject));
    // Without a handler, the rejection would end the process.
    this.lost.catch(() => undefined);
  }

  get signal(): AbortSignal {
    return this.aborting.signal;
  }

  lose(error: unknown): void {
    this.rejectLost(error);
    this.aborting.abort(error);
  }

  /** The controller of the signal. It is created on first use, because the signal of most locks is never read. */
  private get aborting(): AbortController {
    return (this.controller ??= new AbortController());
  }

  release(): Promise<void> {
    return (this.released ??= lastValueFrom(tearDownAndRelease(this.tearDown), { defaultValue: undefined }));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.release();
  }
}
