import { catchError, type Observable, takeUntil } from 'rxjs';
import type { Rpc } from '../codec/descriptors.js';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { multicast } from '../util/rx.js';

/** A transport for bidirectional streams, on which many requests and responses may be pending. */
export type DuplexTransport = 'websocket' | 'http2';

/** The server to which a request is sent, with the facts that a wire needs. */
export interface Destination {
  readonly endpoint: {
    /** The address for connections: `https://a:2379`. */
    readonly origin: string;
    /** The address of the endpoint in errors, with its path if it has one. */
    readonly address: string;
    /**
     * Whether etcd has responded at the endpoint before. If so, a response that is not from etcd means that etcd is
     * down.
     */
    readonly knownEtcd: boolean;
  };
  /** The path of the gateway, before the path of an RPC: `/v3`. A wire without paths ignores it. */
  readonly info: { readonly prefix: string };
  /** The token, if the client has one. */
  readonly credential: { readonly token: string | undefined };
  /**
   * Whether the server is not yet known to be a member of the cluster. Such a server receives no token and no headers
   * of the client. Its streams may have only short messages.
   */
  readonly unconfirmed?: boolean;
}

/** Receives the progress of a request. No function is called after the request has ended or was unsubscribed from. */
export interface Progress {
  /**
   * Called once, when the first byte is about to be sent. If the request fails before this call, it is certain that the
   * server did nothing. If it fails later, it is unknown whether the server did anything.
   */
  readonly onSent?: (() => void) | undefined;
  /** Called whenever a part of the response arrives. */
  readonly onReceived?: (() => void) | undefined;
  /**
   * Called before a response is decoded, with the revision in its header; 0 if there is no revision. If it throws, the
   * request fails with that error.
   */
  readonly onRevision?: ((revision: number) => void) | undefined;
}

/** One attempt to send a request, with the functions that receive its progress. */
export interface Attempt extends Progress {
  readonly to: Destination;
  /** Whether the request may wait at the server for a long time. If so, no other request waits for its connection. */
  readonly patient?: boolean;
}

/**
 * One attempt of a call. Its functions are passed together with the request. If they were added as operators, `map` and
 * `catchError` would cost each call more than its encoding and decoding.
 */
export interface CallAttempt<A> extends Attempt {
  /** Called with the response before it is emitted. If it throws, the request fails with that error. */
  readonly onResponse?: ((response: A) => void) | undefined;
  /** Returns what follows a failure: another attempt, or an error. */
  readonly recover: (failure: unknown) => Observable<A>;
}

/** A second request on the same stream, which is sent some milliseconds after the first. */
export interface Later<In> {
  readonly request: In;
  readonly afterMs: number;
}

/** An attempt to open a bidirectional stream. */
export interface DuplexAttempt<In = never> extends Pick<Progress, 'onRevision'> {
  readonly to: Destination;
  readonly transport: DuplexTransport;
  readonly onLateOpen?: LateOpen<In> | undefined;
}

/**
 * Called when a stream opens although its subscriber has unsubscribed during the handshake. The function sends the last
 * requests, and the stream is closed after them. Without this function, the handshake is aborted, and the server may
 * keep the stream.
 */
export type LateOpen<In> = (send: (request: In) => void) => void;

/** An event of a bidirectional stream. */
export type DuplexEvent<In, A> =
  /**
   * The first event of a stream: the stream is open. It accepts requests as long as it is subscribed to. `send` throws
   * `InvalidArgument` for an invalid request. Responses never arrive while `send` runs.
   */
  | { readonly type: 'open'; readonly send: (request: In) => void }
  | { readonly type: 'message'; readonly message: A }
  /**
   * A part of a message has arrived. A long message takes time on a slow connection. During this time, the stream is
   * not unresponsive.
   */
  | { readonly type: 'partial' };

