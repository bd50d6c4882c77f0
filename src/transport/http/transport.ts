import { defer, type Observable, type Subscriber, switchMap } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../../errors/index.js';
import { joinBytes, longText } from '../../model/bytes.js';
import type { DuplexTransport, LateOpen } from '../wire.js';

/** An HTTP request to one endpoint. */
export interface HttpRequest {
  /** The origin of the endpoint, such as `https://a:2379`. */
  readonly origin: string;
  /** The address of the endpoint in errors, if it is not just the origin. */
  readonly endpoint?: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body, as ASCII text. */
  readonly body?: string;
  /** Whether the headers include those of a single call. A browser may not send such headers to another origin. */
  readonly hasOwnHeaders?: boolean;
  /**
   * The second part of the body, and the delay in milliseconds before it is sent. A browser cannot send a body in two
   * parts.
   */
  readonly rest?: { readonly body: string; readonly afterMs: number };
  /** The name of the RPC in errors: `KV.Put`. */
  readonly rpc: string;
  /**
   * The path of an RPC of the same server that only reads. It is set for a write, which must not be sent twice. With a
   * request to this path, a page finds out how to send the write so that the browser does not repeat it automatically.
   */
  readonly readPath?: string | undefined;
  /** Whether the request may wait at the server for a long time. If so, no other request waits for its connection. */
  readonly patient?: boolean | undefined;
  /** Whether the request is for a stream that replaces another stream, which will end soon. */
  readonly replaces?: boolean | undefined;
  /**
   * Called when the first byte is about to be sent. After a later failure, it is unknown whether the server did
   * anything.
   */
  readonly onSent?: (() => void) | undefined;
  /** Called whenever a part of the response arrives. */
  readonly onReceived?: (() => void) | undefined;
}

/** A whole HTTP response. */
export interface HttpResponse {
  readonly status: number;
  readonly body: string;
  /** The target of a redirect, as the header contains it. */
  readonly location?: string | undefined;
  /** All headers, by their names in lower case. If a header occurs several times, its value is a list. */
  readonly headers?: ResponseHeaders | undefined;
}

/** The headers of a response, by their names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Handles the end of a request. The functions are passed together with the request. If they were added as operators,
 * `map` and `catchError` would cost each call more than its encoding and decoding.
 */
export interface Outcome<A> {
  /** Reads the response. If it throws, the request fails with that error. */
  read(response: HttpResponse): A;
  /** Returns what follows a failure: another attempt, or an error. */
  recover(failure: unknown): Observable<A>;
  /**
   * Reads a long response with status 200 while it arrives. `text` is then used as the body of the response. A
   * transport that passes on the whole body need not use this object.
   */
  readonly parts?: { push(chunk: Uint8Array): void; readonly text: string } | undefined;
}

/** A part of a streamed response: a chunk, or the response to a refused request. */
export type StreamPart =
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }
  /** The response to a refused request, whose status is not 200. No other part follows. */
  | { readonly type: 'refused'; readonly response: HttpResponse };

/** A request for a bidirectional stream. */
export interface DuplexRequest extends Pick<HttpRequest, 'origin' | 'endpoint' | 'path' | 'headers' | 'rpc'> {
  readonly transport: DuplexTransport;
  /** Whether etcd has responded at the endpoint before. */
  readonly knownEtcd?: boolean;
  /** The token. Each transport sends it in a different way. */
  readonly token: string | undefined;
  readonly onLateOpen?: LateOpen<string> | undefined;
}

/** A part of a bidirectional stream. */
export type DuplexPart =
  /** The stream is open. It accepts messages as long as it is subscribed to. A message is JSON in ASCII. */
  | { readonly type: 'open'; readonly send: (message: string) => void }
  | { readonly type: 'message'; readonly json: unknown }
  /**
   * A part of a message has arrived. A long message takes time on a slow connection. During this time, the stream is
   * not unresponsive.
   */
  | { readonly type: 'partial' };

/** The event for a part of a message. It has no data, so all streams share one object. */
export const PARTIAL = { type: 'partial' } as const;

/**
 * The statuses that mean that the server does not support WebSockets. A proxy that drops the header `Upgrade` passes on
 * a plain GET. etcd's gateway responds to a plain GET with 405 (v1) or 501 (v2). Servers that check the handshake
 * respond with 400 or 426. A 101 without a change of the protocol is not a valid response either.
 */
export const NO_WEBSOCKET: ReadonlySet<number> = new Set([101, 400, 405, 426, 501]);

/** Returns the error for a response, or a message of a stream, that is too long. */
export const responseTooLarge = (where: ErrorDetails): EtcdError =>
  new EtcdError('ResponseTooLarge', 'the response is longer than the option maxResponseBytes allows', where);

