import { catchError, concat, defer, EMPTY, finalize, map, type Observable, of, switchMap, tap, throwError } from 'rxjs';
import type { LeaseService, LeaseRpcs } from '../../services/lease.js';
import { type LeaseId, leaseId, leaseName } from '../../model/ids.js';
import type { LeaseContext } from '../context.js';
import { type LeaseEvent, keepLease, type GrantedLease } from './leaseKeeper.js';
import { hasReason, isEtcdError, EtcdError } from '../../errors/index.js';
import { checkOptions, LEASE, oneOf, required, WHOLE, type OptionKinds } from '../../model/validate.js';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { deferLight } from '../../util/lightObservable.js';
import { throwIfClosed } from '../../util/rx.js';
import { retryAfter, now } from '../../util/time.js';
import { isRetryable, streamBackoff } from '../../watch/retryable.js';
import { awaitsRepair } from '../lock/reacquire.js';
import { acquireWithCompensation, type Acquisition, type AcquisitionState } from './acquisition.js';
import { sentOnce, retryCleanup } from './cleanup.js';

/** The options of `lease`: its TTL, and its behavior after a loss and on unsubscribing. */
export interface LeaseOptions {
  /**
   * The TTL in whole seconds: the lease expires if it is not refreshed for that time. The server raises a TTL below its
   * minimum.
   */
  readonly ttl: number;
  /**
   * The id of the lease: 63 random bits by default. With `regrant` only the first lease has this id. Errors with
   * `LeaseExist` if a lease with this id exists. The existing lease may belong to another client, or to an earlier
   * grant whose response was lost. A lease with a chosen id is revoked at most once.
   */
  readonly id?: LeaseId;
  /**
   * The behavior after the loss of the lease. With `error`, the default, the Observable errors with `LeaseLost`. With
   * `regrant` it emits `lost`, and continues with another lease. It then errors only if the server permanently rejects
   * a grant. It completes when the client is closed, even if no lease was granted yet.
   */
  readonly onLost?: 'error' | 'regrant';
  /**
   * The effect of unsubscribing. `revoke`, the default, revokes the lease, which deletes its keys at once. With `keep`,
   * a lease that was granted is not revoked, and expires later.
   */
  readonly release?: 'revoke' | 'keep';
}

const RELEASE = oneOf('revoke', 'keep');
const LEASE_OPTIONS: OptionKinds<LeaseOptions> = {
  ttl: { ...required(WHOLE), what: 'a whole number of seconds from 1' },
  id: LEASE,
  onLost: oneOf('error', 'regrant'),
  release: RELEASE,
};

/**
 * Grants a lease, and holds it as long as the Observable is subscribed to.
 *
 * @param isKept called when the subscription has ended; returns true if the lease must not be revoked
 */
export function heldLease(options: LeaseOptions, context: LeaseContext, isKept?: () => boolean): Observable<LeaseEvent> {
  return deferLight(() => {
    const { ttl, id, onLost = 'error', release } = checkOptions('lease', options, LEASE_OPTIONS);
    const kind = { ttl, id, onLost, isKept: isKept ?? (release === 'keep' ? KEEPS : REVOKES) };
    if (onLost === 'error') return grantedLease(kind, context, context.closed);
    let wanted = id;
    const once = defer(() => grantedLease({ ...kind, id: wanted }, context)).pipe(
      // The next lease gets another id, because the lost lease may end later on the server, and must not end the next
      // lease.
      tap(() => (wanted = undefined)),
    );
    // The Observable completes when the client is closed, even if no lease was granted yet.
    return regranted(once, context).pipe(takeUntilClosed(context.closed));
  });
}

// All leases share these functions, as a closure for each lease would keep its options in memory.
const KEEPS = (): boolean => true;
const REVOKES = (): boolean => false;

/** The options of a lease that is granted. */
interface GrantedKind {
  readonly ttl: number;
  /** The id that the caller chose. */
  readonly id: LeaseId | undefined;
  readonly onLost: 'error' | 'regrant';
  /** Called when the subscription has ended. Returns true if the lease must not be revoked. */
  readonly isKept: () => boolean;
}

/**
 * Grants one lease, holds it, and revokes it when the subscription ends. The Observable may be subscribed to only once.
 */
const grantedLease = (kind: GrantedKind, context: LeaseContext, closed?: Observable<void>): Observable<LeaseEvent> =>
  acquireWithCompensation(new LeaseAcquisition(kind, context), closed);

/**
 * The steps of a granted lease. They are methods of one object to save memory, as a program may have thousands of
 * leases.
 */
class LeaseAcquisition implements Acquisition<GrantedLease, LeaseEvent> {
  /**
   * The id of the lease if the caller has not chosen one. It is known before the grant, as `close()` also reports a
   * lease whose grant had no response.
   */
  private readonly randomId = randomLeaseId();
  private readonly revocation: Revocation;

