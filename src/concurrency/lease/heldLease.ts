import type { Observable } from 'rxjs';
import type { EtcdError } from '../../errors/index.js';
import type { LeaseId } from '../../model/ids.js';
import type { LeaseRpcs } from '../../services/lease.js';
import type { StreamTimeouts } from '../../watch/retryable.js';
import type { CleanupTracker } from './cleanup.js';
import type { KeepAlives } from './keepAlives.js';
import type { RefreshScheduler } from './refreshScheduler.js';

/** A lease that is held. */
export interface HeldLease {
  readonly id: LeaseId;
  /** The TTL that the server granted, in seconds. */
  readonly ttl: number;
  /** The milliseconds for which it is still valid at least, without a further refresh; 0 when it is lost. */
  readonly remainingMs: number;
  /** Whether it is certainly valid, by the local clock. */
  readonly alive: boolean;
  /** The option `onLost` of its Observable: `regrant` continues with another lease after a loss. */
  readonly onLost: 'error' | 'regrant';
  /**
   * Refreshes the lease now, rather than at the next third of its TTL (`Lease.LeaseKeepAlive`). Emits once: the
   * milliseconds for which it is then valid. Errors with `LeaseLost` if it does not exist any more, which also ends its
   * Observable. Any other error concerns this attempt only; the next refresh follows automatically.
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
  /** The milliseconds for which it is still valid at least, as of this event. */
  readonly remainingMs: number;
  readonly lease: HeldLease;
}

/**
 * An event of a held lease.
 * - `granted`: the lease was granted; with `regrant` once for each lease
 * - `refreshed`: it is valid for its TTL again
 * - `refreshFailed`: a refresh failed with `error`, and is retried for another `remainingMs`
 * - `lost`: the lease was lost, and another one follows; only with `regrant`
 */
export type LeaseEvent =
  | (OfLease & { readonly type: 'granted' | 'refreshed' })
  | (OfLease & { readonly type: 'refreshFailed' | 'lost'; readonly error: EtcdError });

/** The dependencies of held leases. */
export interface LeaseContext {
  readonly service: LeaseRpcs;
  readonly scheduler: RefreshScheduler;
  readonly keepAlives: Pick<KeepAlives, 'send' | 'cancel' | 'retain' | 'release'>;
  readonly cleanup: CleanupTracker;
  /** Fires when the client is closed. */
  readonly closed: Observable<void>;
  readonly settings: StreamTimeouts;
}
