import { catchError, type Observable, takeUntil } from 'rxjs';
import type { Rpc } from '../codec/descriptors.js';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { multicast } from '../util/rx.js';

/** A transport for bidirectional streams, with many requests and responses at a time. */
export type DuplexTransport = 'websocket' | 'http2';

/** The server that a request goes to, with the facts that a wire needs. */
export interface Destination {
  readonly endpoint: {
    /** The address of its connections: `https://a:2379`. */
    readonly origin: string;
    /** The endpoint as errors name it, with its path if it has one. */
    readonly address: string;
    /**
     * Whether etcd has responded at the endpoint before. If so, a response that is not from etcd means that etcd is
     * down.
     */
    readonly knownEtcd: boolean;
  };
  /** The path before that of an RPC: `/v3`. A wire that has no paths ignores it. */
  readonly info: { readonly prefix: string };
  /** The token, if the client has one. */
  readonly credential: { readonly token: string | undefined };
  /**
   * Whether the server is not yet confirmed as a member of the cluster. If so, it receives no token and no headers of
   * the client, and may send only short messages.
   */
  readonly unconfirmed?: boolean;
}

/** Receives the progress of a request. No function is called after the request has ended, or was unsubscribed from. */
export interface Progress {
  /**
   * Called once, when the first byte is about to leave. A failure before that proves that the server did nothing. A
   * failure afterwards does not show what the server did.
   */
  readonly onSent?: (() => void) | undefined;
  /** Called whenever a part of the response arrives. */
  readonly onReceived?: (() => void) | undefined;
  /**
   * Called with the revision in the header of each response, or 0 if there is no revision, before the response is
   * decoded. An error that it throws is a failure of the request.
   */
  readonly onRevision?: ((revision: number) => void) | undefined;
}

/** One attempt to send a request. */
export interface Attempt extends Progress {
  readonly to: Destination;
  /** Whether the request may wait at the server for a long time. No other request then waits for its connection. */
  readonly patient?: boolean;
}

/**
 * The attempt of a call. Its functions are passed with the request, and not added as operators: `map` and `catchError`
 * would cost each call more than all its encoding and decoding.
 */
export interface CallAttempt<A> extends Attempt {
  /** Called with the response before it is emitted. An error that it throws is a failure of the request. */
  readonly onResponse?: ((response: A) => void) | undefined;
  /** Returns what follows a failure: another attempt, or the error. */
  readonly recover: (failure: unknown) => Observable<A>;
}

/** A second request on the same stream, some milliseconds after the first. */
export interface Later<In> {
  readonly request: In;
  readonly afterMs: number;
}

/** The attempt to open a bidirectional stream. */
export interface DuplexAttempt extends Pick<Progress, 'onRevision'> {
  readonly to: Destination;
  readonly transport: DuplexTransport;
}

/** An event of a bidirectional stream. */
export type DuplexEvent<In, A> =
  /**
   * The stream is open, which is its first event. The stream accepts requests as long as it is subscribed to. `send`
   * throws `InvalidArgument` for an invalid request. Responses never arrive while `send` runs.
   */
  | { readonly type: 'open'; readonly send: (request: In) => void }
  | { readonly type: 'message'; readonly message: A }
  /**
   * A part of a message arrived. A long message takes time on a slow connection, and the stream is not unresponsive
   * meanwhile.
   */
  | { readonly type: 'partial' };

