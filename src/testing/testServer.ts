import { openClient, type Client } from '../client/client.js';
import { nodeOptions } from '../options/nodeOptions.js';
import { kvRpcs } from '../codec/kv.js';
import { leaseRpcs } from '../codec/lease.js';
import { requestText } from '../codec/message.js';
import type { Rpc } from '../codec/descriptors.js';
import { EtcdError, type Reason } from '../errors/index.js';
import { type BytesLike, toText } from '../model/bytes.js';
import type { LeaseId } from '../model/ids.js';
import type { KeyValue } from '../model/keyValue.js';
import type { DeleteOptions, Op, PutOptions, RangeOptions, TxnResult, TxnSpec } from '../model/op.js';
import { toKeyRange, type Range } from '../model/range.js';
import type { DeleteRangeResponse, PutResponse, RangeResponse } from '../model/responses.js';
import type { ClientOptions } from '../options/clientOptions.js';
import { parts } from '../options/parts.js';
import { compileTxn } from '../services/internal/txn.js';
import { MemoryWire } from './memoryWire.js';
import type { CallMatch, Member, Network, RecordedCall } from './network.js';
import type { OpenWatch } from './openWatches.js';

/**
 * The options of a client in a test. The client connects to the members of the test's etcd unless `endpoints` are
 * passed.
 */
export type TestClientOptions = Omit<ClientOptions, 'tls'>;

/** A lease that has not ended. */
export interface TestLease {
  readonly id: LeaseId;
  /** The TTL that the server granted, in seconds. */
  readonly ttl: number;
  /** The keys that are attached to the lease. */
  readonly keys: readonly string[];
}

/** The direction of messages that are held back. */
export type Direction = 'requests' | 'responses';

/**
 * An etcd in memory that a test controls. It reads and writes like another client, but synchronously, and can cause
 * faults. A method with the parameter `endpoint` concerns the member at that endpoint. Without the argument it concerns
 * all members, unless its description names another default.
 */
export class TestServer {
  private readonly clients: Client[] = [];

  /** @internal */
  constructor(private readonly network: Network) {}

  /** The endpoints of the members, such as `http://etcd-1:2379`. */
  get endpoints(): readonly string[] {
    return this.network.members.map(({ endpoint }) => endpoint);
  }

  /** The current revision of the store. */
  get revision(): number {
    return this.network.store.revision;
  }

  /** All requests that have arrived, the oldest first. To empty the list, set its length to 0. */
  get calls(): RecordedCall[] {
    return this.network.calls;
  }

  /** The watches that are open now. */
  get watches(): readonly OpenWatch[] {
    return this.network.watches.all;
  }

  /** The leases that have not expired and were not revoked. */
  get leases(): readonly TestLease[] {
    return this.call(leaseRpcs.leases, {}).leases.map(({ id }) => {
      const { grantedTtl, keys } = this.call(leaseRpcs.timeToLive, { id, keys: true });
      return { id, ttl: grantedTtl, keys: keys.map(toText) };
    });
  }

  /**
   * Creates another client, as if it were in another process. {@link TestServer.close} also closes this client.
   *
   * @throws InvalidOptionError that names the option
   */
  createClient(options: TestClientOptions = {}): Client {
    const process = `test/${this.clients.length + 1}`;
    const client = openClient(
      {
        identity: () => ({ host: 'test', process, thread: `${process}/0` }),
        limits: () => nodeOptions,
        wire: () => new MemoryWire(this.network),
        parts,
      },
      { endpoints: this.endpoints, ...options },
    );
    this.clients.push(client);
    return client;
  }

  /** Writes a key. */
  put(key: BytesLike, value: BytesLike, options: PutOptions = {}): PutResponse {
    return this.call(kvRpcs.put, { key, value, ...options });
  }

  /** Reads a key. Returns undefined if the key does not exist. */
  get(key: BytesLike): KeyValue | undefined {
    return this.range(key).kvs[0];
  }

  /** Reads the keys of a range. */
  range(range: Range, options: RangeOptions = {}): RangeResponse {
    return this.call(kvRpcs.range, { ...toKeyRange(range), ...options });
  }

  /** Deletes the keys of a range. */
  delete(range: Range, options: DeleteOptions = {}): DeleteRangeResponse {
    return this.call(kvRpcs.deleteRange, { ...toKeyRange(range), ...options });
  }

  /** Runs a txn, as `kv.txn` does. */
  txn<const S extends readonly Op[] = readonly [], const F extends readonly Op[] = readonly []>(spec: TxnSpec<S, F>): TxnResult<S, F> {
    const { request, resultOf } = compileTxn(spec);
    return resultOf(this.call(kvRpcs.txn, request));
  }

