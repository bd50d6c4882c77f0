import { setTimeout as delay } from 'node:timers/promises';
import { lastValueFrom, Subject, switchMap, take, takeUntil, tap } from 'rxjs';
import { hasReason, isEtcdError, put, type Client, type LockHandle } from '../../../src/index.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import type { Gate } from './pauseGate.js';
import type { Breach } from './callLog.js';

/** Outside of what writers write, and watches watch. */
const LOCK = 'z/lock';
/** Each count is a key of its own, so that one that is done twice is seen by its version. */
export const COUNTS = 'z/count/';
/** Seconds. */
export const LOCK_TTL = 3;

const MOST_COUNTS = 8;
const PAUSE_MS = 40;
const TIMEOUT_MS = 1_500;
/** What may become of a claim while members fail. */
const USUAL = ['LockLost', 'Unreachable', 'ConnectionLost', 'DeadlineExceeded', 'AmbiguousWrite', 'LeaseNotFound'] as const;

/** A count that was acknowledged. */
export interface CountNote {
  readonly n: number;
  /** Of the one who owned: what fences it. */
  readonly owner: number;
  readonly at: number;
}

export const countKey = (n: number): string => COUNTS + String(n).padStart(8, '0');

/** Claims the lock again and again, and counts up as long as it owns it. */
export class Contender {
  readonly counts: CountNote[] = [];
  readonly breaches: Breach[] = [];
  /** When it was told that it had lost the lock. */
  readonly losses: number[] = [];
  /** As far as it was told. */
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

  /** Gives up the lock, or its place; the gate has to be closed for good. */
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
