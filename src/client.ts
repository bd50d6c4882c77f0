import type { Decoder } from 'io-ts';
import { ReplaySubject, type Observable } from 'rxjs';
import { authService, type AuthService } from './auth.js';
import { Agenda } from './concurrency/agenda.js';
import { elections, type Elections } from './concurrency/election.js';
import { KeepAlives } from './concurrency/keepAlives.js';
import type { LeaseMeans } from './concurrency/heldLease.js';
import { leaseFunction, type LeaseFunction } from './concurrency/leaseFunction.js';
import { locks, type Locks } from './concurrency/lock.js';
import { recipes, type Recipes } from './concurrency/recipes/recipes.js';
import { Releases } from './concurrency/releases.js';
import { Rounds } from './concurrency/rounds.js';
import { transactions, type Stm } from './concurrency/stm.js';
import { updates, type Updates } from './concurrency/update.js';
import { clusterService, type Cluster } from './cluster.js';
import type { Json } from './codec/wire.js';
import { checkNewEndpoints, type EndpointsOption } from './endpointOptions.js';
import { electionService, type ElectionService } from './electionService.js';
import { keepIdleRead } from './idleRead.js';
import { kvService, type Kv } from './kv.js';
import { leaseService } from './lease.js';
import { lockService, type LockService } from './lockService.js';
import { maintenanceService, type Maintenance } from './maintenance.js';
import type { BytesLike } from './model/bytes.js';
import { callerWithin } from './namespace/caller.js';
import { Prefix } from './namespace/prefix.js';
import { watchStreamWithin } from './namespace/watchStreams.js';
import { settingsOf, type ClientOptions } from './options.js';
import { rawCall, type RawCallOptions } from './rawCall.js';
import { serverInfoService, type ServerInfoService } from './serverInfo.js';
import { createCaller } from './transport/caller.js';
import { identity } from './transport/identity.js';
import type { StreamSettings } from './streamOptions.js';
import { lazyTransport } from './transport/lazyTransport.js';
import { TlsSource } from './transport/tls/source.js';
import { WatchConnections } from './watch/connections.js';
import type { ConnectionState } from './watch/connectionState.js';
import { lives, type Lives } from './watch/lives.js';
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

/** A client of an etcd cluster: one pool of connections, shared by all that is done through it. */
export interface Client extends Namespace, ServerInfoService {
  readonly auth: AuthService;
  readonly cluster: Cluster;
  readonly maintenance: Maintenance;

  /** Any RPC of the gateway, checked by a codec. See {@link rawCall}. */
  call<A>(path: string, body: Json, options: RawCallOptions<A> & { readonly codec: Decoder<unknown, A> }): Observable<A>;
  /** Any RPC of the gateway, raw. */
  call(path: string, body: Json, options?: RawCallOptions<unknown>): Observable<unknown>;

  /** The addresses that are used now: as origins, `https://a:2379`. */
  endpoints(): readonly string[];

  /**
   * Uses these endpoints from now on, checked as those of `createClient`, and of the same scheme. What is known of those that stay, and their connections, is kept. Calls
   * that are under way at those that do not stay are finished there; watches, leases and locks move to the others, and lose nothing by it.
   *
   * ```ts
   * etcd.setEndpoints(['https://b:2379', 'https://c:2379']);
   * ```
   *
   * @throws InvalidOptionError that names the one at fault; then nothing is changed
   */
  setEndpoints(endpoints: EndpointsOption): void;

  /**
   * Ends everything: watches complete, and what is held (leases, locks) is given back, and completes. What still waits for one thing errors with `ClientClosed`, and so do
   * calls under way (a write that was sent, with `AmbiguousWrite`). Sockets are closed.
   * Resolves when that is done; a process with nothing else to do then exits.
   */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Of what is listed to be watched: large, for each page is a call. */
const PAGE_SIZE = 5_000;

/** How long what is held (leases, locks) may take to be given back when the client is closed. */
const RELEASE_MS = 2_000;

/**
 * Makes a client. Nothing is sent before something is subscribed to.
 *
 * @throws InvalidOptionError that names the option
 *
 * ```ts
 * const etcd = createClient({ endpoints: ['https://a:2379', 'https://b:2379'], auth: { username, password } });
 * ```
 */
export function createClient(options: ClientOptions = {}): Client {
  const settings = settingsOf(options);
  // Looked into now, that a mistake is told here and not by the first call.
  const tls = new TlsSource(settings.tls);
  const transport = lazyTransport(async () => {
    const { undiciTransport } = await import('./transport/undiciTransport.js');
    keepIdleRead(() => undiciTransport({ ...settings, tls, connect: () => undefined }));
    return undiciTransport({ ...settings, tls });
  });
  const caller = createCaller(transport, settings);
  const connections = new WatchConnections(caller, settings.streams);
  // Replayed: what is subscribed to after the end completes, too.
  const closed = new ReplaySubject<void>(1);
  const releases = new Releases();
  const keepAlives = new KeepAlives(caller, leaseService(caller), settings.streams);
  const holding: Omit<LeaseMeans, 'service'> = {
    rounds: new Rounds(new Agenda()),
    refresher: keepAlives,
    hold: () => keepAlives.hold(),
    releases,
    closed,
    settings: settings.streams,
  };
  let closing: Promise<void> | undefined;

  const close = (): Promise<void> => {
    closed.next();
    connections.close();
    return (closing ??= releases.settled(RELEASE_MS).then(() => caller.close()));
  };

  return {
    ...namespace({ caller, connections, settings: settings.streams, gather: settings.gatherReads ? settings : undefined, holding }),
    auth: authService(caller),
    cluster: clusterService(caller),
    maintenance: maintenanceService(caller),
    ...serverInfoService(caller),
    call: <A>(path: string, body: Json, callOptions: RawCallOptions<A> = {}) => rawCall(caller, path, body, callOptions),
    endpoints: () => caller.endpoints(),
    setEndpoints: (given) => caller.setEndpoints(checkNewEndpoints(given, settings.endpoints)),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** What a namespace is made with. */
interface NamespaceMeans extends WatcherMeans {
  readonly settings: StreamSettings;
  /** Set where gets that are asked for together are to travel together. */
  readonly gather: { readonly requestTimeoutMs: number } | undefined;
  /** What leases are held with, whatever their keys. */
  readonly holding: Omit<LeaseMeans, 'service'>;
}

/** Everything that is done with keys, over a caller and streams: those of a client, or within a prefix of their keys. */
function namespace(means: NamespaceMeans): Namespace {
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
