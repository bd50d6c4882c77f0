import { asyncScheduler, type Subscription } from 'rxjs';
import type { Rpc } from '../codec/descriptors.js';
import { watchRpcs } from '../codec/watch.js';
import { EtcdError, type Reason } from '../errors/index.js';
import type { MemberId } from '../model/ids.js';
import { atEndOfTurn, isTimeVirtual } from '../util/time.js';
import { authRpcs } from '../codec/auth.js';
import { clusterRpcs } from '../codec/cluster.js';
import { electionRpcs, lockRpcs } from '../codec/concurrency.js';
import { kvRpcs } from '../codec/kv.js';
import { leaseRpcs } from '../codec/lease.js';
import { maintenanceRpcs } from '../codec/maintenance.js';
import { OpenWatches } from './openWatches.js';
import type { CallContext, CallObserver, EtcdStore, ServerCall } from './store/index.js';

/** A request that has arrived at a server: the request of a call, a message of a stream, or a plain GET. */
export interface RecordedCall {
  /** The RPC, by its name in etcd, such as `KV.Put`. For a plain request it is a name such as `GET /version`. */
  readonly rpc: string;
  /** The endpoint that received the request. */
  readonly endpoint: string;
  /** The request as the client created it. The names of its fields are in camelCase. */
  readonly request: unknown;
  /**
   * The time at which the client sent the request, by RxJS's clock, in milliseconds. In `TestScheduler.run` the time is
   * the frame.
   */
  readonly at: number;
}

/**
 * A selection of calls: the name of an RPC, as in {@link RecordedCall}, or a function that returns true for the
 * selected calls. By default all calls match, except plain GETs.
 */
export type CallMatch = string | ((call: RecordedCall) => boolean);

/** A fault, which concerns one call. */
export type Fault =
  /** The call is carried out, but its connection breaks in place of the response. */
  | { readonly type: 'drop' }
  /** The call is not carried out, and fails. */
  | { readonly type: 'fail'; readonly reason: Reason };

/** A call or a stream in progress. It ends when the connections to its member break. */
interface Connected {
  cut(): void;
}

/** The messages in one direction, on all connections to a member. They can be held back. */
class Lane {
  private held: (() => void)[] | undefined;

  stall(): void {
    this.held ??= [];
  }

  /** Passes on a message. If messages are held back, it waits behind them. */
  pass(arrive: () => void): void {
    if (this.held === undefined) arrive();
    else this.held.push(arrive);
  }

  resume(): void {
    const held = this.held ?? [];
    this.held = undefined;
    for (const arrive of held) arrive();
  }
}

/** A member of the cluster, and the connections of clients to it. */
export class Member {
  /** Called when the member starts or stops accepting connections. */
  onAccepts: (accepts: boolean) => void = () => undefined;
  /** Whether the member cannot reach the others. An isolated member has no leader. */
  isIsolated = false;
  readonly requests = new Lane();
  readonly responses = new Lane();
  /** The changes that arrive from other members. Responses on streams depend on these changes. */
  readonly replication = new Lane();
  readonly connections = new Set<Connected>();
  private isAccepting = true;

  constructor(
    readonly endpoint: string,
    private readonly store: EtcdStore,
    /** The name of the member in the store. */
    readonly name: string,
  ) {}

  get id(): MemberId | undefined {
    return this.store.members.find(({ name }) => name === this.name)?.id;
  }

  /** Whether the member accepts new connections. */
  get accepts(): boolean {
    return this.isAccepting;
  }

  set accepts(accepts: boolean) {
    this.isAccepting = accepts;
    this.onAccepts(accepts);
  }

  /** Breaks all connections at once. */
  cut(): void {
    for (const connection of [...this.connections]) connection.cut();
  }
}

/**
 * The network between the clients of a test and the members of its etcd. It delivers messages in order, each after its
 * latency, and applies the faults that a test has requested.
 */
export class Network {
  /**
   * The members, with one entry for each endpoint. A test may add further endpoints of a member. Each entry has
   * separate faults.
   */
  readonly members: Member[];
  readonly calls: RecordedCall[] = [];
  readonly watches = new OpenWatches();
  private readonly faults: { readonly match: CallMatch | undefined; readonly fault: Fault }[] = [];
  private waiting: (() => void)[] = [];
  private expiry: { readonly at: number; readonly timer: Subscription } | undefined;
  private isClosed = false;

  /** @param latencyMs the latency of each message, in each direction, in milliseconds */
  constructor(
    readonly store: EtcdStore,
    private readonly latencyMs: number,
  ) {
    this.members = store.members.flatMap(({ name, clientUrls }) => clientUrls.map((url) => new Member(url, store, name)));
  }

  /** Returns the member at an endpoint if it accepts connections. */
  accepting(origin: string): Member | undefined {
    return this.members.find(({ endpoint, accepts }) => accepts && endpoint === origin);
  }

