import { EtcdError, hasReason, isEtcdError } from '../../errors/index.js';
import type { LeaseId } from '../../model/ids.js';
import { isPassing } from '../../watch/retryable.js';
import { since } from '../clock.js';
import type { Asker, Hold, Refresher } from '../refresher.js';
import type { Round, RoundMember, Rounds } from './refreshScheduler.js';

/** What a life needs. */
export interface LifeMeans {
  readonly rounds: Rounds;
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
export class LeaseLife implements Asker, RoundMember {
  private asking = false;
  private over = false;
  /** That in which it is refreshed, or is being refreshed. */
  private round: Round | undefined;
  private lastError: EtcdError | undefined;

  constructor(
    readonly id: LeaseId,
    private hold: Hold,
    private readonly means: LifeMeans,
    private readonly observer: LifeObserver,
  ) {}

  /** Begins it, once. */
  begin(): void {
    this.settle('granted');
  }

  /** Ends it; its observer hears no more. */
  stop(): void {
    this.over = true;
    this.round?.leave(this);
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
  refresh(): void {
    if (!this.asking && !this.over) this.plan(0, 0);
  }

  onDue(): void {
    if (this.remainingMs === 0) return this.onEnd();
    this.asking = true;
    this.means.refresher.ask(this);
  }

  onEnd(): void {
    this.lose(this.lastError);
  }

  refreshed(hold: Hold): void {
    this.asking = false;
    this.hold = hold;
    this.lastError = undefined;
    // A process that was stopped reads what came before that first, and its timers afterwards.
    if (this.remainingMs === 0) return this.onEnd();
    this.settle('refreshed');
  }

  failed(error: unknown): void {
    if (this.over) return;
    this.asking = false;
    if (!isEtcdError(error)) return this.finish(error);
    if (hasReason(error, 'LeaseNotFound') || !isPassing(error)) return this.lose(error);
    this.lastError = error;
    const pauseMs = Math.min(RETRY_MS, this.ttlMs / 10);
    // Not after its end, which nobody else looks to meanwhile.
    this.plan(Math.min(pauseMs, this.remainingMs), pauseMs * GATHER);
    this.observer.jammed(error);
  }

  private get ttlMs(): number {
    return this.hold.ttl * 1_000;
  }

  private settle(type: 'granted' | 'refreshed'): void {
    const { ttlMs, remainingMs } = this;
    this.plan(Math.max(0, remainingMs - (2 * ttlMs) / 3), ttlMs * GATHER);
    this.observer.held(type, remainingMs);
  }

  private plan(ms: number, earlyMs: number): void {
    this.round?.leave(this);
    this.round = this.means.rounds.in(ms, earlyMs, this);
  }

  private lose(cause: EtcdError | undefined): void {
    const problem = cause?.message ?? 'its time is over';
    this.finish(new EtcdError('LeaseLost', `lease ${this.id} is lost: ${problem}`, cause === undefined ? {} : { cause }));
  }

  private finish(error: unknown): void {
    this.stop();
    this.observer.lost(error);
  }
}
