import type { Rpc } from '../../codec/descriptors.js';
import { EtcdError, type ErrorDetails, UnsupportedServerVersionError } from '../../errors/index.js';
import type { ClusterId, MemberId } from '../../model/ids.js';
import { Auth } from './auth.js';
import { authService } from './authService.js';
import { Cluster } from './cluster.js';
import { clusterService } from './clusterService.js';
import type { Core, Limits } from './core.js';
import { electionService, lockService } from './concurrencyService.js';
import type { Endpoint, Session } from './endpoint.js';
import type { CallContext, CallObserver, EtcdStore, ServerCall, StoreMember, StoreOptions, StoreResponse } from './etcdStore.js';
import { kvService } from './kvService.js';
import { Leases } from './leases.js';
import { leaseService } from './leaseService.js';
import { maintenanceService } from './maintenanceService.js';
import { Mvcc } from './mvcc.js';
import { serverInfo } from './serverInfo.js';
import { Refusal } from './refusal.js';
import { Space } from './space.js';
import { storeVersion, traitsOf } from './traits.js';
import { Watches } from './watches.js';
import { watchService } from './watchService.js';
import { Writer } from './writer.js';

/** Creates an etcd in memory. */
export const createStore = (options: StoreOptions): EtcdStore => new MemoryStore(options);

class MemoryStore implements EtcdStore {
  private core: Core;
  private endpoints: ReadonlyMap<string, Endpoint>;
  private readonly calls = new Set<ServerCall>();
  /** The number of times that the store was wiped. */
  private generation = 0;

  constructor(private readonly options: StoreOptions) {
    this.core = createCore(options, this.generation);
    this.endpoints = endpointsOf(this.core);
  }

  get version(): string {
    return this.core.version.text;
  }

  get clusterId(): ClusterId {
    return this.core.cluster.id;
  }

  get members(): readonly StoreMember[] {
    const { members, leader } = this.core.cluster;
    return [...members].sort((a, b) => Number(b.id === leader) - Number(a.id === leader));
  }

  get revision(): number {
    return this.core.mvcc.revision;
  }

  get compactRevision(): number {
    return this.core.mvcc.compactRevision;
  }

  call<A>(rpc: Rpc<never, A>, body: string, context: CallContext = {}): A {
    const where = { rpc: rpc.name, endpoint: context.endpoint };
    const endpoint = this.endpointOf(rpc, where);
    if (endpoint.call === undefined) throw new Error(`${rpc.name} does not respond at once`);
    try {
      return endpoint.response(rpc.response, endpoint.call(body, this.session(context)));
    } catch (error) {
      throw error instanceof Refusal ? error.toError(where) : error;
    }
  }

  open<A>(rpc: Rpc<never, A>, context: CallContext, observer: CallObserver<A>): ServerCall {
    const where = { rpc: rpc.name, endpoint: context.endpoint };
    const endpoint = this.endpointOf(rpc, where);
    let isOpen = true;
    const end = (then: () => void): void => {
      if (!isOpen) return;
      isOpen = false;
      this.calls.delete(call);
      opened.close?.();
      then();
    };
    const opened = endpoint.open(this.session(context), {
      next: (response) => {
        if (isOpen) observer.next(endpoint.response(rpc.response, response));
      },
      error: (refused) => end(() => observer.error(refused.toError(where), refused)),
      complete: () => end(() => observer.complete()),
    });
    const call: ServerCall = {
      send: (body) => {
        if (!isOpen) return;
        try {
          opened.receive(body);
        } catch (error) {
          if (!(error instanceof Refusal)) throw error;
          end(() => observer.error(error.toError(where), error));
        }
      },
      end: () => {
        if (isOpen) opened.end?.();
      },
      cancel: () => end(() => undefined),
    };
    this.calls.add(call);
    return call;
  }

  get(path: string): StoreResponse {
    return serverInfo(this.core, path);
  }

  nextExpiry(): number | undefined {
    return this.core.leases.nextExpiry();
  }

  expire(): void {
    this.core.leases.expire();
  }

  expireTokens(): void {
    this.core.auth.tokens.clear();
  }

  notifyProgress(): void {
    this.core.watches.notifyProgress();
  }

  changeLeader(id?: MemberId): void {
    this.core.cluster.lead(id);
  }

  restart({ wipe = false }: { readonly wipe?: boolean } = {}): void {
    for (const call of [...this.calls]) call.cancel();
    if (wipe) {
      this.generation += 1;
      this.core = createCore(this.options, this.generation);
      this.endpoints = endpointsOf(this.core);
      return;
    }
    this.core.space.restart();
    this.expireTokens();
    this.changeLeader();
  }

  private endpointOf({ path, since, name }: Rpc<never, unknown>, where: ErrorDetails): Endpoint {
    const { version } = this.core;
    if (since !== undefined && !version.has(since)) {
      throw new UnsupportedServerVersionError(name, { ...where, required: since, found: version.text });
    }
    const endpoint = this.endpoints.get(path);
    if (endpoint === undefined) throw new EtcdError('UnknownMethod', 'the server does not know this path', where);
    return endpoint;
  }

  private session({ token, memberId, isTrusted }: CallContext): Session {
    const { cluster, mvcc, auth } = this.core;
    return {
      header: (revision = mvcc.revision) => ({
        clusterId: cluster.id,
        memberId: memberId ?? cluster.leader,
        revision,
        raftTerm: cluster.term,
      }),
      access: () => auth.access(token, isTrusted),
    };
  }
}

/** The default limits of etcd. */
const LIMITS: Limits = { maxTxnOps: 128, maxRequestBytes: 1.5 * 2 ** 20 };

function createCore(
  { version: wanted = '3.5', now, quotaBytes, members = 1, endpoints, jwt = false, ...limits }: StoreOptions,
  generation: number,
): Core {
  const version = storeVersion(wanted);
  const traits = traitsOf(version);
  const watches = new Watches();
  const mvcc = new Mvcc((changes) => watches.publish(changes), traits.keepsTombstones);
  const leases = new Leases(mvcc, now);
  const cluster = new Cluster(members, generation, endpoints, () => leases.extendAll());
  const space = new Space(mvcc, quotaBytes, () => cluster.leader, traits);
  return {
    version,
    traits,
    mvcc,
    leases,
    writer: new Writer(mvcc, leases),
    watches,
    auth: new Auth(traits, now, jwt),
    cluster,
    space,
    limits: { ...LIMITS, ...limits },
    now,
  };
}

const endpointsOf = (core: Core): ReadonlyMap<string, Endpoint> =>
  new Map(
    [kvService, leaseService, watchService, lockService, electionService, authService, clusterService, maintenanceService].flatMap(
      (service) => Object.entries(service(core)),
    ),
  );
