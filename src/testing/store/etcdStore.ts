import type { Rpc } from '../../codec/descriptors.js';
import type { EtcdError, GrpcCode } from '../../errors/index.js';
import type { ClusterId, MemberId } from '../../model/ids.js';

/** The settings of an etcd in memory. */
export interface StoreOptions {
  /** The version of etcd to imitate, such as `3.4` or `3.5.30`; by default `3.5`. */
  readonly version?: string;
  /** Returns the time in milliseconds. Leases and tokens expire only by this clock. */
  readonly now: () => number;
  /** The size in bytes above which writes fail with `NoSpace`; by default 2 GiB. */
  readonly quotaBytes?: number;
  /** The maximum number of operations in one branch of a txn, and of compares; by default 128. */
  readonly maxTxnOps?: number;
  /** The maximum number of bytes of all keys and values that a request puts; by default 1.5 MiB. */
  readonly maxRequestBytes?: number;
  /** Whether tokens behave as with `--auth-token jwt`: any change of users or roles makes them invalid. */
  readonly jwt?: boolean;
  /** The number of members of the cluster; by default 1. They share one state, and the first one is the leader. */
  readonly members?: number;
  /** The URLs of the members for clients, by default `http://etcd-1:2379` and so on. */
  readonly endpoints?: readonly string[];
}

/** The source of a request: its token, and the member that receives it. */
export interface CallContext {
  /** The token of the client, if it sent one. */
  readonly token?: string | undefined;
  /** The member that responds. Its id is in the header of each response. By default it is the first member. */
  readonly memberId?: MemberId | undefined;
  /** Whether the request has all permissions without a token, such as a request of the test itself. */
  readonly isTrusted?: boolean | undefined;
  /** The endpoint that errors of the call name. */
  readonly endpoint?: string | undefined;
}

/** An error of the server, with the original text. */
export interface RefusedCall {
  readonly text: string;
  /** The code that the gateway passes on. Some services use the same code for all their errors. */
  readonly code: GrpcCode;
}

/**
 * Receives the responses to a call. No function is called after `error` or `complete`, or after the call was cancelled.
 */
export interface CallObserver<A> {
  next(response: A): void;
  error(error: EtcdError, refused: RefusedCall): void;
  complete(): void;
}

/** A call in progress. */
export interface ServerCall {
  /**
   * Receives a request, as JSON with etcd's field names. Responses that are ready are delivered before this function
   * returns. If the call has only one request, later requests are ignored.
   */
  send(body: string): void;
  /**
   * Called when the client sends no more requests. A stream of keepalives then completes. A watch continues, because
   * the client still reads responses.
   */
  end(): void;
  /**
   * Cancels the call, as the loss of a connection does. A call that waits for a lock or a leadership is removed from
   * its queue.
   */
  cancel(): void;
}

/** A member of the cluster. */
export interface StoreMember {
  readonly id: MemberId;
  readonly name: string;
  readonly clientUrls: readonly string[];
  readonly peerUrls: readonly string[];
}

/** A response to a plain GET. */
export interface StoreResponse {
  readonly status: number;
  readonly body: string;
}

/**
 * An etcd in memory. To a client it behaves like an etcd, but it has no connections, delays or timers. It does
 * everything synchronously, in the order of the calls. The network of the test adds latency and faults.
 *
 * A request is JSON text, in the form that `requestText` of the codecs writes. A response is an object, as
 * `rpc.response` of the codecs would return it after decoding.
 */
export interface EtcdStore {
  /** The whole version, such as `3.5.30`. */
  readonly version: string;
  readonly clusterId: ClusterId;
  /** The current members. The first one is the leader. */
  readonly members: readonly StoreMember[];
  /** The current revision. */
  readonly revision: number;
  /** The oldest revision that can be read; -1 before the first compaction. */
  readonly compactRevision: number;

  /**
   * Carries out a call with one immediate response.
   *
   * @throws EtcdError with the server's error, or `UnknownMethod` if this version does not have the RPC
   * @throws Error if the RPC may respond later, or responds with a stream; use {@link open} for such an RPC
   */
  call<A>(rpc: Rpc<never, A>, body: string, context?: CallContext): A;
  /**
   * Opens any call: one response, a delayed one (`Lock`, `Campaign`), a stream of responses (`Observe`, `Snapshot`) or
   * a bidirectional stream (`Watch`, `LeaseKeepAlive`). A call with one response completes after that response.
   */
  open<A>(rpc: Rpc<never, A>, context: CallContext, observer: CallObserver<A>): ServerCall;
  /**
   * Responds to a plain GET: `/version`, `/health`, `/livez`, `/readyz` or `/metrics`. The response for any other path
   * is 404.
   */
  get(path: string): StoreResponse;

  /** Returns a time in milliseconds before which no lease expires; undefined if there are no leases. */
  nextExpiry(): number | undefined;
  /** Ends all leases whose TTL has passed, and deletes their keys. */
  expire(): void;
  /** Makes all tokens invalid. A restart, or five minutes without a call, has the same effect. */
  expireTokens(): void;
  /**
   * Sends a progress notification to each watch that has requested such notifications, and has received no events since
   * the last one was due.
   */
  notifyProgress(): void;
  /**
   * Changes the leader. The term grows, and each lease gets its whole TTL again.
   *
   * @param id the new leader; by default the next member
   */
  changeLeader(id?: MemberId): void;
  /**
   * Restarts the server: all calls in progress are cancelled without an error, tokens become invalid, and the leader
   * changes. With `wipe` the server begins with an empty store and a new cluster id.
   */
  restart(options?: { readonly wipe?: boolean }): void;
}
