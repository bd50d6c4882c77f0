import {
  AsyncSubject,
  catchError,
  defer,
  EMPTY,
  finalize,
  map,
  merge,
  of,
  repeat,
  switchMap,
  takeUntil,
  tap,
  throwError,
  timer,
  type Observable,
} from 'rxjs';
import { EtcdError, hasReason, isEtcdError } from '../errors/index.js';
import type { Leases } from '../lease.js';
import type { LeaseId } from '../model/ids.js';
import { Backoff } from '../transport/backoff.js';
import { isPassing } from '../watch/passing.js';
import type { ConnectionSettings } from '../watch/settings.js';
import { since } from './clock.js';
import { grantLease, refreshed, type Granted } from './grant.js';
import { leaseLife, type Hold, type LifeMeans } from './leaseLife.js';
import { severalTries, type Releases } from './releases.js';

/** How a lease is held. */
export interface LeaseOptions {
  /** Seconds to live without a refresh, a whole number; the server raises what is below its minimum. */
  readonly ttl: number;
  /** The id it is to have; by default one of 63 random bits. With `regrant` it is that of the first: those that follow have others. */
  readonly id?: LeaseId;
  /** What becomes of the stream when the lease is lost: `error` (the default, `LeaseLost`), or `regrant`: it says so, and goes on with another lease. */
  readonly onLost?: 'error' | 'regrant';
  /** What becomes of the lease when it is unsubscribed from: `revoke` (the default) deletes its keys at once, `keep` leaves it to its time. */
  readonly release?: 'revoke' | 'keep';
}

/** A lease that is held. */
export interface HeldLease {
  readonly id: LeaseId;
  /** Seconds, as granted. */
  readonly ttl: number;
  /** Milliseconds that it holds at least, if it is not refreshed any more; 0 when it is lost. */
  readonly remainingMs: number;
  /** Whether it is held for certain. */
  readonly alive: boolean;
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

/** A lease, held as long as it is subscribed to. */
export function heldLease({ ttl, id, onLost = 'error', release = 'revoke' }: LeaseOptions, means: LeaseMeans): Observable<LeaseEvent> {
  return defer(() => {
    checkTtl(ttl);
    let wanted = id;
    const once = defer(() => grantedLease(ttl, wanted, release, means)).pipe(
      // The end of a lost one may be on its way still, and must not meet the next.
      tap(() => (wanted = undefined)),
    );
    return onLost === 'error' ? once : regranted(once, means);
  }).pipe(takeUntil(means.closed));
}

function grantedLease(ttl: number, id: LeaseId | undefined, release: 'revoke' | 'keep', means: LeaseMeans): Observable<LeaseEvent> {
  return defer(() => {
    // It goes on when nobody waits for it any more: what was sent may yet be done, and has to be undone after that.
    const granted = new AsyncSubject<Granted>();
    grantLease(means.service, ttl, { id, answerTimeoutMs: means.settings.answerTimeoutMs }).subscribe(granted);
    return granted.pipe(
      switchMap((lease) => lifeOf(lease, means)),
      finalize(() => {
        if (release === 'revoke') means.releases.run(granted.pipe(switchMap((lease) => revoked(lease, means))));
      }),
    );
  });
}

/** A lease that another granted, refreshed from now on. */
export function adoptedLease(id: LeaseId, release: 'revoke' | 'keep', means: LeaseMeans): Observable<LeaseEvent> {
  return refreshed(means.service, id, means.settings.answerTimeoutMs).pipe(
    switchMap((lease) =>
      lifeOf(lease, means).pipe(
        finalize(() => {
          if (release === 'revoke') means.releases.run(revoked(lease, means));
        }),
      ),
    ),
    takeUntil(means.closed),
  );
}

/** One that is lost is revoked all the same: the server may think otherwise. */
const revoked = ({ id }: Granted, { service }: LeaseMeans): Observable<unknown> => severalTries(service.revoke(id));

function lifeOf({ id, hold }: Granted, means: LeaseMeans): Observable<LeaseEvent> {
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
      keys: () => means.service.timeToLive(id, { keys: true }).pipe(map(({ keys }) => keys)),
    };
    const end = (): void => void (lost = true);
    const life = leaseLife(id, hold, means, (held) => (current = held)).pipe(tap({ error: end }));
    return merge(life, means.hold()).pipe(
      map((event): LeaseEvent => ({ ...event, id, ttl: current.ttl, lease })),
      finalize(end),
    );
  });
}

/** Another lease after each that is lost, as soon as one can be had. */
function regranted(once: Observable<LeaseEvent>, { settings }: LeaseMeans): Observable<LeaseEvent> {
  return defer(() => {
    const backoff = new Backoff(settings.initialBackoffMs, settings.maxBackoffMs);
    let last: LeaseEvent | undefined;
    const untilLost = once.pipe(
      tap((event) => {
        last = event;
        if (event.type === 'granted') backoff.reset();
      }),
      catchError((error: unknown) => {
        if (!isEtcdError(error) || !(hasReason(error, 'LeaseLost') || isPassing(error))) return throwError(() => error);
        // Where none was granted yet there is nothing to lose.
        const lost = last && ({ ...last, type: 'lost', remainingMs: 0, error } as const);
        last = undefined;
        return lost === undefined ? EMPTY : of<LeaseEvent>(lost);
      }),
    );
    return untilLost.pipe(repeat({ delay: () => timer(backoff.next()) }));
  });
}

function checkTtl(ttl: unknown): void {
  if (typeof ttl === 'number' && Number.isSafeInteger(ttl) && ttl >= 1) return;
  throw new EtcdError('InvalidArgument', `ttl is a whole number of seconds from 1, not ${String(ttl)}`, { rpc: 'Lease.LeaseGrant' });
}
