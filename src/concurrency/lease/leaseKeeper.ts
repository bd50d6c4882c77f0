import { map, Observable, type Observer } from 'rxjs';
import { EtcdError, isEtcdError, type Reason } from '../../errors/index.js';
import { type LeaseId, leaseName } from '../../model/ids.js';
import { type Detachable, LightObservable } from '../../util/lightObservable.js';
import { elapsedSince } from '../../util/time.js';
import { multicast, type Multicast } from '../../util/rx.js';
import { isRetryable } from '../../watch/retryable.js';
import type { LeaseContext } from '../context.js';
import type { KeepAliveRequest, KeepAliveResult } from './keepAlives.js';
import type { RefreshBatch, ScheduledLease } from './refreshScheduler.js';

/** A lease that is held. */
export interface HeldLease {
  readonly id: LeaseId;
  /** The TTL that the server granted, in seconds. */
  readonly ttl: number;
  /**
   * The milliseconds for which the lease is certainly still valid without another refresh; 0 when the lease is lost or
   * no longer held.
   */
  readonly remainingMs: number;
  /** Whether the lease is held and certainly valid, by the local clock. */
  readonly alive: boolean;
  /** The option `onLost` of the Observable. With `regrant` another lease follows after a loss. */
  readonly onLost: 'error' | 'regrant';
  /**
   * Refreshes the lease now (`Lease.LeaseKeepAlive`), before the next refresh is due. Emits the milliseconds for which
   * the lease is then valid, and completes. Errors with `LeaseLost` if the lease is lost, for example because it does
   * not exist any more. In this case, the Observable of the lease also reports the loss. Also errors with `LeaseLost`
   * after unsubscribing. Any other error concerns this attempt only; the next refresh follows automatically.
   */
  refresh(): Observable<number>;
  /** Reads the keys that are attached to the lease (`Lease.LeaseTimeToLive`). */
  keys(): Observable<readonly Uint8Array[]>;
}

interface OfLease {
  /** The id, for the option `lease` of a put. */
  readonly id: LeaseId;
  /** The TTL that the server granted, in seconds. */
  readonly ttl: number;
  /** The milliseconds for which the lease is certainly still valid, as of this event. */
  readonly remainingMs: number;
  readonly lease: HeldLease;
}

/**
 * An event of a held lease.
 * - `granted`: the lease was granted or adopted; with `regrant` once for each lease
 * - `refreshed`: the lease is valid for its whole TTL again
 * - `refreshFailed`: a refresh failed with `error`. It is retried until the lease expires, in `remainingMs`
 *   milliseconds
 * - `lost`: the lease was lost, and another one follows; only with `regrant`
 */
export type LeaseEvent =
  | (OfLease & { readonly type: 'granted' | 'refreshed' })
  | (OfLease & { readonly type: 'refreshFailed' | 'lost'; readonly error: EtcdError });

/** A lease that was granted, with its TTL and the time of the request. */
export interface GrantedLease extends KeepAliveResult {
  readonly id: LeaseId;
}

/** Keeps a granted lease alive, and emits its events. Each event contains the lease. */
export const keepLease = (granted: GrantedLease, context: LeaseContext, onLost: 'error' | 'regrant' = 'error'): Observable<LeaseEvent> =>
  new LightObservable((observer) => {
    const keeper = new LeaseKeeper(granted, context, onLost, observer);
    keeper.start();
    return keeper;
  });

/**
 * The longest pause before a refresh is retried after a temporary error. It is short, as a short TTL leaves little
 * time.
 */
const RETRY_MS = 250;
/** The part of the TTL by which a keepalive may be sent earlier, so that it is sent together with others. */
const BATCH_PART = 1 / 30;
/**
 * The timeout of a keepalive, as a part of the TTL. A keepalive is sent after a third of the TTL, and so times out
 * after half of the TTL. The rest of the TTL is left for further attempts.
 */
const TIMEOUT_PART = 1 / 6;

/**
 * The errors after which the lease is certainly lost, or is no longer refreshed. After any other error the lease may
 * still exist until its TTL has passed.
 */
const PROOFS_OF_LOSS: ReadonlySet<Reason> = new Set<Reason>(['LeaseNotFound', 'PermissionDenied', 'ClientClosed']);

/**
 * A lease that is kept alive from its grant to its end, by a keepalive every third of the TTL that the server granted.
 * The lease counts as lost when the TTL has passed since the grant or the last successful keepalive was sent. The state
 * of the connection does not matter. The server counts the TTL from the time at which it receives the request, so the
 * lease expires later on the server.
 */
export class LeaseKeeper implements KeepAliveRequest, ScheduledLease, Detachable<LeaseEvent> {
  readonly id: LeaseId;
  /** The lease as users see it. Its properties read the current values. */
  private readonly lease: HeldLease;
  private result: KeepAliveResult;
  /** Whether a keepalive was sent and has no result yet. */
  private isPending = false;
  /** The function that creates the error for later refreshes; set when the lease has ended. */
  private endError: (() => unknown) | undefined;
  /** The batch of the next keepalive, or of the pending one. */
  private batch: RefreshBatch | undefined;
  private lastError: EtcdError | undefined;
  /** The subscribers that wait for a refresh. */
  private refreshes: Multicast<number> | undefined;

  constructor(
    { id, ttl, sentAt }: GrantedLease,
    private readonly context: LeaseContext,
    onLost: 'error' | 'regrant',
    private readonly observer: Observer<LeaseEvent>,
  ) {
    this.id = id;
    this.result = { ttl, sentAt };
    this.lease = new LeaseView(this, onLost, context);
  }

