import type { Auth } from './auth.js';
import type { Cluster } from './cluster.js';
import type { Leases } from './leases.js';
import type { Mvcc } from './mvcc.js';
import type { Space } from './space.js';
import type { StoreVersion, Traits } from './traits.js';
import type { Writer } from './writer.js';
import type { Watches } from './watches.js';

/** The limits of requests. */
export interface Limits {
  /** The maximum number of operations in one branch of a txn. It is also the maximum number of compares. */
  readonly maxTxnOps: number;
  readonly maxRequestBytes: number;
}

/** The parts of the store that the services share. */
export interface Core {
  readonly version: StoreVersion;
  readonly traits: Traits;
  readonly mvcc: Mvcc;
  readonly leases: Leases;
  readonly writer: Writer;
  readonly watches: Watches;
  readonly auth: Auth;
  readonly cluster: Cluster;
  readonly space: Space;
  readonly limits: Limits;
  /** Returns the time in milliseconds. */
  readonly now: () => number;
}