  /** Returns the reason why an endpoint accepts no connection. */
  whyRefused(origin: string): string {
    const endpoints = this.members.map(({ endpoint }) => endpoint);
    if (endpoints.includes(origin)) return 'the test server accepts no connections';
    return `the test server is at ${endpoints.join(', ')}`;
  }

  /**
   * Runs a function in a later turn, but at the same time of the clock. Waiting functions run in the order in which
   * they were added.
   */
  soon(run: () => void): void {
    const isFirst = this.waiting.push(run) === 1;
    // A turn that was scheduled with fake timers never comes if real timers have replaced them. So each function
    // schedules a turn, except in virtual time.
    if (isFirst || !isTimeVirtual()) atEndOfTurn(this.drain);
  }

  /** Delivers a message to the server. Without latency it arrives at once. */
  toServer(lane: Lane, arrive: () => void): void {
    if (this.latencyMs === 0) lane.pass(arrive);
    else asyncScheduler.schedule(() => lane.pass(arrive), this.latencyMs);
  }

  /** Delivers a message to a client. It never arrives in the same turn. */
  toClient(lane: Lane, arrive: () => void): void {
    if (this.latencyMs === 0) this.soon(() => lane.pass(arrive));
    else asyncScheduler.schedule(() => lane.pass(arrive), this.latencyMs);
  }

  /**
   * Runs an operation of the store. Before the operation, expired leases are ended. After the operation, a timer is set
   * for the next lease that expires.
   */
  serve<T>(run: () => T): T {
    if (this.expiry !== undefined && asyncScheduler.now() >= this.expiry.at) this.store.expire();
    try {
      return run();
    } finally {
      this.awaitExpiry();
    }
  }

  /** Begins a call at a member. */
  open<A>(rpc: Rpc<never, A>, member: Member, context: CallContext, observer: CallObserver<A>): ServerCall {
    const open = (followed: CallObserver<A>): ServerCall => this.store.open(rpc, context, followed);
    return rpc.path === watchRpcs.watch.path ? this.watches.follow(open, observer, member.endpoint) : open(observer);
  }

  /**
   * Adds a fault.
   *
   * @throws EtcdError `InvalidArgument` if the match is a text, but not the name of an RPC, because no call would match
   * it
   */
  addFault(match: CallMatch | undefined, fault: Fault): void {
    if (typeof match === 'string' && !RPC_NAMES.has(match) && !PLAIN_NAME.test(match)) {
      const what = 'the name of an RPC, such as KV.Put or Lease.LeaseGrant';
      throw new EtcdError('InvalidArgument', `match: expected ${what}, received ${match}`);
    }
    this.faults.push({ match, fault });
  }

  /** Returns the fault of a call, and removes it, so that it concerns no other call. */
  takeFault(call: RecordedCall): Fault | undefined {
    if (this.faults.length === 0) return undefined;
    const index = this.faults.findIndex(({ match }) => matches(match, call));
    return index < 0 ? undefined : this.faults.splice(index, 1)[0]?.fault;
  }

  /** Stops the timer for leases. */
  close(): void {
    this.isClosed = true;
    this.awaitExpiry();
  }

  private readonly drain = (): void => {
    const due = this.waiting;
    this.waiting = [];
    for (const run of due) run();
  };

  private awaitExpiry(): void {
    const at = this.isClosed ? undefined : this.store.nextExpiry();
    if (at === this.expiry?.at) return;
    this.expiry?.timer.unsubscribe();
    if (at === undefined) {
      this.expiry = undefined;
      return;
    }
    const waitMs = Math.min(LONGEST_MS, Math.max(0, at - asyncScheduler.now()));
    this.expiry = { at, timer: asyncScheduler.schedule(() => this.expireAt(at), waitMs) };
  }

  private expireAt(at: number): void {
    this.expiry = undefined;
    // If a timer fires slightly too early, it is set again.
    if (asyncScheduler.now() >= at) this.store.expire();
    this.awaitExpiry();
  }
}

/** The longest delay of a timer, in milliseconds. */
const LONGEST_MS = 2_147_483_647;

type RpcTable = Readonly<Record<string, Rpc<never, unknown>>>;

const TABLES: readonly RpcTable[] = [kvRpcs, leaseRpcs, watchRpcs, lockRpcs, electionRpcs, authRpcs, clusterRpcs, maintenanceRpcs];

/** The RPCs that the methods of a client call. Some RPCs occur in several forms. */
export const RPCS: readonly Rpc<never, unknown>[] = TABLES.flatMap((rpcs) => Object.values(rpcs));

const RPC_NAMES: ReadonlySet<string> = new Set(RPCS.map(({ name }) => name));
/** Matches the name of a plain request, or of a request that a client makes with `call`. */
const PLAIN_NAME = /^(GET|POST) \//;

const matches = (match: CallMatch | undefined, call: RecordedCall): boolean => {
  if (match === undefined) return !call.rpc.startsWith('GET ');
  return typeof match === 'string' ? match === call.rpc : match(call);
};