/** Collects the chunks of a body, up to a maximum length. */
export class Body {
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly where: ErrorDetails,
  ) {}

  /**
   * Adds a chunk.
   *
   * @throws EtcdError `ResponseTooLarge`
   */
  push(chunk: Uint8Array): void {
    this.count(chunk);
    this.chunks.push(chunk);
  }

  /**
   * Counts the bytes of a chunk that is not collected here.
   *
   * @throws EtcdError `ResponseTooLarge`
   */
  count({ length }: Uint8Array): void {
    this.bytes += length;
    if (this.bytes > this.maxBytes) throw responseTooLarge(this.where);
  }

  get text(): string {
    return longText(joinBytes(this.chunks));
  }
}

/**
 * Ends a request whose response has arrived. Emits the result of `read`, or continues with `recover` if `read` throws.
 */
export function settle<A>(outcome: Outcome<A>, response: () => HttpResponse, subscriber: Subscriber<A>): void {
  let result: A;
  try {
    result = outcome.read(response());
  } catch (failure) {
    return void outcome.recover(failure).subscribe(subscriber);
  }
  subscriber.next(result);
  subscriber.complete();
}

/** The settings for opening and keeping connections. */
export interface ConnectionSettings {
  /**
   * The maximum number of connections to one endpoint. The connections of streams and of requests that wait at the
   * server are not counted.
   */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept open, in milliseconds. */
  readonly keepAliveMs: number;
  /** The limit for the length of a response, and of each message of a stream, in bytes. */
  readonly maxResponseBytes: number;
}

/**
 * Sends requests over the network. All layers above use this interface, so that other implementations can send requests
 * in another way, such as with a browser's fetch.
 *
 * All Observables are cold: a subscription is a request, and unsubscribing aborts it. Failures of a connection are
 * `Unreachable` (nothing was sent), `ConnectionLost`, `TlsFailed`, `MalformedResponse`, `ResponseTooLarge` or
 * `ClientClosed`.
 */
export interface Transport {
  /** Sends one request, and reads its response with `outcome`. */
  exchange<A>(request: HttpRequest, outcome: Outcome<A>): Observable<A>;
  /**
   * Sends one request, and emits its response as it arrives. The request uses a separate connection, and has no
   * timeout.
   */
  stream(request: HttpRequest): Observable<StreamPart>;
  /**
   * Opens a bidirectional stream on a separate connection. The Observable never completes. If the server ends the
   * stream, it errors with `ConnectionLost`. It errors with `TransportUnsupported` if the server, or a proxy in front
   * of it, does not support the protocol.
   */
  duplex(request: DuplexRequest): Observable<DuplexPart>;
  /**
   * Closes the connections to an endpoint that is no longer used. Each connection is closed when its requests have
   * ended.
   */
  release(origin: string): void;
  /** Makes later requests to an endpoint use new connections. `Wire.renew` describes the details. */
  renew(origin: string): void;
  /** Aborts the requests in progress with `ClientClosed`, and resolves when every connection is closed. */
  close(): Promise<void>;
}

/**
 * Creates a transport whose code is loaded when it is first used. Loading the modules of the transport takes several
 * times as long as loading all other modules. A program that uses only types, errors or operations need not load it.
 */
export function lazyTransport(load: () => Promise<Transport>): Transport {
  let loaded: Transport | undefined;
  let loading: Promise<Transport> | undefined;
  const whole = (): Promise<Transport> => (loading ??= load().then((transport) => (loaded = transport)));
  const through = <T>(use: (transport: Transport) => Observable<T>): Observable<T> =>
    loaded === undefined ? defer(whole).pipe(switchMap(use)) : use(loaded);

  return {
    exchange: (request, outcome) => through((transport) => transport.exchange(request, outcome)),
    stream: (request) => through((transport) => transport.stream(request)),
    duplex: (request) => through((transport) => transport.duplex(request)),
    // Before the transport is loaded, there are no connections.
    release: (origin) => loaded?.release(origin),
    renew: (origin) => loaded?.renew(origin),
    // If the transport could not be loaded, there is nothing to close.
    close: () =>
      whole().then(
        (transport) => transport.close(),
        () => undefined,
      ),
  };
}

/**
 * The length of the waiting messages, in characters, at which they are sent at once. A server reads a whole frame
 * before it processes the first message in it.
 */
const LONG = 32_768;

/**
 * Sends all messages of a turn of the event loop in one frame, one message in each line. A frame and a write to the
 * socket cost several times more than a message. The server's proxy reads all frames as one text with JSON values, so a
 * frame may contain several messages.
 */
export class WriteBatcher {
  private lines = '';

  constructor(
    private readonly write: (text: string) => void,
    private readonly atEndOfTurn: (run: () => void) => void,
  ) {}

  readonly send = (message: string): void => {
    if (this.lines === '') {
      this.lines = message;
      this.atEndOfTurn(() => this.flush());
    } else {
      this.lines += `\n${message}`;
    }
    if (this.lines.length >= LONG) this.flush();
  };

  /** Sends the waiting messages now. A caller that is about to close the stream cannot wait for the end of the turn. */
  flush(): void {
    const { lines } = this;
    this.lines = '';
    if (lines !== '') this.write(lines);
  }
}
