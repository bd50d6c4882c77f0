import { NEVER, Observable, type Subscription } from 'rxjs';
import { EtcdError, hasReason, isEtcdError } from '../errors/index.js';
import type { LeaseId } from '../model/ids.js';
import type { Agenda, Appointment } from './agenda.js';
import { isPassing } from '../watch/passing.js';
import { since, type Moment } from './clock.js';

/** A lease that was granted or refreshed: it holds for `ttl` seconds from when that was asked for. */
export interface Hold {
  readonly ttl: number;
  readonly sentAt: Moment;
}

/** What happens to a lease in its life. */
export type LifeEvent =
  | { readonly type: 'granted' | 'refreshed'; readonly remainingMs: number }
  /** A refresh failed; it is tried again until the lease's time is over. */
  | { readonly type: 'jammed'; readonly remainingMs: number; readonly error: EtcdError };

/** What a life needs. */
export interface LifeMeans {
  readonly agenda: Agenda;
  /** Refreshes the lease once, or errors: with `LeaseNotFound` where it is gone. A server that is silent for so long is given up. */
  readonly refresh: (id: LeaseId, patienceMs: number) => Observable<Hold>;
}

/** What ties a life to the one who holds the lease. */
export interface LifeTies {
  /** Told of each hold before anybody else. */
  readonly onHold: (hold: Hold) => void;
  /** Asks for a refresh at once. */
  readonly wanted?: Observable<void>;
}

/** A refresh that fails is tried again so soon, at the most: a third of a short TTL is not long. */
const RETRY_MS = 250;
/** A refresh may come by a thirtieth of the TTL earlier, to travel with others. */
const GATHER = 1 / 30;
/** A refresh is sent at a third of the TTL; one that is not answered by the half leaves time for others. */
const PATIENCE = 1 / 6;

/**
 * A lease from its grant to its end, refreshed every third of the TTL that the server granted. It counts as lost when that time is over, reckoned from
 * the sending of the last refresh that was answered, whatever the connection says: the server reckons from its receipt, which is later.
 */
export function leaseLife(
  id: LeaseId,
  granted: Hold,
  { agenda, refresh }: LifeMeans,
  { onHold, wanted = NEVER }: LifeTies,
): Observable<LifeEvent> {
  return new Observable((subscriber) => {
    let hold = granted;
    let refreshing: Subscription | undefined;
    let next: Appointment | undefined;
    let end: Appointment | undefined;
    let lastError: EtcdError | undefined;

    const ttlMs = (): number => hold.ttl * 1_000;
    const remainingMs = (): number => Math.max(0, ttlMs() - since(hold.sentAt));

    const lose = (cause: EtcdError | undefined): void => {
      subscriber.error(
        new EtcdError('LeaseLost', `lease ${id} is lost: ${cause?.message ?? 'its time is over'}`, cause === undefined ? {} : { cause }),
      );
    };

    const settle = (held: Hold): void => {
      hold = held;
      lastError = undefined;
      onHold(held);
      end?.cancel();
      end = agenda.in(remainingMs(), () => lose(lastError));
      next?.cancel();
      next = agenda.in(Math.max(0, ttlMs() / 3 - since(hold.sentAt)), tryRefresh, ttlMs() * GATHER);
    };

    const tryRefresh = (): void => {
      refreshing = refresh(id, ttlMs() * PATIENCE).subscribe({
        next: (held) => {
          settle(held);
          // A process that was stopped reads what came before that first, and its timers afterwards.
          if (remainingMs() === 0) return lose(undefined);
          subscriber.next({ type: 'refreshed', remainingMs: remainingMs() });
        },
        error: (failure: unknown) => {
          if (!isEtcdError(failure)) return subscriber.error(failure);
          if (hasReason(failure, 'LeaseNotFound') || !isPassing(failure)) return lose(failure);
          lastError = failure;
          subscriber.next({ type: 'jammed', remainingMs: remainingMs(), error: failure });
          next = agenda.in(Math.min(RETRY_MS, ttlMs() / 10), tryRefresh);
        },
      });
    };

    const refreshNow = (): void => {
      // The answer to the one that is under way will do.
      if (refreshing?.closed === false) return;
      next?.cancel();
      tryRefresh();
    };

    subscriber.add(wanted.subscribe({ next: refreshNow, error: (error: unknown) => subscriber.error(error) }));
    subscriber.add(() => {
      refreshing?.unsubscribe();
      next?.cancel();
      end?.cancel();
    });
    settle(granted);
    subscriber.next({ type: 'granted', remainingMs: remainingMs() });
  });
}
