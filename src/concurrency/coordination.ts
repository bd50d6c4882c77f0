import { EMPTY, type Observable, takeUntil } from 'rxjs';
import type { Diagnostics } from '../model/diagnostics.js';
import type { Range } from '../model/range.js';
import { electionService, lockService } from '../services/concurrency.js';
import { leaseService } from '../services/lease.js';
import type { LeaseActivity } from '../transport/endpoints/activity.js';
import type { Caller } from '../transport/call.js';
import type { LiveUpdate } from '../watch/live/liveRange.js';
import type { StreamTimeouts } from '../watch/retryable.js';
import type { ConcurrencyContext } from './context.js';
import { CleanupTracker } from './lease/cleanup.js';
import { KeepAlives } from './lease/keepAlives.js';
import { leaseClient } from './lease/lease.js';
import { RefreshScheduler } from './lease/refreshScheduler.js';
import { elections } from './lock/election.js';
import { locks, readWriteLocks, semaphores } from './lock/lock.js';
import { barriers, doubleBarriers } from './recipes/barrier.js';
import { priorityQueues, queues } from './recipes/queue.js';
import { serviceRegistry } from './recipes/serviceRegistry.js';
import { transactions } from './transaction/stm.js';
import { updates } from './transaction/update.js';

/** The dependencies of the leases of a client. */
export interface HoldingMeans {
  readonly caller: Caller;
  readonly settings: StreamTimeouts;
  /** Records whether leases are held, as heartbeats are then more frequent. */
  readonly activity: LeaseActivity;
  /** Fires when the client is closed. */
  readonly closed: Observable<void>;
  /** Emits when all leases are to be refreshed at once. */
  readonly hurry?: Observable<void>;
  readonly diagnostics: Diagnostics;
}

/** The keys on which the methods work: those of a client, or of a namespace. */
export interface KeySpace extends Pick<ConcurrencyContext, 'kv' | 'watch' | 'identity'> {
  readonly caller: Caller;
  readonly live: (range: Range) => Observable<LiveUpdate>;
}

/** The leases, locks and the like that a client holds. */
export interface Holding {
  /** Creates the methods over the keys of a client or a namespace. */
  over(keys: KeySpace): Coordination;
  /** Follows the releases, for which `close()` waits. */
  readonly cleanup: Pick<CleanupTracker, 'settled' | 'summary'>;
}

/** The methods for leases, and for all that processes agree on with them or by transactions. */
export type Coordination = ReturnType<typeof coordinationOver>;

/** Creates the leases of a client, which all its namespaces share. */
export function holding({ caller, settings, activity, closed, hurry = EMPTY, diagnostics }: HoldingMeans): Holding {
  const cleanup = new CleanupTracker();
  const scheduler = new RefreshScheduler();
  hurry.pipe(takeUntil(closed)).subscribe({ next: () => scheduler.hurry(), error: () => undefined });
  const keepAlives = new KeepAlives(caller, leaseService(caller), settings, activity);
  return {
    cleanup,
    over: ({ live, caller: within, ...keys }) => {
      const context = { ...keys, service: leaseService(within), scheduler, keepAlives, cleanup, closed, settings, diagnostics };
      return coordinationOver(context, within, live);
    },
  };
}

function coordinationOver(context: ConcurrencyContext, caller: Caller, live: KeySpace['live']) {
  return {
    lease: leaseClient(context),
    lockService: lockService(caller),
    electionService: electionService(caller),
    ...locks(context),
    election: elections(context, live),
    ...readWriteLocks(context),
    semaphore: semaphores(context),
    barrier: barriers(context),
    doubleBarrier: doubleBarriers(context),
    queue: queues(context),
    priorityQueue: priorityQueues(context),
    services: serviceRegistry(context, live),
    stm: transactions(context.kv),
    update: updates(context.kv),
  };
}
