import { EtcdError } from '../errors/index.js';
import type { Observable } from 'rxjs';
import type { Endpoint } from './endpoints/endpoint.js';
import type { Rpc, Safety } from '../codec/descriptors.js';
import { findInvalidHeader, withLowerNames } from '../model/headers.js';
import { ANYTHING, BOOLEAN, checkOptions, LONGEST_MS, MILLISECONDS, type OptionKinds, SIGNAL, STRING } from '../model/validate.js';
import type { Activity } from './endpoints/activity.js';
import type { StreamTransport } from './streams/transportSelector.js';
import { monotonicNow } from '../util/time.js';
import type { DuplexEvent, LateOpen, Later, PlainResponse } from './wire.js';
import type { ServerInfo, ServerVersion } from './endpoints/version.js';

/** The options of every call. */
export interface CallOptions {
  /**
   * How long the call may take from when it is first sent, all retries included, in milliseconds. `Infinity` means no
   * limit. The default is the client's `requestTimeoutMs`, or no limit for an RPC that may take long. Such RPCs are
   * `Lock`, `Campaign`, `Defragment`, and streams such as a snapshot. A read fails with `DeadlineExceeded`, a write
   * that was sent with `AmbiguousWrite`. For a stream, the time is limited only until the first response.
   *
   * Before it is sent, a call may wait for a token, for the version of the server, or for a free connection. This
   * waiting time does not count, but it has the same limit: if the call was not sent by then, it fails with
   * `DeadlineExceeded`. While all connections are in use, a call waits longer if the endpoint completes other calls.
   */
  readonly timeoutMs?: number;
  /**
   * A signal that aborts the call. The call then fails with `Aborted`, or with `AmbiguousWrite` if it is a write that
   * was sent. Unsubscribing aborts the call without an error.
   */
  readonly signal?: AbortSignal;
  /**
   * Sends the call to this endpoint only. The endpoint must belong to the client, in any form that `createClient`
   * accepts.
   */
  readonly endpoint?: string;
  /**
   * Headers for the requests of this call, in addition to the client's `headers`. A header replaces the client's header
   * of the same name. The same names are reserved as for the client's `headers`. In a browser a call with headers to
   * another origin fails with `InvalidArgument`, as etcd's CORS does not allow it.
   */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Makes a member without a leader reject the call with `NoLeader` at once. A read may then be retried, and a write
   * fails with `AmbiguousWrite`. Without this option, a linearizable read waits at the member until `attemptTimeoutMs`
   * has passed. A write waits until the member rejects it or the deadline passes. A serializable read returns an old
   * state. Watches require a leader without this option; over a WebSocket, only if there are several endpoints. In a
   * browser a leader can be required only on the page's own origin.
   */
  readonly requireLeader?: boolean;
}

/** The options of a read. */
export interface ReadCallOptions extends CallOptions {
  /**
   * Rejects a response that is older than the newest revision which the client had seen before the call, and retries on
   * another member. It is mainly for `serializable` reads, as a member that lags behind responds with its old state.
   * The call fails with `StaleRead` if no member is recent enough after all attempts.
   */
  readonly monotonic?: boolean;
}

export const CALL: OptionKinds<CallOptions> = {
  timeoutMs: MILLISECONDS,
  signal: SIGNAL,
  endpoint: STRING,
  // `requestWith` checks the headers. Its errors name the invalid header.
  headers: ANYTHING,
  requireLeader: BOOLEAN,
};
export const READ_CALL: OptionKinds<ReadCallOptions> = { ...CALL, monotonic: BOOLEAN };

/** A response to a request that is not an RPC, with its source. */
export interface PlainResult {
  readonly response: PlainResponse;
  readonly endpoint: string;
  /** The version of the server; undefined if the server reports no version. */
  readonly version: ServerVersion | undefined;
}

/** Sends the calls of services. Services need no other part of the transport. */
export interface Caller {
  /**
   * Sends one request, and emits its response. The Observable is cold: each subscription is a call.
   *
   * @param onSent called when the first request is sent, which may be long after the subscription
   */
  unary<In, A>(rpc: Rpc<In, A>, request: In, options?: ReadCallOptions, onSent?: () => void): Observable<A>;
  /**
   * Sends one request, and emits the responses as they arrive. The request is retried only before the first response.
   */
  stream<In, A>(rpc: Rpc<In, A>, request: In, options?: CallOptions, later?: Later<In>): Observable<A>;
  /**
   * Creates a channel to the next endpoint in turn, with a stream transport that works there. If a server is not etcd,
   * or its TLS handshake fails, the other endpoints are tried as well. After any other failure, the caller has to
   * retry.
   */
  channel<In, A>(rpc: Rpc<In, A>): Observable<Channel<In, A>>;
  /** Sends a plain GET outside of the gateway: `/version`, `/health`, `/metrics`. */
  get(path: string, options?: CallOptions): Observable<PlainResult>;
}

