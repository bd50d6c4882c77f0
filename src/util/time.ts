import type { Subscription } from 'rxjs';
import { giveUpIn } from '../transport/giveUpIn.js';
import { steadyNow } from '../transport/steadyNow.js';

/** `early`: before its time, with all the others. */
type Expire = (early: boolean) => void;

interface Entry {
  readonly at: number;
  readonly expire: Expire;
}

/**
 * Deadlines of calls that all get the same time: they fall due in the order in which they were set, so that one timer, for the oldest, does for all.
 * A timer a call would cost more than all the rest that rxetcd does for it. There is none while no call is under way, so it keeps no process alive.
 */
export class Deadlines {
  /** A Set keeps the order of insertion, and forgets from the middle at no cost. */
  private readonly entries = new Set<Entry>();
  private timer: Subscription | undefined;

  constructor(private readonly timeoutMs: number) {}

  /** Runs `expire` when the time is over. @returns what calls it off */
  set(expire: Expire): () => void {
    const entry = { at: steadyNow() + this.timeoutMs, expire };
    this.entries.add(entry);
    this.timer ??= this.arm(this.timeoutMs);
    return () => {
      this.entries.delete(entry);
      if (this.entries.size > 0) return;
      this.timer?.unsubscribe();
      this.timer = undefined;
    };
  }

  /** Runs all of them, whose time has not come. */
  expireAll(): void {
    const entries = [...this.entries];
    this.entries.clear();
    this.timer?.unsubscribe();
    this.timer = undefined;
    for (const { expire } of entries) expire(true);
  }

  private arm(ms: number): Subscription {
    return giveUpIn(ms, () => {
      const now = steadyNow();
      const due: Entry[] = [];
      // Many will have been called off since the timer was set: it goes to sleep again until the oldest that is left.
      let oldest: Entry | undefined;
      for (const entry of this.entries) {
        if (entry.at > now) {
          oldest = entry;
          break;
        }
        due.push(entry);
      }
      for (const entry of due) this.entries.delete(entry);
      // Before anything expires: the end of one call may begin another, which must not find the timer gone and set it for itself.
      this.timer = oldest === undefined ? undefined : this.arm(oldest.at - now);
      for (const { expire } of due) expire(false);
    });
  }
}
