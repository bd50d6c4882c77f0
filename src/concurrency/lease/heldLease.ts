import { map, Observable, Subject, type Observer } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { Leases } from '../../services/lease.js';
import type { LeaseId } from '../../model/ids.js';
import type { ConnectionSettings } from '../../watch/settings.js';
import type { Granted } from './grant.js';
import { LeaseLife, type LifeMeans, type LifeObserver } from './leaseKeeper.js';
import type { Releases } from './cleanup.js';

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
export function lifeOf(granted: Granted, means: LeaseMeans): Observable<LeaseEvent> {
  return new Observable((subscriber) => {
    const holding = new Holding(granted, means, subscriber);
    subscriber.add(() => holding.stop());
    holding.begin();
    if (!subscriber.closed) subscriber.add(means.hold().subscribe({ error: (error: unknown) => subscriber.error(error) }));
  });
}

/** A lease, its life, and the one who holds it. */
class Holding implements LifeObserver {
  /** What its holder sees: no more than what is promised, and each of it for itself. */
  private readonly lease: HeldLease;
  private readonly life: LeaseLife;
  /** Those who asked for a refresh. */
  private asked: Subject<number> | undefined;
  /** Why there is no other refresh. */
  private over: (() => unknown) | undefined;

  constructor(
    { id, hold }: Granted,
    means: LeaseMeans,
    private readonly observer: Observer<LeaseEvent>,
  ) {
    const life = new LeaseLife(id, hold, means, this);
    this.life = life;
    this.lease = {
      id,
      get ttl() {
        return life.ttl;
      },
      get remainingMs() {
        return life.remainingMs;
      },
      get alive() {
        return life.remainingMs > 0;
      },
      refresh: () => this.refresh(),
      keys: () => means.service.timeToLive(id, { keys: true }).pipe(map(({ keys }) => keys)),
    };
  }

  begin(): void {
    this.life.begin();
  }

  stop(): void {
    this.life.stop();
    this.over ??= () => new EtcdError('LeaseLost', `lease ${this.lease.id} is held no longer`);
    if (this.asked !== undefined) this.refuse(this.over());
  }

  held(type: 'granted' | 'refreshed', remainingMs: number): void {
    const { lease, life, asked } = this;
    this.asked = undefined;
    asked?.next(remainingMs);
    asked?.complete();
    this.observer.next({ type, id: life.id, ttl: life.ttl, remainingMs, lease });
  }

  jammed(error: EtcdError): void {
    const { lease, life } = this;
    const { id, ttl, remainingMs } = life;
    this.refuse(error);
    this.observer.next({ type: 'jammed', id, ttl, remainingMs, lease, error });
  }

  lost(error: unknown): void {
    this.over = () => error;
    this.refuse(error);
    this.observer.error(error);
  }

  private refresh(): Observable<number> {
    return new Observable((subscriber) => {
      if (this.over !== undefined) return subscriber.error(this.over());
      const told = (this.asked ??= new Subject()).subscribe(subscriber);
      this.life.refresh();
      return told;
    });
  }

  private refuse(error: unknown): void {
    const { asked } = this;
    this.asked = undefined;
    asked?.error(error);
  }
}
