import { asyncScheduler, type Subscription } from 'rxjs';
import type { Rpc } from '../codec/descriptors.js';
import { watchRpcs } from '../codec/watch.js';
import { EtcdError, type Reason } from '../errors/index.js';
import type { MemberId } from '../model/ids.js';
import { atEndOfTurn, isTimeVirtual } from '../util/time.js';
import { OpenWatches } from './openWatches.js';
import { RPCS } from './rpcs.js';
import type { CallContext, CallObserver, EtcdStore, ServerCall } from './store/index.js';

/** A request that has arrived at the server: a call, a message of a stream, or a plain GET. */
export interface RecordedCall {
  /** The RPC by etcd's name, such as `KV.Put`, or a plain request such as `GET /version`. */
  readonly rpc: string;
  /** The endpoint that received it. */
  readonly endpoint: string;
  /** The request as the client made it, with fields in camelCase. */
  readonly request: unknown;
  /** The time of its arrival by RxJS's clock, in milliseconds: a frame of `TestScheduler.run`. */
  readonly at: number;
}

/**
 * Selects calls: the name of an RPC as {@link RecordedCall} has it, or a function that returns true for them. By
 * default every RPC matches.
 */
export type CallMatch = string | ((call: RecordedCall) => boolean);

/** The fault of one call. */
export type Fault =
  /** The call is carried out, and its connection breaks in place of the response. */
  | { readonly type: 'drop' }
  /** The call is not carried out, and fails. */
  | { readonly type: 'fail'; readonly reason: Reason };

/** Something that the end of a connection ends. */
interface Connected {
  cut(): void;
}

/** One direction of all connections to a member, whose messages can be held back. */
class Lane {
  private held: (() => void)[] | undefined;

  stall(): void {
    this.held ??= [];
  }

  /** Passes on a message, or holds it behind those that wait. */
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

/** A member of the cluster, as clients reach it. */
export class Member {
  /** Called when it begins or ceases to accept new connections. */
  onAccepts: (accepts: boolean) => void = () => undefined;
  /** Whether it has lost the other members, so that it has no leader. */
  isIsolated = false;
  readonly requests = new Lane();
  readonly responses = new Lane();
  /** The changes that reach it from the other members, on which the responses of streams depend. */
  readonly replication = new Lane();
  readonly connections = new Set<Connected>();
  private isAccepting = true;

  constructor(
    readonly endpoint: string,
    private readonly store: EtcdStore,
    /** Its name in the store. */
    readonly name: string,
  ) {}

  get id(): MemberId | undefined {
    return this.store.members.find(({ name }) => name === this.name)?.id;
  }

  /** Whether it accepts new connections. */
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
 * The network between the clients of a test and the members of its etcd. It gives everything its time, in the order in
 * which it was sent, and has the faults that a test wants.
 */
export class Network {
  /** The members by their endpoints. A test may add further endpoints of a member, which have separate faults. */
  readonly members: Member[];
  readonly calls: RecordedCall[] = [];
  readonly watches = new OpenWatches();
  private readonly faults: { readonly match: CallMatch | undefined; readonly fault: Fault }[] = [];
  private waiting: (() => void)[] = [];
  private expiry: { readonly at: number; readonly timer: Subscription } | undefined;
  private isClosed = false;

  /** @param latencyMs the time of each message, each way */
  constructor(
    readonly store: EtcdStore,
    private readonly latencyMs: number,
  ) {
    this.members = store.members.flatMap(({ name, clientUrls }) => clientUrls.map((url) => new Member(url, store, name)));
  }

  /** Returns the member at an endpoint, if it accepts a connection. */
  accepting(origin: string): Member | undefined {
    return this.members.find(({ endpoint, accepts }) => accepts && endpoint === origin);
  }

  /** Says why there is no connection to an endpoint. */
  whyRefused(origin: string): string {
    const endpoints = this.members.map(({ endpoint }) => endpoint);
    if (endpoints.includes(origin)) return 'the server of the test accepts none';
    return `the server of the test is at ${endpoints.join(', ')}`;
  }

  /** Runs something in a later turn, at the same time. All that waits for a turn runs in its order. */
  soon(run: () => void): void {
    const isFirst = this.waiting.push(run) === 1;
    // The turn of the first one never ends if it was of fake timers that are no longer used.
    if (isFirst || !isTimeVirtual()) atEndOfTurn(this.drain);
  }

  /** Carries a message to the server, where it arrives at once if there is no latency. */
  toServer(lane: Lane, arrive: () => void): void {
    if (this.latencyMs === 0) lane.pass(arrive);
    else asyncScheduler.schedule(() => lane.pass(arrive), this.latencyMs);
  }

  /** Carries a message to a client, where it never arrives in the same turn. */
  toClient(lane: Lane, arrive: () => void): void {
    if (this.latencyMs === 0) this.soon(() => lane.pass(arrive));
    else asyncScheduler.schedule(() => lane.pass(arrive), this.latencyMs);
  }

  /** Lets the store do something. Leases whose time has passed end before, and the next end is awaited afterwards. */
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

  /** @throws EtcdError `InvalidArgument` if a match is not the name of an RPC, as no call would ever match */
  addFault(match: CallMatch | undefined, fault: Fault): void {
    if (typeof match === 'string' && !RPC_NAMES.has(match) && !PLAIN_NAME.test(match)) {
      const what = 'the name of an RPC, such as KV.Put or Lease.LeaseGrant';
      throw new EtcdError('InvalidArgument', `match: expected ${what}, received ${match}`);
    }
    this.faults.push({ match, fault });
  }

  /** Returns the fault of a call, which then is no other call's. */
  takeFault(call: RecordedCall): Fault | undefined {
    if (this.faults.length === 0) return undefined;
    const index = this.faults.findIndex(({ match }) => matches(match, call));
    return index < 0 ? undefined : this.faults.splice(index, 1)[0]?.fault;
  }

  /** Stops the timer of the leases. */
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
    // A timer may come a moment too early, and is then set again.
    if (asyncScheduler.now() >= at) this.store.expire();
    this.awaitExpiry();
  }
}

/** The longest delay of a timer: 2³¹ − 1 ms. */
const LONGEST_MS = 2_147_483_647;

const RPC_NAMES: ReadonlySet<string> = new Set(RPCS.map(({ name }) => name));
/** The name of a plain request, or of one that a client makes by `call`. */
const PLAIN_NAME = /^(GET|POST) \//;

const matches = (match: CallMatch | undefined, call: RecordedCall): boolean => {
  if (match === undefined) return !call.rpc.startsWith('GET ');
  return typeof match === 'string' ? match === call.rpc : match(call);
};