  constructor(
    private readonly kind: GrantedKind,
    private readonly context: LeaseContext,
  ) {
    this.revocation = new Revocation(kind.id === undefined, context);
  }

  acquire(hasLeft: () => boolean): Observable<GrantedLease> {
    const { context, kind, place, randomId } = this;
    const { cleanup, service, settings } = context;
    const grant = grantLease(service, kind.ttl, { id: kind.id, randomId, responseTimeoutMs: settings.responseTimeoutMs });
    return place === undefined ? grant : cleanup.whenReleased(place).pipe(switchMap(() => (hasLeft() ? EMPTY : grant)));
  }

  use(lease: GrantedLease): Observable<LeaseEvent> {
    return this.revocation.watching(keepLease(lease, this.context, this.kind.onLost));
  }

  release(granted: Observable<GrantedLease>, state: AcquisitionState): void {
    const { context, kind, place, randomId, revocation } = this;
    // With `keep`, the lease is revoked only if the subscriber has never received its id.
    if (kind.isKept() && state === 'acquired') return;
    context.cleanup.run(granted, (lease) => revocation.of(lease), { lease: kind.id ?? randomId }, place);
  }

  /**
   * The name of the release if the caller chose the id. The grant waits for this release, as an earlier lease with the
   * same id may not be revoked yet.
   */
  private get place(): string | undefined {
    const { id } = this.kind;
    return id === undefined ? undefined : `lease/${id}`;
  }
}

/** Holds a lease that was granted elsewhere, and keeps it alive. */
export function adoptedLease(id: LeaseId, options: Pick<LeaseOptions, 'release'>, context: LeaseContext): Observable<LeaseEvent> {
  return defer(() => {
    const { release = 'keep' } = checkOptions('lease.adopt', options, { release: RELEASE });
    const revocation = new Revocation(false, context);
    return refreshLease(context.service, id, context.settings.responseTimeoutMs).pipe(
      switchMap((lease) =>
        revocation.watching(keepLease(lease, context)).pipe(
          finalize(() => {
            if (release === 'revoke') context.cleanup.run(of(lease), (held) => revocation.of(held), { lease: id }, `lease/${id}`);
          }),
        ),
      ),
    );
  }).pipe(takeUntilClosed(context.closed), throwIfClosed());
}

/**
 * The revocation of a lease. No other client uses a random id, so the revocation of a lease with a random id is retried
 * if necessary. Such a lease is revoked even after its loss, as it may still exist on the server. A chosen id may be
 * granted to another client as soon as the lease has ended. So a lease with a chosen id is revoked at most once, and is
 * not revoked after its loss.
 */
class Revocation {
  private lost = false;

  constructor(
    private readonly isRandom: boolean,
    private readonly context: LeaseContext,
  ) {}

  watching(life: Observable<LeaseEvent>): Observable<LeaseEvent> {
    return this.isRandom ? life : life.pipe(tap({ error: () => (this.lost = true) }));
  }

  of({ id }: GrantedLease): Observable<unknown> | undefined {
    if (this.lost) return undefined;
    const revoke = this.context.service.revoke(id);
    return (this.isRandom ? retryCleanup(revoke) : sentOnce(revoke)).pipe(
      // The lease has already ended.
      catchError((error: unknown) => (hasReason(error, 'LeaseNotFound') ? EMPTY : throwError(() => error))),
    );
  }
}

/** Grants another lease after each loss, as soon as the server can grant one. */
function regranted(once: Observable<LeaseEvent>, { settings }: LeaseContext): Observable<LeaseEvent> {
  return defer(() => {
    const backoff = streamBackoff(settings);
    let last: LeaseEvent | undefined;
    let everGranted = false;
    const passes = (error: unknown): error is EtcdError =>
      isEtcdError(error) && (hasReason(error, 'LeaseLost') || isRetryable(error) || (everGranted && awaitsRepair(error)));
    return once.pipe(
      tap((event) => {
        last = event;
        everGranted = true;
        if (event.type === 'granted') backoff.reset();
      }),
      catchError((error: unknown) => {
        const failure = throwError(() => error);
        // If no lease was granted, there is no loss to emit.
        if (last === undefined || !passes(error)) return failure;
        const lost: LeaseEvent = { ...last, type: 'lost', remainingMs: 0, error };
        last = undefined;
        return concat(of(lost), failure);
      }),
      retryAfter((error) => (passes(error) ? backoff.next() : undefined)),
    );
  });
}

