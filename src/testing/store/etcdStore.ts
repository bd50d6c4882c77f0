import type { Rpc } from '../../codec/descriptors.js';
import type { EtcdError, GrpcCode } from '../../errors/index.js';
import type { ClusterId, MemberId } from '../../model/ids.js';

/** The settings of an etcd in memory. */
export interface StoreOptions {
  /** The version of etcd that the store behaves as, such as `3.4` or `3.5.30`; by default `3.5`. */
  readonly version?: string;
  /** Returns the time in milliseconds. Leases and tokens end by this clock alone. */
  readonly now: () => number;
  /** The size in bytes above which writes fail with `NoSpace`; by default 2 GiB. */
  readonly quotaBytes?: number;
  /** The maximum number of operations of a txn, and of compares; by default 128. */
  readonly maxTxnOps?: number;
  /** The maximum number of bytes of a request; by default 1.5 MiB. */
  readonly maxRequestBytes?: number;
  /** Whether tokens behave as with `--auth-token jwt`: any change of users or roles makes them invalid. */
  readonly jwt?: boolean;
  /** The number of members of the cluster, by default 1. They share one state, and the first one leads. */
  readonly members?: number;
  /** The URLs of the members for clients, by default `http://etcd-1:2379` and so on. */
  readonly endpoints?: readonly string[];
}

/** The origin of a request. */
export interface CallContext {
  /** The token of the client, if it sent one. */
  readonly token?: string | undefined;
  /** The member that responds, whose id is in the header of each response; by default the first one. */
  readonly memberId?: MemberId | undefined;
  /** Whether the request may do everything without a token, like a request of the test itself. */
  readonly isTrusted?: boolean | undefined;
  /** The endpoint of the request, as errors name it. */
  readonly endpoint?: string | undefined;
}

/** An error of the server, with its original text. */
export interface RefusedCall {
  readonly text: string;
  /** The code that the gateway passes on. Some services use the same code for all their errors. */
  readonly code: GrpcCode;
}

/** Receives the responses of a call. No function is called after `error`, `complete`, or the call was canceled. */
export interface CallObserver<A> {
  next(answer: A): void;
  error(error: EtcdError, refused: RefusedCall): void;
  complete(): void;
}

/** A call in progress. */
export interface ServerCall {
  /**
   * Receives a request, as JSON with etcd's field names. The responses that are ready are delivered before it returns.
   * A call with one request ignores further requests.
   */
  send(body: string): void;
  /**
   * Receives the end of the requests. A stream of keepalives then completes. A watch continues, as its client still
   * reads responses.
   */
  end(): void;
  /** Cancels the call, as a lost connection does. A waiting lock leaves its queue. */
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
 * An etcd in memory. It behaves as an etcd for a client, without connections, delays or timers. It does everything
 * synchronously, in the order of the calls. A wire adds time and faults.
 *
 * A request is JSON text, as `requestText` of the codecs writes it. A response is decoded as `rpc.response` would
 * decode it.
 */
export interface EtcdStore {
  /** The whole version, such as `3.5.30`. */
  readonly version: string;
  readonly clusterId: ClusterId;
  /** The current members; the first one leads. */
  readonly members: readonly StoreMember[];
  /** The current revision. */
  readonly revision: number;
  /** The oldest revision that can be read; -1 before the first compaction. */
  readonly compactRevision: number;

  /**
   * Carries out a call with one immediate response.
   *
   * @throws EtcdError the server's error, or `UnknownMethod` if this version lacks the RPC
   * @throws Error if the RPC waits or responds with a stream; use {@link open} for it
   */
  call<A>(rpc: Rpc<never, A>, body: string, context?: CallContext): A;
  /**
   * Opens any call: one response, a delayed one (`Lock`, `Campaign`), a stream of responses (`Observe`, `Snapshot`) or
   * a bidirectional stream (`Watch`, `LeaseKeepAlive`). A call with one response completes after that response.
   */
  open<A>(rpc: Rpc<never, A>, context: CallContext, observer: CallObserver<A>): ServerCall;
  /** Responds to a plain GET: `/version`, `/health`, `/livez`, `/readyz` or `/metrics`. Any other path is a 404. */
  get(path: string): StoreResponse;

  /** Returns a time, in milliseconds, before which no lease expires; undefined without leases. */
  nextExpiry(): number | undefined;
  /** Deletes the keys of all leases whose time has passed. */
  expire(): void;
  /** Makes all tokens invalid, as a restart does, or five minutes without a call. */
  expireTokens(): void;
  /** Sends a progress notification to each watch that requested them and has received nothing since the last time. */
  notifyProgress(): void;
  /**
   * Changes the leader. The term rises, and each lease has its whole TTL again.
   *
   * @param id the new leader, by default the next member
   */
  changeLeader(id?: MemberId): void;
  /**
   * Restarts the server: all calls in progress are canceled without an error, tokens are lost, and the leader changes.
   * With `wipe` it begins with an empty store and a new cluster id.
   */
  restart(options?: { readonly wipe?: boolean }): void;
}
