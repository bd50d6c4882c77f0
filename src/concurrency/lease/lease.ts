import { AsyncSubject, catchError, defer, EMPTY, finalize, Observable, of, repeat, switchMap, tap, throwError, timer } from 'rxjs';
import { hasReason, isEtcdError } from '../../errors/index.js';
import type { LeaseId } from '../../model/ids.js';
import { checkOptions, LEASE, oneOf, WHOLE, type OptionKinds } from '../../model/validate.js';
import { untilClosed } from '../../model/closed.js';
import { Backoff } from '../../util/retry.js';
import { isPassing } from '../../watch/retryable.js';
import { grantLease, refreshed, type Granted } from './grant.js';
import { lifeOf, type LeaseEvent, type LeaseMeans } from './heldLease.js';
import { severalTries } from './cleanup.js';

/** How a lease is held. */
export interface LeaseOptions {
  /** Seconds to live without a refresh, a whole number; the server raises what is below its minimum. */
  readonly ttl: number;
  /** The id it is to have; by default one of 63 random bits. With `regrant` it is that of the first: those that follow have others. */
  readonly id?: LeaseId;
  /** What becomes of the stream when the lease is lost: `error` (the default, `LeaseLost`), or `regrant`: it says so, and goes on with another lease. */
  readonly onLost?: 'error' | 'regrant';
  /** What becomes of the lease when it is unsubscribed from: `revoke` (the default) deletes its keys at once, `keep` leaves it to its time, if it was granted by then. */
  readonly release?: 'revoke' | 'keep';
}

const RELEASE = oneOf('revoke', 'keep');
const LEASE_OPTIONS: OptionKinds<LeaseOptions> = {
  ttl: { what: 'a whole number of seconds from 1', is: WHOLE.is, required: true },
  id: LEASE,
  onLost: oneOf('error', 'regrant'),
  release: RELEASE,
};

/** A lease, held as long as it is subscribed to. */
export function heldLease(options: LeaseOptions, means: LeaseMeans): Observable<LeaseEvent> {
  return defer(() => {
    const { ttl, id, onLost = 'error', release = 'revoke' } = checkOptions('lease', options, LEASE_OPTIONS);
    if (onLost === 'error') return grantedLease(ttl, id, release, means);
    let wanted = id;
    const once = defer(() => grantedLease(ttl, wanted, release, means)).pipe(
      // The end of a lost one may be on its way still, and must not meet the next.
      tap(() => (wanted = undefined)),
    );
    return regranted(once, means);
  }).pipe(untilClosed(means.closed));
}

/** No pipeline, through which each refresh would have to go. */
function grantedLease(ttl: number, id: LeaseId | undefined, release: 'revoke' | 'keep', means: LeaseMeans): Observable<LeaseEvent> {
  return new Observable((subscriber) => {
    // It goes on when nobody waits for it any more: what was sent may yet be done, and has to be undone after that.
    const granted = new AsyncSubject<Granted>();
    let known = false;
    const hold = (lease: Granted): void => {
      known = true;
      lifeOf(lease, means).subscribe(subscriber);
    };
    subscriber.add(granted.subscribe({ next: hold, error: (error: unknown) => subscriber.error(error) }));
    subscriber.add(() => {
      // What is to be kept is what somebody knows of.
      if (release === 'revoke' || !known) means.releases.run(granted.pipe(switchMap((lease) => revoked(lease, means))));
    });
    grantLease(means.service, ttl, { id, answerTimeoutMs: means.settings.answerTimeoutMs }).subscribe(granted);
  });
}

/** A lease that another granted, refreshed from now on. */
export function adoptedLease(id: LeaseId, options: Pick<LeaseOptions, 'release'>, means: LeaseMeans): Observable<LeaseEvent> {
  return defer(() => {
    const { release = 'keep' } = checkOptions('lease.adopt', options, { release: RELEASE });
    return refreshed(means.service, id, means.settings.answerTimeoutMs).pipe(
      switchMap((lease) =>
        lifeOf(lease, means).pipe(
          finalize(() => {
            if (release === 'revoke') means.releases.run(revoked(lease, means));
          }),
        ),
      ),
    );
  }).pipe(untilClosed(means.closed));
}

/** One that is lost is revoked all the same: the server may think otherwise. */
const revoked = ({ id }: Granted, { service }: LeaseMeans): Observable<unknown> => severalTries(service.revoke(id));

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