/** A request that is not an RPC. */
export interface PlainRequest extends Progress {
  readonly to: Pick<Destination, 'endpoint' | 'unconfirmed'>;
  /** The whole path, from the origin on: `/version`, or `/etcd/version`. */
  readonly path: string;
  /** The name of the request in errors: `GET /version`. */
  readonly name: string;
  /** Headers of this request, in addition to those of the client. Their names are in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A response to a request that is not an RPC, with any status. */
export interface PlainResponse {
  readonly status: number;
  readonly body: string;
  /** Whether the body does not have the form of etcd's JSON, and may be a page of a proxy. */
  readonly isPage: boolean;
  /** The target of a redirect, without user and query, as these may contain secrets. */
  readonly redirectsTo: string | undefined;
  /** Returns the error for an unexpected response, with the message of etcd or of a proxy. */
  error(): EtcdError;
  /** Returns the error for a response that was sent by a proxy in place of etcd. */
  errorOfProxy(): EtcdError;
}

/** The response to an RPC as it arrived. Only wires that use HTTP provide it. */
export interface RawResponse {
  /** The HTTP status. It is 200, as any other status is an error. */
  readonly status: number;
  /** The headers, by their names in lower case. If a header occurs several times, its values are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text of the body. */
  readonly body: string;
}

/**
 * Sends requests to the servers of a cluster, as objects, and emits decoded responses. All layers above use this
 * interface, and do not depend on JSON, bytes, connections or Node. Other implementations can use a browser's fetch,
 * gRPC, or an etcd in memory.
 *
 * The contract, which test/unit/transport/wire.test.ts checks for each implementation:
 * - All Observables are cold: each subscription is a request, and unsubscribing aborts it at the server, too. Nothing
 *   is reported afterwards.
 * - A request is encoded and checked before anything is sent. An invalid request fails with `InvalidArgument`.
 * - For each response, the functions are called in this order: `onSent`, `onReceived`, `onRevision`, `onResponse`, and
 *   then the emission.
 * - Every failure is an `EtcdError` that names the RPC and the endpoint. It is the error that the server or a proxy
 *   sent, `Unreachable` if nothing was sent, `ConnectionLost` after `onSent`, or `TlsFailed`, `MalformedResponse`,
 *   `ResponseTooLarge`, `ClientClosed`. If nothing was sent, `onSent` was not called.
 * - A wire makes one attempt. It sets no deadline, retries nothing and chooses no endpoint.
 */
export interface Wire {
  /**
   * Encodes a request, and returns the function that sends it. The request is encoded once for any number of attempts.
   * The Observable emits one response and completes.
   *
   * @throws EtcdError `InvalidArgument`, naming the field
   */
  unary<In, A>(rpc: Rpc<In, A>, request: In): (attempt: CallAttempt<A>) => Observable<A>;
  /**
   * Encodes a request as {@link unary} does. The Observable emits the responses as they arrive, and completes when the
   * server ends the stream. If the stream ends without a response, the Observable errors with `ConnectionLost`. No
   * other request uses the connection of the stream.
   *
   * @throws EtcdError `InvalidArgument`, naming the field
   */
  stream<In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>): (attempt: Attempt) => Observable<A>;
  /**
   * Opens a bidirectional stream on a separate connection. The Observable never completes. If the server ends the
   * stream, it errors with `ConnectionLost`, or with the error that the server sent. It errors with
   * `TransportUnsupported` if the server, or a proxy in front of it, does not support the protocol. Requests that were
   * sent before the end of the subscription reach the server.
   */
  duplex<In, A>(rpc: Rpc<In, A>, attempt: DuplexAttempt<In>): Observable<DuplexEvent<In, A>>;
  /** Sends a plain GET, and emits its response with any status. */
  get(request: PlainRequest): Observable<PlainResponse>;
  /**
   * Closes the connections to an origin that is no longer used. Each connection is closed when its requests have ended.
   */
  release(origin: string): void;
  /**
   * Makes later requests to an origin use new connections, as the open ones may be dead. An open connection is closed
   * when its requests have ended. A connection that is being opened is not affected, as it has a timeout.
   */
  renew(origin: string): void;
  /**
   * Aborts the requests in progress with `ClientClosed`, and resolves when every connection is closed. Later requests
   * fail with `ClientClosed`.
   */
  close(): Promise<void>;
}

/** The cause of errors of streams that the page has ended. {@link isPageLeft} recognizes it. */
const PAGE_LEFT = new Error('the user left the page, or the browser froze it');

/** Creates the error of a stream that the page has ended. */
export const pageLeft = (where: ErrorDetails): EtcdError =>
  new EtcdError('ConnectionLost', PAGE_LEFT.message, { ...where, cause: PAGE_LEFT });

/** Returns whether the page has ended a stream. If so, neither the endpoint nor the transport has failed. */
export const isPageLeft = (error: EtcdError): boolean => error.cause === PAGE_LEFT;

/**
 * A wire that shares the connections of another wire, for a derived client. Closing it ends its own requests, but keeps
 * the connections open.
 */
export class SharedWire implements Wire {
  /** Errors when the wire is closed. Later subscribers receive the error, too. */
  private readonly closed = multicast<never>();

  constructor(
    private readonly wire: Wire,
    private readonly onClosed: () => void,
  ) {}

  unary<In, A>(rpc: Rpc<In, A>, request: In): (attempt: CallAttempt<A>) => Observable<A> {
    const send = this.wire.unary(rpc, request);
    // `recover` decides what the end of an attempt means, as a write that was sent may have been carried out.
    return (attempt) => send(attempt).pipe(takeUntil(this.closed.pipe(catchError((failure: unknown) => attempt.recover(failure)))));
  }

  stream<In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>): (attempt: Attempt) => Observable<A> {
    const send = this.wire.stream(rpc, request, later);
    return (attempt) => send(attempt).pipe(takeUntil(this.closed));
  }

  duplex<In, A>(rpc: Rpc<In, A>, attempt: DuplexAttempt<In>): Observable<DuplexEvent<In, A>> {
    return this.wire.duplex(rpc, attempt).pipe(takeUntil(this.closed));
  }

  get(request: PlainRequest): Observable<PlainResponse> {
    return this.wire.get(request).pipe(takeUntil(this.closed));
  }

  release(origin: string): void {
    this.wire.release(origin);
  }

  renew(origin: string): void {
    this.wire.renew(origin);
  }

  close(): Promise<void> {
    this.closed.error(new EtcdError('ClientClosed', 'the client is closed'));
    this.onClosed();
    return Promise.resolve();
  }
}

/** Returns the destination for a server that may not belong to the cluster, and receives no secret. */
export const unconfirmedAt = (origin: string, prefix = ''): Destination => ({
  endpoint: { origin, address: origin, knownEtcd: false },
  info: { prefix },
  credential: { token: undefined },
  unconfirmed: true,
});
