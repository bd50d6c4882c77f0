import type { Observable } from 'rxjs';
import type { Range } from '../model/range.js';
import type { WatchEvent } from '../model/events.js';
import type { KvService } from '../services/kv.js';
import type { WatchOptions } from '../watch/watch.js';
import type { LeaseContext } from './lease/heldLease.js';

/** The identity of this thread in a cluster: names that no two hosts, processes or threads share. */
export interface Identity {
  readonly host: string;
  /** The same for all threads of a process. */
  readonly process: string;
  /** Names a worker, or the main thread. */
  readonly thread: string;
}

/** The dependencies of locks, elections and recipes: the keys, watches and leases of a client or a namespace. */
export interface ConcurrencyContext extends LeaseContext {
  readonly kv: KvService;
  readonly watch: (range: Range, options?: WatchOptions) => Observable<WatchEvent>;
  /** Reads which host, process and thread this is. */
  readonly identity: () => Identity;
}
