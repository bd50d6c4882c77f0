import type { Observable } from 'rxjs';
import { elections, type Elections } from './concurrency/lock/election.js';
import type { LeaseMeans } from './concurrency/lease/heldLease.js';
import { leaseFunction, type LeaseFunction } from './concurrency/leaseFunction.js';
import { locks, type Locks } from './concurrency/lock/lock.js';
import { recipes, type Recipes } from './concurrency/recipes/recipes.js';
import { transactions, type Stm } from './concurrency/transaction/stm.js';
import { updates, type Updates } from './concurrency/transaction/update.js';
import { electionService, type ElectionService } from './services/election.js';
import { kvService, type Kv } from './services/kv.js';
import { leaseService } from './services/lease.js';
import { lockService, type LockService } from './services/lock.js';
import type { BytesLike } from './model/bytes.js';
import { callerWithin } from './namespace/caller.js';
import { Prefix } from './prefix/prefix.js';
import { watchStreamWithin } from './namespace/watchStreams.js';
import type { StreamSettings } from './options/streamOptions.js';
import { identity } from './transport/node.js';
import type { ConnectionState } from './watch/connectionState.js';
import { lives, type Lives } from './watch/live/live.js';
import { watches, type Watches } from './watch/watch.js';
import type { WatcherMeans } from './watch/watcherMeans.js';

/**
 * What is done with keys, and by them: all keys of a client, or those of a namespace. What concerns the cluster (users, members, maintenance) has no keys,
 * and is a client's alone; so is the end, for the connections are the client's.
 */
export interface Namespace extends Watches, Lives, Locks, Elections, Stm, Updates, Recipes {
  readonly kv: Kv;
  /** Leases that refresh themselves, and etcd's Lease service. */
  readonly lease: LeaseFunction;
  readonly lockService: LockService;
  readonly electionService: ElectionService;

  /** How the watches are connected: the state of now, then each change. It never errors; `closed` is its last, for who comes after the end, too. */
  readonly connection$: Observable<ConnectionState>;

  /**
   * The keys that begin with a prefix, under names without it: whatever is asked is asked of them alone, and whatever is answered, watched, locked or elected shows
   * no prefix. It shares the connections, and ends with its client. Let the prefix end in a separator: `a` begins the keys of `ab`, too. Leases, revisions and
   * `kv.compact` are the whole store's.
   *
   * ```ts
   * const tenant = etcd.namespace('tenants/7/');
   * tenant.kv.put('color', 'red');          // tenants/7/color
   * tenant.watch({ all: true });            // what begins with tenants/7/
   * tenant.namespace('app/').lock('jobs');  // tenants/7/app/jobs
   * ```
   *
   * @throws EtcdError `InvalidArgument` for an empty prefix, which would be the whole store
   */
  namespace(prefix: BytesLike): Namespace;
}

/** What a namespace is made with. */
export interface NamespaceMeans extends WatcherMeans {
  readonly settings: StreamSettings;
  /** Set where gets that are asked for together are to travel together. */
  readonly gather: { readonly requestTimeoutMs: number } | undefined;
  /** What leases are held with, whatever their keys. */
  readonly holding: Omit<LeaseMeans, 'service'>;
}

/** Of what is listed to be watched: large, for each page is a call. */
const PAGE_SIZE = 5_000;

/** Everything that is done with keys, over a caller and streams: those of a client, or within a prefix of their keys. */
export function namespace(means: NamespaceMeans): Namespace {
  const { caller, connections, settings, gather, holding } = means;
  const kv = kvService(caller, gather);
  const leases: LeaseMeans = { ...holding, service: leaseService(caller) };
  const watching = watches(means, holding.closed, settings.graceMs);
  const living = lives(means, (range) => kv.pages(range, { pageSize: PAGE_SIZE }), holding.closed, settings.graceMs);
  const tenure = { kv, watch: (...args: Parameters<typeof watching.watch>) => watching.watch(...args), leases, identity };

  return {
    kv,
    lease: leaseFunction(leases),
    lockService: lockService(caller),
    electionService: electionService(caller),
    ...watching,
    ...living,
    ...locks(tenure),
    ...elections(tenure, living),
    ...transactions(kv),
    ...updates(kv),
    ...recipes(tenure, living),
    connection$: connections.state,
    namespace: (given) => {
      const prefix = new Prefix(given);
      // Those of an outer namespace lie around those of an inner one.
      const within: WatcherMeans['within'] = (stream) => watchStreamWithin(means.within?.(stream) ?? stream, prefix);
      return namespace({ ...means, caller: callerWithin(caller, prefix), within });
    },
  };
}