/**
 * A channel to a server, for a bidirectional stream. The user of the channel reports the outcome of the stream, because
 * the next choice of a transport depends on it.
 */
export interface Channel<In = never, A = unknown> {
  readonly transport: StreamTransport;
  readonly endpoint: string;
  readonly version: ServerVersion | undefined;
  /**
   * Errors when the endpoint is removed from the client, or when its connections turn out to be dead. The stream of
   * {@link duplex} errors when the endpoint is removed, but not when other connections turn out to be dead.
   */
  readonly removed: Observable<never>;
  /** Decides how often the stream is checked. */
  readonly activity: Activity;
  /**
   * Returns the stream. This function is undefined if the transport is `chunked`: each request is then a separate
   * {@link Caller.stream}.
   */
  readonly duplex: ((onLateOpen?: LateOpen<In>) => Observable<DuplexEvent<In, A>>) | undefined;
  /**
   * Emits once: the generation of the server's gateway, 1 or 2. The version of the server does not show this
   * generation. Emits undefined if the response is not from a gateway, or if the request fails. The request is a plain
   * GET without a deadline.
   */
  readonly gateway?: Observable<1 | 2 | undefined>;
  /** Records that the server has responded. */
  responded(): void;
  /**
   * Records that the stream broke, or could not be opened.
   * @returns false if another attempt would fail in the same way, as its token and transport would be the same
   */
  failed(error: EtcdError): boolean;
  /** Returns whether the token of the channel has been replaced. */
  readonly outdated?: () => boolean;
}

/** The type of the channel for the streams of an RPC. */
export type ChannelOf<R> = R extends Rpc<infer In, infer A> ? Channel<In, A> : never;

/** The state of a call for one subscription. */
export interface Call {
  readonly name: string;
  readonly safety: Safety;
  readonly options: CallOptions;
  /** Whether the call needs a token. */
  readonly authenticated: boolean;
  /** Whether the response may take any time after the request was sent. */
  readonly unbounded: boolean;
  /** Whether the response may take longer than usual. */
  readonly long: boolean;
  /**
   * Whether the call is a batch of several callers' requests. If the batch is rejected, each caller sends a separate
   * request.
   */
  readonly batched: boolean;
  /** The time at which the call began. */
  readonly startedAt: number;
  /** The time at which the first request of the call was sent; undefined before that. */
  firstSentAt: number | undefined;
  /** The endpoint at which the call last waited for a connection. */
  waitsFor: Endpoint | undefined;
  /** Whether the call counts towards `maxPendingCalls`. It counts until its first request is sent. */
  pending: boolean;
  /** Called when the first request of the call is sent. */
  readonly onSent: (() => void) | undefined;
  /** Whether the request of the current attempt was sent. */
  sent: boolean;
  /** The time at which the current attempt began, was sent, or last received data, whichever is latest. */
  lastActivity: number;
  /** The number of attempts that received no data within their timeout. */
  unresponsiveAttempts: number;
  /** The endpoints of earlier attempts whose responses may still arrive. */
  waitingAt: Set<Endpoint> | undefined;
  /** Starts the next attempt early, while the current one continues. */
  hedge: (() => void) | undefined;
  /**
   * The number of version requests without a response within the timeout. They are counted separately, as a member that
   * responds slowly to calls still reports its version quickly.
   */
  probeTimeouts: number;
  /** Whether a response has arrived. After that, a stream must not start again, as its responses would be repeated. */
  responded: boolean;
  /** Whether no other attempt can help. */
  final: boolean;
  /**
   * Whether a write was sent again, as the retry policy decided. Even if that attempt fails, the first one may have
   * been carried out.
   */
  resentWrite: boolean;
  attempts: number;
  reauthenticated: boolean;
  rediscovered: boolean;
}

/** Returns what follows a failed attempt: another attempt, or an error. */
export type Recover<T> = (failure: unknown) => Observable<T>;

/** The options of a call that has none. */
export const NO_OPTIONS: ReadCallOptions = Object.freeze({});

/** The properties of an RPC that its calls depend on. */
type Kind = Pick<Rpc<never, unknown>, 'name' | 'safety' | 'anonymous' | 'unbounded' | 'long' | 'joint'>;

/** Checks the options of a call, and creates its initial state. */
export function newCall({ name, safety, anonymous, unbounded, long, joint }: Kind, options: ReadCallOptions, onSent?: () => void): Call {
  if (options !== NO_OPTIONS) checkOptions(name, options, READ_CALL);
  return {
    name,
    safety,
    authenticated: anonymous !== true,
    unbounded: unbounded === true,
    long: long === true,
    batched: joint === true,
    options,
    startedAt: monotonicNow(),
    firstSentAt: undefined,
    waitsFor: undefined,
    pending: false,
    onSent,
    sent: false,
    lastActivity: 0,
    unresponsiveAttempts: 0,
    waitingAt: undefined,
    hedge: undefined,
    probeTimeouts: 0,
    responded: false,
    final: false,
    resentWrite: false,
    attempts: 0,
    reauthenticated: false,
    rediscovered: false,
  };
}

