import { AsyncSubject, defer, Observable, type Observer, Subscription } from 'rxjs';
import { EtcdError, isEtcdError } from '../../errors/index.js';
import { type LeaseId, leaseName } from '../../model/ids.js';
import { checkOptions, invalidArgument, type OptionKind, type OptionKinds, WHOLE } from '../../model/validate.js';
import { noteRelease, type PendingRelease, tearDownAndRelease } from '../../util/releases.js';
import { takeUntilClosed } from '../../util/closedSignal.js';
import { type Detachable, LightObservable } from '../../util/lightObservable.js';
import { throwIfClosed } from '../../util/rx.js';
import { retryTransient } from '../../watch/retryable.js';
import type { LeaseContext } from '../context.js';
import { heldLease } from './lease.js';
import type { HeldLease, LeaseEvent } from './leaseKeeper.js';

/** The options of `session`, which set the TTL of its lease. */
export interface NewSessionOptions {
  /**
   * The TTL of the lease of the session, in seconds: 60 by default, as in etcd's Go client. If the process crashes, the
   * keys of the session still exist for up to that time.
   */
  readonly ttl?: number;
}

/**
 * A lease that many locks, elections, registrations and announcements share. Pass the session as their option
 * `session`.
 */
export interface Session {
  /** The id of the lease, for the option `lease` of a put. */
  readonly lease: LeaseId;
  /** The TTL that the server granted, in seconds. */
  readonly ttl: number;
  /**
   * The milliseconds for which the lease is certainly still valid without another refresh; 0 when the session has
   * ended.
   */
  readonly remainingMs: number;
  /** Whether the lease is certainly valid by the local clock, and the session has not ended. */
  readonly alive: boolean;
  /**
   * Ends the session, but does not revoke its lease. The Observable of the session completes. Everything that is held
   * under the session errors with `LockLost` or `LeaseLost`. The lease is no longer refreshed, so it and its keys
   * remain only until its TTL has passed. Before that time, another process can keep them with
   * `lease.adopt(session.lease)`.
   */
  orphan(): void;
}

export const DEFAULT_SESSION_TTL = 60;

const NEW_SESSION: OptionKinds<NewSessionOptions> = { ttl: WHOLE };

/**
 * The name of the property that contains the internal state of a session. It is a symbol, so that the wrappers of
 * `etcd.promises` return this property unchanged.
 */
const STATE = Symbol('the state of a session');

/** The internal state of a session. It notifies everything that is held under the session when the session ends. */
class SessionState implements PendingRelease {
  /** The error for everything under the session; set when the session has ended. */
  error: EtcdError | undefined;
  orphaned = false;
  failure: unknown;
  /** The observers that are notified when the session ends. */
  readonly observers = new Set<EndObserver>();
  private readonly released = new AsyncSubject<void>();

  constructor(readonly heldLease: HeldLease) {}

  /** Emits once when the lease was revoked, or the revocation has failed. */
  get ended(): Observable<void> {
    return this.released;
  }

  end(error: EtcdError): void {
    if (this.error !== undefined) return;
    this.error = error;
    for (const observer of [...this.observers]) observer.end(error);
  }

  follow(release: Observable<never>): void {
    const finish = (failure?: unknown): void => {
      this.failure = failure;
      this.released.next();
      this.released.complete();
    };
    release.subscribe({ error: finish, complete: () => finish() });
  }
}

interface WithState extends Session {
  readonly [STATE]: SessionState;
}

class LeaseSession implements WithState {
  readonly [STATE]: SessionState;

  constructor(
    state: SessionState,
    readonly orphan: () => void,
  ) {
    this[STATE] = state;
  }

  get lease(): LeaseId {
    return this[STATE].heldLease.id;
  }

  get ttl(): number {
    return this[STATE].heldLease.ttl;
  }

  get remainingMs(): number {
    const { error, heldLease } = this[STATE];
    return error === undefined ? heldLease.remainingMs : 0;
  }

  get alive(): boolean {
    return this.remainingMs > 0;
  }
}

/** Creates the method `session`. */
export function sessions(context: LeaseContext): (options?: NewSessionOptions) => Observable<Session> {
  return (options = {}) =>
    defer(() => {
      const { ttl = DEFAULT_SESSION_TTL } = checkOptions('session', options, NEW_SESSION);
      return throwIfClosed<Session>()(heldSession(ttl, context));
    });
}

