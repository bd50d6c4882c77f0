import type { LeaseId } from '../model/ids.js';
import type { Moment } from './clock.js';

/** A lease that was granted or refreshed: it holds for `ttl` seconds from when that was asked for. */
export interface Hold {
  readonly ttl: number;
  readonly sentAt: Moment;
}

/** One who wants a lease refreshed. */
export interface Asker {
  readonly id: LeaseId;
  /** A server that is silent for so long is given up. */
  readonly patienceMs: number;
  refreshed(hold: Hold): void;
  /** `LeaseNotFound` where it is gone. */
  failed(error: unknown): void;
}

/** What refreshes leases. No Observables: a thousand leases are refreshed some hundred times a second. */
export interface Refresher {
  /** Refreshes a lease once, and says what came of it, once. */
  ask(asker: Asker): void;
  /** It no longer wants to know. */
  leave(asker: Asker): void;
}
