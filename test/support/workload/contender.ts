import { setTimeout as delay } from 'node:timers/promises';
import { lastValueFrom, Subject, switchMap, take, takeUntil, tap } from 'rxjs';
import { hasReason, isEtcdError, put, type Client, type LockHandle } from '../../../src/index.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import type { Gate } from './pauseGate.js';
import type { Breach } from './callLog.js';

/** A key that the writers do not write, and the watches do not watch. */
const LOCK = 'z/lock';
/** Each count is a separate key, so that a count that is written twice shows in the version of its key. */
export const COUNTS = 'z/count/';
/** The TTL of the lock, in seconds. */
export const LOCK_TTL = 3;

const MOST_COUNTS = 8;
const PAUSE_MS = 40;
const TIMEOUT_MS = 1_500;
/** The usual failures of an attempt to acquire while members fail. */
const USUAL = ['LockLost', 'Unreachable', 'ConnectionLost', 'DeadlineExceeded', 'AmbiguousWrite', 'LeaseNotFound'] as const;

/** A count that was acknowledged. */
export interface CountNote {
  readonly n: number;
  /** The fencing token of the owner. */
  readonly owner: number;
  readonly at: number;
}

export const countKey = (n: number): string => COUNTS + String(n).padStart(8, '0');

/** Acquires the lock again and again, and counts up as long as it owns it. */
export class Contender {
  readonly counts: CountNote[] = [];
  readonly breaches: Breach[] = [];
  /** The time at which it received the loss of the lock. */
  readonly losses: number[] = [];
  /** The owned lock, according to the events that it has received. */
  owned: LockHandle | undefined;
  private readonly over = new Subject<void>();
  private readonly end: Promise<void>;

  constructor(
    private readonly name: string,
    private readonly etcd: Client,
    private readonly random: Random,
    private readonly gate: Gate,
  ) {
    this.end = this.work();
  }

  /** Releases the lock, or leaves the queue; the gate must be closed for good. */
  finish(): Promise<void> {
    this.over.next();
    return this.end;
  }

  breach(what: string): void {
    this.breaches.push({ at: awakeNow(), what: `${this.name}: ${what}` });
  }

  private async work(): Promise<void> {
    while (await this.gate.passed()) {
      await this.claim();
      await delay(this.random.int(0, PAUSE_MS));
    }
  }

  private async claim(): Promise<void> {
    const claimed = this.etcd.lock(LOCK, { ttl: LOCK_TTL }).pipe(
      tap((ownership) => (this.owned = ownership)),
      switchMap((ownership) => this.countUp(ownership)),
      take(1),
      takeUntil(this.over),
    );
    try {
      await lastValueFrom(claimed, { defaultValue: undefined });
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      if (!hasReason(error, ...USUAL)) this.breach(`the lock ended: ${error.reason}, ${error.message}`);
      if (this.owned !== undefined && hasReason(error, 'LockLost')) this.losses.push(awakeNow());
    }
    this.owned = undefined;
  }

  private async countUp(ownership: LockHandle): Promise<void> {
    const before = await lastValueFrom(this.etcd.kv.count({ prefix: COUNTS }));
    const last = before + this.random.int(1, MOST_COUNTS);
    for (let n = before + 1; n <= last && this.owned === ownership && (await this.gate.passed()); n++) {
      await this.count(n, ownership);
      await delay(this.random.int(0, PAUSE_MS));
    }
  }

  private async count(n: number, ownership: LockHandle): Promise<void> {
    const { guard, revision: owner } = ownership;
    const counting = { compare: [guard], success: [put(countKey(n), String(owner))] };
    const { succeeded } = await lastValueFrom(this.etcd.kv.txn(counting, { timeoutMs: TIMEOUT_MS }));
    if (succeeded) this.counts.push({ n, owner, at: awakeNow() });
    else if (ownership.alive) this.breach('a guard was refused under a lock that is thought to be owned');
  }
}
