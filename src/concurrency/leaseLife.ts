import { EtcdError, hasReason, isEtcdError } from '../errors/index.js';
import type { LeaseId } from '../model/ids.js';
import { isPassing } from '../watch/passing.js';
import type { Agenda, Appointment } from './agenda.js';
import { since } from './clock.js';
import type { Asker, Hold, Refresher } from './refresher.js';

/** What a life needs. */
export interface LifeMeans {
  readonly agenda: Agenda;
  readonly refresher: Refresher;
}

/** One who is told what happens to a lease in its life. */
export interface LifeObserver {
  /** It was granted, or holds for its TTL again. */
  held(type: 'granted' | 'refreshed', remainingMs: number): void;
  /** A refresh failed; it is tried again until the lease's time is over. */
  jammed(error: EtcdError): void;
  /** It is over: `LeaseLost`. */
  lost(error: unknown): void;
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
export class LeaseLife implements Asker {
  private asking = false;
  private over = false;
  private next: Appointment | undefined;
  /** At the latest when its time is over. It is looked at then: to put it off with each refresh would cost as much as the refresh. */
  private end: Appointment | undefined;
  private lastError: EtcdError | undefined;

  constructor(
    readonly id: LeaseId,
    private hold: Hold,
    private readonly means: LifeMeans,
    private readonly observer: LifeObserver,
  ) {}

  /** Begins it, once. */
  begin(): void {
    const { remainingMs } = this;
    this.watchEnd(remainingMs);
    this.planNext(remainingMs);
    this.observer.held('granted', remainingMs);
  }

  /** Ends it; its observer hears no more. */
  stop(): void {
    this.over = true;
    this.next?.cancel();
    this.end?.cancel();
    if (this.asking) this.means.refresher.leave(this);
  }

  /** Seconds, as granted. */
  get ttl(): number {
    return this.hold.ttl;
  }

  /** 0 when it is over. */
  get remainingMs(): number {
    return this.over ? 0 : Math.max(0, this.ttlMs - since(this.hold.sentAt));
  }

  get patienceMs(): number {
    return this.ttlMs * PATIENCE;
  }

  /** Refreshes it now. The answer to a refresh that is under way will do. */
  readonly refresh = (): void => {
    if (this.asking || this.over) return;
    this.next?.cancel();
    this.asking = true;
    this.means.refresher.ask(this);
  };

  refreshed(hold: Hold): void {
    const sooner = hold.ttl < this.hold.ttl;
    this.asking = false;
    this.hold = hold;
    this.lastError = undefined;
    // A process that was stopped reads what came before that first, and its timers afterwards.
    const { remainingMs } = this;
    if (remainingMs === 0) return this.lose(undefined);
    if (sooner) this.watchEnd(remainingMs);
    this.planNext(remainingMs);
    this.observer.held('refreshed', remainingMs);
  }

  failed(error: unknown): void {
    if (this.over) return;
    this.asking = false;
    if (!isEtcdError(error)) return this.finish(error);
    if (hasReason(error, 'LeaseNotFound') || !isPassing(error)) return this.lose(error);
    this.lastError = error;
    this.next = this.means.agenda.in(Math.min(RETRY_MS, this.ttlMs / 10), this.refresh);
    this.observer.jammed(error);
  }

  private get ttlMs(): number {
    return this.hold.ttl * 1_000;
  }

  private planNext(remainingMs: number): void {
    const { ttlMs } = this;
    this.next = this.means.agenda.in(Math.max(0, remainingMs - (2 * ttlMs) / 3), this.refresh, ttlMs * GATHER);
  }

  private watchEnd(remainingMs: number): void {
    this.end?.cancel();
    this.end = this.means.agenda.in(remainingMs, this.onEnd);
  }

  private readonly onEnd = (): void => {
    const { remainingMs } = this;
    if (remainingMs > 0) this.watchEnd(remainingMs);
    else this.lose(this.lastError);
  };

  private lose(cause: EtcdError | undefined): void {
    const problem = cause?.message ?? 'its time is over';
    this.finish(new EtcdError('LeaseLost', `lease ${this.id} is lost: ${problem}`, cause === undefined ? {} : { cause }));
  }

  private finish(error: unknown): void {
    this.stop();
    this.observer.lost(error);
  }
}