function heldSession(ttl: number, context: LeaseContext): Observable<Session> {
  return new Observable((subscriber) => {
    const holding = new Subscription();
    let state: SessionState | undefined;
    const end = (how: string, cause?: unknown): void => {
      if (state === undefined) return;
      const message = `${leaseName(state.heldLease.id)} is no longer held: the session ${how}`;
      state.end(new EtcdError('LeaseLost', message, cause === undefined ? {} : { cause }));
    };
    const begin = (lease: HeldLease): void => {
      const begun = new SessionState(lease);
      state = begun;
      const orphan = (): void => {
        if (begun.error !== undefined) return;
        begun.orphaned = true;
        end('was orphaned');
        subscriber.complete();
      };
      subscriber.next(new LeaseSession(begun, orphan));
    };
    subscriber.add(() => {
      // The owners of locks are notified before the lease is revoked, as another client may own the locks after the
      // revocation.
      end('was left');
      const released = tearDownAndRelease(() => holding.unsubscribe());
      state?.follow(released);
    });
    const complete = (): void => {
      end('was left by its client, which is closed');
      subscriber.complete();
    };
    // The grant is retried while etcd cannot be reached. After the grant, a failure counts as a loss.
    const granting = new Observable<never>((attempt) => {
      const error = (failure: unknown): void => {
        if (state === undefined) return attempt.error(failure);
        if (isEtcdError(failure)) state.end(failure);
        subscriber.error(failure);
      };
      const next = (event: LeaseEvent): void => {
        if (event.type === 'granted') begin(event.lease);
      };
      holding.add(heldLease({ ttl }, context, () => state?.orphaned === true).subscribe({ next, error, complete }));
    });
    const error = (failure: unknown): void => subscriber.error(failure);
    // The client may be closed during a pause before a retry, when there is no lease whose Observable would complete.
    // So the closing of the client is also observed here.
    holding.add(retryTransient(granting, context.settings).pipe(takeUntilClosed(context.closed)).subscribe({ error, complete }));
  });
}

/** The options that choose the lease of a lock, an election or another recipe. */
interface UnderLease {
  readonly lease?: LeaseId;
  readonly session?: Session;
}

export const SESSION: OptionKind = {
  what: 'a session that etcd.session() emitted',
  is: (value) => typeof value === 'object' && value !== null && STATE in value,
};

/**
 * Checks that a lease and a session are not passed together.
 *
 * @throws EtcdError `InvalidArgument`
 */
export function checkUnderLease(method: string, { lease, session }: UnderLease): void {
  if (lease !== undefined && session !== undefined)
    throw invalidArgument(`session of ${method}`, 'no session together with the option lease', session);
}

const stateOf = (session: Session): SessionState => (session as WithState)[STATE];

/** Returns the error of a session that has ended; undefined if the session has not ended. */
export const endOf = (session: Session): EtcdError | undefined => stateOf(session).error;

/**
 * Emits nothing, and errors with `LeaseLost` when a session ends. If the session ends because the client is closed,
 * there is no error: locks and leases then complete.
 */
export const errorAtEnd = (session: Session, closed: Observable<void>): Observable<never> =>
  new LightObservable((observer) => new EndObserver(stateOf(session), closed, observer).begin());

/**
 * An observer of the end of a session. It is one object instead of a pipeline of operators to save memory, as a session
 * may hold thousands of locks.
 */
class EndObserver implements Detachable<never> {
  constructor(
    private readonly session: SessionState,
    private readonly closed: Observable<void>,
    private readonly observer: Observer<never>,
  ) {}

  begin(): this {
    const { error, observers } = this.session;
    if (error === undefined) observers.add(this);
    else this.end(error);
    return this;
  }

  end(error: EtcdError): void {
    if (!hasFired(this.closed)) this.observer.error(error);
  }

  detach(): void {
    this.session.observers.delete(this);
  }
}

/** Returns whether an Observable that replays its value has emitted already. */
function hasFired(source: Observable<void>): boolean {
  let fired = false;
  source.subscribe({ next: () => (fired = true), error: () => undefined }).unsubscribe();
  return fired;
}

/**
 * Returns whether a session has ended. When a session ends, its lease is revoked, or expires later after `orphan()`. So
 * the keys under the lease need no separate release. A revocation is recorded as a release of the current teardown.
 */
export function isReleasedWith(session: Session | undefined): boolean {
  if (session === undefined || endOf(session) === undefined) return false;
  const state = stateOf(session);
  if (!state.orphaned) noteRelease(state);
  return true;
}