  /** Discards the history before a revision, by default before the current revision. */
  compact(revision = this.revision): void {
    this.call(kvRpcs.compact, { revision });
  }

  /**
   * Ends a lease now, before its TTL has passed.
   *
   * @throws EtcdError `LeaseNotFound` if the lease does not exist, or has ended already
   */
  expireLease(id: LeaseId): void {
    this.call(leaseRpcs.revoke, { id });
  }

  /** Makes all tokens invalid. */
  expireTokens(): void {
    this.network.store.expireTokens();
  }

  /**
   * Sends progress notifications to the watches that have requested them, as a real etcd does every ten minutes. A
   * watch that has received events since the previous call gets no notification.
   */
  notifyProgress(): void {
    this.network.store.notifyProgress();
  }

  /** Makes a member the leader, by default the next one. */
  changeLeader(endpoint?: string): void {
    this.network.serve(() => this.network.store.changeLeader(endpoint === undefined ? undefined : this.membersAt(endpoint)[0]?.id));
  }

  /**
   * Restarts the cluster: connections break, and tokens become invalid. With `wipe` the store is empty afterwards, and
   * belongs to another cluster.
   */
  restart(options: { readonly wipe?: boolean } = {}): void {
    this.breakConnections();
    this.network.serve(() => this.network.store.restart(options));
  }

  /** Breaks the connections to a member. The member still accepts new connections. */
  breakConnections(endpoint?: string): void {
    for (const member of this.membersAt(endpoint)) member.cut();
  }

  /** Breaks the connections to a member. The member refuses new connections until {@link TestServer.connect}. */
  disconnect(endpoint?: string): void {
    this.refuse(endpoint);
    this.breakConnections(endpoint);
  }

  /** Refuses new connections until {@link TestServer.connect}. Open streams are not affected. */
  refuse(endpoint?: string): void {
    for (const member of this.membersAt(endpoint)) member.accepts = false;
  }

  /** Accepts connections again. */
  connect(endpoint?: string): void {
    for (const member of this.membersAt(endpoint)) member.accepts = true;
  }

  /** Holds back all messages of one direction, until {@link TestServer.resume}. */
  stall(direction: Direction, endpoint?: string): void {
    for (const member of this.membersAt(endpoint)) member[direction].stall();
  }

  /** Delivers the messages that were held back, in their order. Later messages are no longer held back. */
  resume(endpoint?: string): void {
    for (const member of this.membersAt(endpoint)) {
      member.requests.resume();
      member.responses.resume();
    }
  }

  /**
   * Isolates a member from the others, until {@link TestServer.heal}. Clients can still reach the member, but requests
   * that need a quorum fail, and its watches receive nothing. If it was the leader, the next member becomes the leader.
   */
  isolate(endpoint: string): void {
    for (const member of this.membersAt(endpoint)) {
      member.isIsolated = true;
      member.replication.stall();
      if (this.network.store.members[0]?.id === member.id) this.changeLeader();
    }
  }

  /** Ends {@link TestServer.isolate}: the members can reach each other again. */
  heal(): void {
    for (const member of this.network.members) {
      member.isIsolated = false;
      member.replication.resume();
    }
  }

  /**
   * Carries out the next call that matches, and breaks its connection before the response is sent. If the call is a
   * write, its outcome is unknown to the client, so the call fails with `AmbiguousWrite`.
   *
   * @throws EtcdError `InvalidArgument` if the match is a name that no RPC has
   */
  dropResponse(match?: CallMatch): void {
    this.network.addFault(match, { type: 'drop' });
  }

  /**
   * Fails the next call that matches, without carrying it out. With `Unreachable` its connection is refused, and with
   * `ConnectionLost` its connection breaks. With any other reason the server rejects the call.
   *
   * @throws EtcdError `InvalidArgument` if the match is a name that no RPC has
   */
  fail(match: CallMatch, reason: Reason): void {
    this.network.addFault(match, { type: 'fail', reason });
  }

  /** Closes all clients of the test, and stops the timer for leases. */
  async close(): Promise<void> {
    const closing = this.clients.map((client) => client.close());
    try {
      await Promise.all(closing);
    } finally {
      this.network.close();
    }
  }

  private call<In, A>(rpc: Rpc<In, A>, request: In): A {
    return this.network.serve(() => this.network.store.call(rpc, requestText(rpc, request), { isTrusted: true }));
  }

  private membersAt(endpoint: string | undefined): readonly Member[] {
    const { members } = this.network;
    if (endpoint === undefined) return members;
    const found = members.filter((member) => member.endpoint === endpoint);
    if (found.length > 0) return found;
    throw new EtcdError('InvalidArgument', `endpoint: expected one of ${this.endpoints.join(', ')}, received ${endpoint}`);
  }
}