/** A function that grants a lease and keeps it alive. It also has the methods of etcd's Lease service. */
export interface LeaseClient extends LeaseService {
  /**
   * Grants a lease, and keeps it alive as long as the Observable is subscribed to. The lease is refreshed every third
   * of its TTL; all leases of a client share one stream, unless the transport is `chunked`. The Observable errors with
   * `LeaseLost` when the TTL has passed by the local clock, whatever the state of the connection. It also errors as
   * soon as the server reports that the lease does not exist, or that the client's user may not refresh it. With
   * `onLost: 'regrant'`, `lost` is emitted in these cases, and another lease is granted. Any other failed refresh is
   * emitted as `refreshFailed`, and retried. By default, unsubscribing revokes the lease.
   *
   * ```ts
   * etcd
   *   .lease({ ttl: 10 })
   *   .pipe(withLease(({ id }) => etcd.kv.put('services/me', address, { lease: id })))
   *   .subscribe();
   * ```
   */
  (options: LeaseOptions): Observable<LeaseEvent>;
  /**
   * Keeps alive a lease that was granted elsewhere, as long as the Observable is subscribed to. By default,
   * unsubscribing does not revoke the lease. Errors with `LeaseNotFound` if the lease does not exist.
   */
  adopt(id: LeaseId, options?: Pick<LeaseOptions, 'release'>): Observable<LeaseEvent>;
}

export function leaseClient(context: LeaseContext): LeaseClient {
  return Object.assign((options: LeaseOptions) => heldLease(options, context), context.service, {
    adopt: (id: LeaseId, options: Pick<LeaseOptions, 'release'> = {}) => adoptedLease(id, options, context),
  });
}

/** The options of `grantLease`. */
export interface GrantOptions {
  /** The id to request; a random one by default. */
  readonly id?: LeaseId | undefined;
  /** The random id to use if `id` is not set, for a caller that needs the id before the grant. */
  readonly randomId?: LeaseId;
  /** The timeout for refreshing a lease that exists already, in milliseconds. */
  readonly responseTimeoutMs: number;
}

/**
 * The maximum number of attempts of a grant whose outcome is unknown. Each attempt may take as long as a whole call.
 */
const TRIES = 3;

/**
 * Grants a lease under an id that the client chooses, so that a grant without a response can be retried without
 * creating a second lease. If the id is random and the retry fails because the lease exists, the first attempt was
 * carried out. If the caller chose the id, it is not certain that the first attempt was carried out: the lease may
 * belong to another client.
 */
export function grantLease(
  leases: LeaseRpcs,
  ttl: number,
  { id: wanted, randomId, responseTimeoutMs }: GrantOptions,
): Observable<GrantedLease> {
  return defer(() => {
    const id = wanted ?? randomId ?? randomLeaseId();
    let tries = 0;
    let doubt: EtcdError | undefined;
    // The lease of an earlier attempt may have ended by now.
    const onceMore = (error: unknown): Observable<GrantedLease> => {
      const ended = hasReason(error, 'LeaseNotFound');
      return ended && tries < TRIES ? attempt() : throwError(() => (ended ? doubt : error));
    };
    const attempt = (): Observable<GrantedLease> => {
      // The time is set when the request is sent, as the request may first wait for a connection.
      let sentAt = now();
      tries += 1;
      return leases
        .grant(ttl, { id }, () => (sentAt = now()))
        .pipe(
          map((granted): GrantedLease => ({ id: granted.id, ttl: granted.ttl, sentAt })),
          catchError((error: unknown) => {
            if (hasReason(error, 'AmbiguousWrite')) {
              doubt = error;
              if (tries < TRIES) return attempt();
            }
            if (!hasReason(error, 'LeaseExist') || doubt === undefined)
              // After `ClientClosed` the outcome of an earlier attempt is still unknown, so the error of that attempt
              // is reported.
              return throwError(() => (hasReason(error, 'ClientClosed') ? (doubt ?? error) : error));
            if (wanted === undefined) return refreshLease(leases, id, responseTimeoutMs).pipe(catchError(onceMore));
            const problem =
              'was granted to another client, or by an earlier attempt whose response was lost; adopt the lease if no other program uses this id';
            return throwError(() => new EtcdError('LeaseExist', `${leaseName(id)} exists: the lease ${problem}`, { cause: doubt }));
          }),
        );
    };
    return attempt();
  });
}

/** Refreshes a lease that exists. The lease is then valid for its TTL from the time of the request. */
export function refreshLease(leases: LeaseService, id: LeaseId, timeoutMs: number): Observable<GrantedLease> {
  return defer(() => {
    const sentAt = now();
    return leases.keepAliveOnce(id, { timeoutMs }).pipe(map(({ ttl }): GrantedLease => ({ id, ttl, sentAt })));
  });
}

/**
 * The random bits of the next ids. Generating the bits of each id separately would take 4 % of the CPU time of a lock
 * cycle.
 */
const randomBits = new BigUint64Array(64);
let idsLeft = 0;

/** Returns an id of 63 random bits, as many as etcd's own ids have. */
export function randomLeaseId(): LeaseId {
  if (idsLeft === 0) idsLeft = crypto.getRandomValues(randomBits).length;
  idsLeft -= 1;
  // If the id were 0, etcd would choose an id itself.
  return leaseId(BigInt.asUintN(63, randomBits[idsLeft] ?? 0n) || 1n);
}
