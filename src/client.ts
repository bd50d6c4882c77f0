import type { Decoder } from 'io-ts';
import { ReplaySubject, type Observable } from 'rxjs';
import { authService, type AuthService } from './services/auth.js';
import { clusterService, type Cluster } from './services/cluster.js';
import type { Json } from './codec/wire.js';
import { Agenda } from './concurrency/agenda.js';
import { KeepAlives } from './concurrency/lease/keepAlives.js';
import { Releases } from './concurrency/lease/cleanup.js';
import { Rounds } from './concurrency/lease/refreshScheduler.js';
import { checkNewEndpoints, type EndpointsOption } from './options/endpointOptions.js';
import { keepIdleRead } from './idleRead.js';
import { leaseService } from './services/lease.js';
import { maintenanceService, type Maintenance } from './services/maintenance.js';
import { namespace, type Namespace, type NamespaceMeans } from './namespace.js';
import { settingsOf, type ClientOptions } from './options/clientOptions.js';
import { rawCall, type RawCallOptions } from './services/rawCall.js';
import { serverInfoService, type ServerInfoService } from './services/serverInfo.js';
import { createCaller } from './transport/caller.js';
import { lazyTransport } from './transport/lazyTransport.js';
import { TlsSource } from './transport/tls/certificates.js';
import { WatchConnections } from './watch/connections.js';

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
    const { undiciTransport } = await import('./transport/http/undiciTransport.js');
    keepIdleRead(undiciTransport);
    return undiciTransport({ ...settings, tls });
  });
  const caller = createCaller(transport, settings);
  const connections = new WatchConnections(caller, settings.streams);
  // Replayed: what is subscribed to after the end completes, too.
  const closed = new ReplaySubject<void>(1);
  const releases = new Releases();
  const keepAlives = new KeepAlives(caller, leaseService(caller), settings.streams);
  const holding: NamespaceMeans['holding'] = {
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
