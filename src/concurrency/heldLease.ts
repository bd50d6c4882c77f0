import { defer, EMPTY, finalize, map, merge, Subject, take, tap, throwIfEmpty, type Observable } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import type { Leases } from '../lease.js';
import type { LeaseId } from '../model/ids.js';
import type { ConnectionSettings } from '../watch/settings.js';
import { since } from './clock.js';
import type { Granted } from './grant.js';
import { leaseLife, type Hold, type LifeEvent, type LifeMeans } from './leaseLife.js';
import type { Releases } from './releases.js';

/** A lease that is held. */
export interface HeldLease {
  readonly id: LeaseId;
  /** Seconds, as granted. */
  readonly ttl: number;
  /** Milliseconds that it holds at least, if it is not refreshed any more; 0 when it is lost. */
  readonly remainingMs: number;
  /** Whether it is held for certain. */
  readonly alive: boolean;
  /**
   * Refreshes it now, rather than at the next third of its TTL (`Lease.LeaseKeepAlive`): emits for how many milliseconds it holds, once. `LeaseLost` where it is gone, which ends
   * its stream, too; other errors are of this try, and the next follows by itself.
   */
  refresh(): Observable<number>;
  /** The keys that hang on it (`Lease.LeaseTimeToLive`). */
  keys(): Observable<readonly Uint8Array[]>;
}

interface OfLease {
  /** What a put takes as `lease`. */
  readonly id: LeaseId;
  /** Seconds, as granted. */
  readonly ttl: number;
  /** Milliseconds that it holds at least, as of this event. */
  readonly remainingMs: number;
  readonly lease: HeldLease;
}

/**
 * What happens in the life of a lease.
 * - `granted`: it is there; with `regrant` once for each lease
 * - `refreshed`: and holds for its TTL again
 * - `jammed`: a refresh failed (`error`), and is tried again for `remainingMs` more
 * - `lost`: only with `regrant`; another one follows
 */
export type LeaseEvent =
  (OfLease & { readonly type: 'granted' | 'refreshed' }) | (OfLease & { readonly type: 'jammed' | 'lost'; readonly error: EtcdError });

/** What leases are held with. */
export interface LeaseMeans extends LifeMeans {
  readonly service: Leases;
  readonly releases: Releases;
  /** Keeps open what refreshes travel on; emits nothing. */
  readonly hold: () => Observable<never>;
  /** Fires when the client is closed. */
  readonly closed: Observable<void>;
  readonly settings: ConnectionSettings;
}

/** The life of a lease that was granted, and the lease itself with each of its events. */
export function lifeOf({ id, hold }: Granted, means: LeaseMeans): Observable<LeaseEvent> {
  return defer(() => {
    let current: Hold = hold;
    let lost = false;
    const remaining = (): number => (lost ? 0 : Math.max(0, current.ttl * 1_000 - since(current.sentAt)));
    const lease: HeldLease = {
      id,
      get ttl() {
        return current.ttl;
      },
      get remainingMs() {
        return remaining();
      },
      get alive() {
        return remaining() > 0;
      },
      refresh: () => refreshNow(id, wanted, told),
      keys: () => means.service.timeToLive(id, { keys: true }).pipe(map(({ keys }) => keys)),
    };
    const end = (): void => void (lost = true);
    const wanted = new Subject<void>();
    const told = new Subject<LifeEvent>();
    const life = leaseLife(id, hold, means, { wanted, onHold: (held) => (current = held) }).pipe(
      tap({
        next: (event) => told.next(event),
        error: (error: unknown) => {
          end();
          told.error(error);
        },
      }),
    );
    return merge(life, means.hold()).pipe(
      map((event): LeaseEvent => ({ ...event, id, ttl: current.ttl, lease })),
      finalize(() => {
        end();
        told.complete();
      }),
    );
  });
}

/** What comes of a refresh that is asked for: the next that is told of the lease. */
function refreshNow(id: LeaseId, wanted: Subject<void>, told: Observable<LifeEvent>): Observable<number> {
  const ask = defer(() => {
    wanted.next();
    return EMPTY;
  });
  return merge(told, ask).pipe(
    take(1),
    map((event) => {
      if (event.type === 'jammed') throw event.error;
      return event.remainingMs;
    }),
    throwIfEmpty(() => new EtcdError('LeaseLost', `lease ${id} is held no longer`)),
  );
}