/**
 * Returns a copy of an RPC with the headers of a single call.
 *
 * @throws EtcdError `InvalidArgument` that names the header
 */
export function requestWith<In, A>(rpc: Rpc<In, A>, { headers, requireLeader }: CallOptions): Rpc<In, A> {
  if (headers === undefined && requireLeader !== true) return rpc;
  // The headers are set even if they are empty, so that the transport of a browser detects that the caller passed an
  // option.
  const own = headers === undefined ? {} : checkedHeaders(rpc.name, headers);
  return { ...rpc, headers: own, ...(requireLeader === true && { needsLeader: true }) };
}

/**
 * Checks the headers of a call.
 *
 * @throws EtcdError `InvalidArgument` that names the header
 */
export function checkedHeaders(rpc: string, headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const invalid = findInvalidHeader(headers);
  if (invalid !== undefined) throw new EtcdError('InvalidArgument', `headers${invalid.place} of ${rpc}: ${invalid.problem}`, { rpc });
  return withLowerNames(headers);
}

/** Returns the oldest revision that a response may have; 0 if any revision is allowed. */
export function minRevision({ name, safety }: Rpc<never, unknown>, { monotonic }: ReadCallOptions, newest: number): number {
  if (monotonic !== true) return 0;
  if (safety === 'write')
    throw new EtcdError('InvalidArgument', 'monotonic of call: expected an RPC that reads, received an RPC that writes', { rpc: name });
  return newest;
}

/** Returns how long a call may take, in milliseconds. Its options have been checked. */
export function resolveTimeout({ timeoutMs }: CallOptions, fallback: number): number {
  if (timeoutMs === undefined) return fallback;
  return timeoutMs > LONGEST_MS ? Infinity : timeoutMs;
}

/**
 * Holds the token of a call, if the cluster requires a token. Each request for a token creates a new object, even if
 * the token is the same. So a comparison of objects shows whether the token was requested again.
 */
export class Credential {
  // The field is private at run time as well. An attempt holds its credential, and no log may show a token.
  readonly #token: string | undefined;

  constructor(token?: string) {
    this.#token = token;
  }

  get token(): string | undefined {
    return this.#token;
  }
}

/** The endpoint of an attempt, the known facts about its server, and the credential to send. */
export interface Route {
  readonly endpoint: Endpoint;
  readonly info: ServerInfo;
  readonly credential: Credential;
}

/** Sends a call along a route, and recovers from failures. */
export type Send<T> = (route: Route, recover: Recover<T>) => Observable<T>;

/** Sends a call. An error that is thrown at once is handled like a later failure. */
export function trySend<T>(send: Send<T>, route: Route, recover: Recover<T>): Observable<T> {
  try {
    return send(route, recover);
  } catch (error) {
    return recover(error);
  }
}

/** Records the newest revision of the store that the responses to a client have had in their headers. */
export class Revisions {
  private seen = 0;

  get newest(): number {
    return this.seen;
  }

  /**
   * Records the revision in a response.
   * @throws EtcdError `StaleRead` if the revision of the response is too old
   */
  take(revision: number, notBefore: number, rpc: string, endpoint: string): void {
    if (revision > this.seen) this.seen = revision;
    if (revision < notBefore)
      throw new EtcdError('StaleRead', `this member is at revision ${revision}, but the client has seen ${notBefore}`, { rpc, endpoint });
  }
}

/** Receives the outcome of an attempt. */
interface AttemptReports {
  readonly onSent: () => void;
  readonly onReceived: () => void;
}

/**
 * Records the progress of an attempt in its call and in its endpoint, as later decisions depend on both. The attempt
 * must begin in this turn of the event loop.
 *
 * @param isUse whether the attempt counts as a use of the endpoint
 * @param onFirstSent called when the call is sent for the first time
 */
export function reportsOf(call: Call, endpoint: Endpoint, isUse: boolean, onFirstSent: (call: Call) => void): AttemptReports {
  call.waitsFor = endpoint;
  return {
    onSent: () => {
      call.sent = true;
      // The time for which the call waits for a connection does not count as time without a response.
      call.lastActivity = monotonicNow();
      if (call.firstSentAt === undefined) {
        call.firstSentAt = call.lastActivity;
        onFirstSent(call);
        call.onSent?.();
      }
    },
    onReceived: () => {
      const now = monotonicNow();
      call.lastActivity = endpoint.lastActivity = now;
      if (!call.unbounded) endpoint.callDataAt = now;
      if (isUse) endpoint.activity.responded(now);
    },
  };
}