/** A request other than an RPC. */
export interface PlainRequest extends Progress {
  readonly to: Pick<Destination, 'endpoint' | 'unconfirmed'>;
  /** The whole path at the origin: `/version`, or `/etcd/version`. */
  readonly path: string;
  /** The name of the request, for errors: `GET /version`. */
  readonly name: string;
  /** Headers of this request, in addition to those of the client. Their names are in lower case. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A response to a request other than an RPC, with any status. */
export interface PlainResponse {
  readonly status: number;
  readonly body: string;
  /** Whether the body is not JSON as etcd writes it, but perhaps the page of a proxy. */
  readonly isPage: boolean;
  /** The target of a redirect without user and query, which may be secret. */
  readonly redirectsTo: string | undefined;
  /** Returns the error of a response that is not the expected one, in the words of etcd or of a proxy. */
  error(): EtcdError;
  /** Returns the error of a response that something in place of etcd has sent. */
  errorOfProxy(): EtcdError;
}

/** The response to an RPC as it arrived, from a wire over HTTP. */
export interface RawResponse {
  /** The HTTP status: 200, as any other response is an error. */
  readonly status: number;
  /** The headers, by their names in lower case. The values of a repeated header are joined by commas. */
  readonly headers: Readonly<Record<string, string>>;
  /** The text of the body. */
  readonly body: string;
}

/**
 * Sends messages to the servers of a cluster: an RPC, a request object and decoded responses. All layers above use this
 * interface, and do not depend on JSON, bytes, connections or Node. A browser's fetch, gRPC, or an etcd in memory only
 * needs another implementation.
 *
 * The contract, which test/unit/transport/wire.test.ts checks for each implementation:
 * - All Observables are cold: each subscription is a request, and unsubscribing aborts it at the server, too. Nothing
 *   is reported afterwards.
 * - A request is encoded and checked before anything is sent. An invalid request fails with `InvalidArgument`.
 * - The order of reports for a response is `onSent`, `onReceived`, `onRevision`, `onResponse`, and then the emission.
 * - Every failure is an `EtcdError` that names the RPC and the endpoint. It is the server's error, `Unreachable` if
 *   nothing was sent, `ConnectionLost` after `onSent`, or `TlsFailed`, `MalformedResponse`, `ResponseTooLarge`,
 *   `ClientClosed`. If nothing was sent, `onSent` was not called.
 * - A wire makes one attempt. It sets no deadline, retries nothing and chooses no endpoint.
 */
export interface Wire {
  /**
   * Encodes a request, and returns the function that sends it. It is encoded once for any number of attempts. The
   * Observable emits one response and completes.
   *
   * @throws EtcdError `InvalidArgument`, naming the field
   */
  unary<In, A>(rpc: Rpc<In, A>, request: In): (attempt: CallAttempt<A>) => Observable<A>;
  /**
   * Encodes a request as {@link unary} does. The Observable emits the responses as they arrive, and completes when the
   * server ends the stream. An end without a response is `ConnectionLost`. The stream shares its connection with no
   * other request.
   *
   * @throws EtcdError `InvalidArgument`, naming the field
   */
  stream<In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>): (attempt: Attempt) => Observable<A>;
  /**
   * Opens a bidirectional stream on a separate connection. It never completes: if the server ends it, it errors with
   * `ConnectionLost`, or with the error that the server sent. It errors with `TransportUnsupported` if the server, or a
   * proxy in front of it, does not speak the protocol. Requests that were sent before the end of the subscription reach
   * the server.
   */
  duplex<In, A>(rpc: Rpc<In, A>, attempt: DuplexAttempt): Observable<DuplexEvent<In, A>>;
  /** Sends a plain GET, and emits its response with any status. */
  get(request: PlainRequest): Observable<PlainResponse>;
  /** Closes the connections to an origin that is no longer used. Each closes once its requests have ended. */
  release(origin: string): void;
  /**
   * Makes later requests to an origin use new connections, as the open ones may be dead. An open connection closes once
   * its requests have ended. A connection that is being made is not affected, as it has a timeout.
   */
  renew(origin: string): void;
  /**
   * Aborts the requests in progress with `ClientClosed`, and resolves when every connection is closed. Later requests
   * fail with `ClientClosed`.
   */
  close(): Promise<void>;
}

/** The cause by which {@link isPageLeft} knows its errors. */
const PAGE_LEFT = new Error('the user left the page, or the browser froze it');

/** Creates the error of a stream that its page ended. */
export const pageLeft = (where: ErrorDetails): EtcdError =>
  new EtcdError('ConnectionLost', PAGE_LEFT.message, { ...where, cause: PAGE_LEFT });

/** Returns whether a stream was ended by its page, which says nothing about the endpoint or its transport. */
export const isPageLeft = (error: EtcdError): boolean => error.cause === PAGE_LEFT;

/**
 * A wire that shares the connections of another wire, for a derived client. Closing it ends the requests that were sent
 * over it, and leaves the connections open.
 */
export class SharedWire implements Wire {
  /** Errors when the wire is closed, and for later subscribers as well. */
  private readonly closed = multicast<never>();

  constructor(
    private readonly wire: Wire,
    private readonly onClosed: () => void,
  ) {}

  unary<In, A>(rpc: Rpc<In, A>, request: In): (attempt: CallAttempt<A>) => Observable<A> {
    const send = this.wire.unary(rpc, request);
    // The call decides what the end of its attempt means: a write that was sent may have been carried out.
    return (attempt) => send(attempt).pipe(takeUntil(this.closed.pipe(catchError((failure: unknown) => attempt.recover(failure)))));
  }

  stream<In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>): (attempt: Attempt) => Observable<A> {
    const send = this.wire.stream(rpc, request, later);
    return (attempt) => send(attempt).pipe(takeUntil(this.closed));
  }

  duplex<In, A>(rpc: Rpc<In, A>, attempt: DuplexAttempt): Observable<DuplexEvent<In, A>> {
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

/** Returns a server that is not confirmed to belong to the cluster, and receives no secret. */
export const unconfirmedAt = (origin: string, prefix = ''): Destination => ({
  endpoint: { origin, address: origin, knownEtcd: false },
  info: { prefix },
  credential: { token: undefined },
  unconfirmed: true,
});