  /** Emits the grant, and schedules the first keepalive. Must be called only once. */
  start(): void {
    this.context.keepAlives.retain();
    this.confirm('granted');
  }

  /** Ends the keepalives without notifying the observer. */
  detach(): void {
    this.end(() => new EtcdError('LeaseLost', `${leaseName(this.id)} is no longer held`));
    this.context.keepAlives.release();
  }

  /** The TTL that the server granted, in seconds. */
  get ttl(): number {
    return this.result.ttl;
  }

  /** The milliseconds for which the lease is certainly still valid; 0 when the lease has ended. */
  get remainingMs(): number {
    return this.endError === undefined ? Math.max(0, this.ttlMs - elapsedSince(this.result.sentAt)) : 0;
  }

  get timeoutMs(): number {
    return this.ttlMs * TIMEOUT_PART;
  }

  /** Refreshes the lease now, unless a keepalive is pending already. */
  refresh(): Observable<number> {
    return new Observable((subscriber) => {
      if (this.endError !== undefined) return subscriber.error(this.endError());
      const refreshed = (this.refreshes ??= multicast()).subscribe(subscriber);
      if (!this.isPending) this.scheduleKeepAlive(0, 0);
      return refreshed;
    });
  }

  onDue(): void {
    if (this.remainingMs === 0) return this.onExpired();
    this.isPending = true;
    this.context.keepAlives.send(this);
  }

  onExpired(): void {
    this.lose(this.lastError);
  }

  refreshed(result: KeepAliveResult): void {
    this.isPending = false;
    this.result = result;
    this.lastError = undefined;
    // The TTL may have passed already. After a suspension, the process reads the responses that have arrived before it
    // runs its timers.
    if (this.remainingMs === 0) return this.onExpired();
    this.confirm('refreshed');
  }

  onFailed(error: unknown): void {
    if (this.endError !== undefined) return;
    this.isPending = false;
    if (!isEtcdError(error)) return this.fail(error);
    if (PROOFS_OF_LOSS.has(error.reason)) return this.lose(error);
    this.lastError = error;
    // After an error that is not temporary, such as a changed password, the pauses are longer.
    const pauseMs = Math.min(isRetryable(error) ? RETRY_MS : Infinity, this.ttlMs / 10);
    // The retry is scheduled for the end of the TTL at the latest, as only the batch detects that the TTL has passed.
    this.scheduleKeepAlive(Math.min(pauseMs, this.remainingMs), pauseMs * BATCH_PART);
    const { id, lease, ttl, remainingMs } = this;
    this.failRefreshes(error);
    const { diagnostics } = this.context;
    if (diagnostics?.active === true) diagnostics.emit({ type: 'leaseAtRisk', lease: id, remainingMs, error });
    this.observer.next({ type: 'refreshFailed', id, ttl, remainingMs, lease, error });
  }

  private get ttlMs(): number {
    return this.result.ttl * 1_000;
  }

  private confirm(type: 'granted' | 'refreshed'): void {
    const { id, lease, refreshes, ttl, ttlMs, remainingMs } = this;
    // A keepalive is due after a third of the TTL, as with etcd's Go client.
    this.scheduleKeepAlive(Math.max(0, remainingMs - (2 * ttlMs) / 3), ttlMs * BATCH_PART);
    this.refreshes = undefined;
    refreshes?.next(remainingMs);
    refreshes?.complete();
    const { diagnostics } = this.context;
    if (diagnostics?.active === true) {
      diagnostics.emit({ type: type === 'granted' ? 'leaseGranted' : 'leaseRefreshed', lease: id, ttl });
    }
    this.observer.next({ type, id, ttl, remainingMs, lease });
  }

  private scheduleKeepAlive(ms: number, earlyMs: number): void {
    this.batch?.leave(this);
    this.batch = this.context.scheduler.schedule(ms, earlyMs, this);
  }

  private lose(cause: EtcdError | undefined): void {
    const problem = cause?.message ?? 'its TTL has passed';
    this.fail(new EtcdError('LeaseLost', `${leaseName(this.id)} is lost: ${problem}`, cause === undefined ? {} : { cause }));
  }

  private fail(error: unknown): void {
    this.end(() => error);
    const { diagnostics } = this.context;
    if (diagnostics?.active === true && isEtcdError(error)) diagnostics.emit({ type: 'leaseLost', lease: this.id, error });
    this.observer.error(error);
  }

  private end(error: () => unknown): void {
    if (this.endError !== undefined) return;
    this.endError = error;
    this.batch?.leave(this);
    if (this.isPending) this.context.keepAlives.cancel(this);
    if (this.refreshes !== undefined) this.failRefreshes(error());
  }

  private failRefreshes(error: unknown): void {
    const { refreshes } = this;
    this.refreshes = undefined;
    refreshes?.error(error);
  }
}

/** The lease as users see it. Its methods are own properties, as `etcd.promises` looks for own properties. */
class LeaseView implements HeldLease {
  readonly #keeper: LeaseKeeper;
  readonly id: LeaseId;
  readonly refresh: () => Observable<number>;
  readonly keys: () => Observable<readonly Uint8Array[]>;

  constructor(
    keeper: LeaseKeeper,
    readonly onLost: 'error' | 'regrant',
    { service }: LeaseContext,
  ) {
    this.#keeper = keeper;
    this.id = keeper.id;
    this.refresh = () => keeper.refresh();
    this.keys = () => service.timeToLive(keeper.id, { keys: true }).pipe(map(({ keys }) => keys));
  }

  get ttl(): number {
    return this.#keeper.ttl;
  }

  get remainingMs(): number {
    return this.#keeper.remainingMs;
  }

  get alive(): boolean {
    return this.remainingMs > 0;
  }
}
