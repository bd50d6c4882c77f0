import type { EtcdError, Reason } from '../errors/index.js';
import { steadyNow } from '../transport/steadyNow.js';

/** So often in a row that what does not pass by itself is what it is. */
const MOST = 5;

/** A member that lags behind may not know a token yet that the others know: it is believed only when it has said so for as many milliseconds. */
const LAG_MS = 5_000;
const MAY_LAG: ReadonlySet<Reason> = new Set<Reason>(['InvalidAuthToken', 'AuthOldRevision']);

/** Failures in a row that only the server's say-so could mend, and whether they are to be believed. */
export class Refusals {
  private count = 0;
  private first = 0;
  /** Since when at the earliest one is to be believed. */
  private believedAt = 0;

  add({ reason }: EtcdError): void {
    if (this.count === 0) this.first = steadyNow();
    this.count += 1;
    this.believedAt = this.first + (MAY_LAG.has(reason) ? LAG_MS : 0);
  }

  /** The row is broken. */
  reset(): void {
    this.count = 0;
  }

  get believed(): boolean {
    return this.count >= MOST && steadyNow() >= this.believedAt;
  }
}
