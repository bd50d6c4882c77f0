import type { Observable } from 'rxjs';
import type { Diagnostics } from '../model/diagnostics.js';
import type { KvService } from '../services/kv.js';
import type { WatchAfter } from '../watch/watchAfterRead.js';
import type { LeaseRpcs } from '../services/lease.js';
import type { StreamTimeouts } from '../watch/retryable.js';
import type { CleanupTracker } from './lease/cleanup.js';
import type { KeepAlives } from './lease/keepAlives.js';
import type { RefreshScheduler } from './lease/refreshScheduler.js';

/** The names of the host, process and thread of this client. Each name is unique in the cluster. */
export interface Identity {
  readonly host: string;
  /** The name of the process. All threads of a process share this name. */
  readonly process: string;
  /** The name of the thread, which is a worker thread or the main thread. */
  readonly thread: string;
}

/** The dependencies of held leases. */
export interface LeaseContext {
  readonly service: LeaseRpcs;
  readonly scheduler: RefreshScheduler;
  readonly keepAlives: Pick<KeepAlives, 'send' | 'cancel' | 'retain' | 'release'>;
  readonly cleanup: CleanupTracker;
  /** Fires when the client is closed. */
  readonly closed: Observable<void>;
  readonly settings: StreamTimeouts;
  readonly diagnostics?: Diagnostics;
}

/** The dependencies of locks, elections and recipes: the keys, watches and leases of a client or a namespace. */
export interface ConcurrencyContext extends LeaseContext {
  readonly kv: KvService;
  readonly watchAfter: WatchAfter;
  /** Returns the identity of the host, process and thread. */
  readonly identity: () => Identity;
}
