import { defer, type Observable, type Subscriber, switchMap } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../../errors/index.js';
import { joinBytes, longText } from '../../model/bytes.js';
import type { DuplexTransport } from '../wire.js';

/** An HTTP request to one endpoint. */
export interface HttpRequest {
  /** `https://a:2379`. */
  readonly origin: string;
  /** The endpoint, for errors, if it is more than the origin. */
  readonly endpoint?: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The body as ASCII text, in which each character is a byte. */
  readonly body?: string;
  /** Whether the headers include headers of a single call, which a browser may not send. */
  readonly hasOwnHeaders?: boolean;
  /**
   * The rest of the body, and the delay in milliseconds after which the rest is sent. A browser cannot send a body in
   * two parts.
   */
  readonly rest?: { readonly body: string; readonly afterMs: number };
  /** The name of the RPC, for errors: `KV.Put`. */
  readonly rpc: string;
  /**
   * Set for a write, which must not be sent twice: the path of an RPC of the same server that changes nothing. A
   * browser uses it to find out how to send the write without repeating it automatically.
   */
  readonly readPath?: string | undefined;
  /** Whether the request may wait at the server for a long time. No other request then waits for its connection. */
  readonly patient?: boolean | undefined;
  /** Whether the request is for a stream that replaces another stream, which ends soon. */
  readonly replaces?: boolean | undefined;
  /** Called when the first byte is about to leave. From then on, a failure does not show what the server did. */
  readonly onSent?: (() => void) | undefined;
  /** Called whenever a part of the response arrives. */
  readonly onReceived?: (() => void) | undefined;
}

/** A whole HTTP response. */
export interface HttpResponse {
  readonly status: number;
  readonly body: string;
  /** The target of a redirect, as the header gives it. */
  readonly location?: string | undefined;
  /** All headers, by their names in lower case. A header that occurs several times is a list. */
  readonly headers?: ResponseHeaders | undefined;
}

/** The headers of a response, by their names in lower case. */
export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Handles the end of an exchange. It is passed with the request, and not added as operators: `map` and `catchError`
 * would cost each call more than all its encoding and decoding.
 */
export interface Outcome<A> {
  /** Reads the response. An error that it throws is a failure like any other. */
  read(response: HttpResponse): A;
  /** Returns what follows a failure: another attempt, or the error. */
  recover(failure: unknown): Observable<A>;
  /**
   * Reads a long response (200) while it arrives. Its text is then the body of the response. A transport that passes on
   * the whole body need not use this function.
   */
  readonly parts?: { push(chunk: Uint8Array): void; readonly text: string } | undefined;
}

/** A part of a streamed response: a chunk, or a refusal in place of all chunks. */
export type StreamPart =
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }
  /** The response to a refused request: its status is not 200. No part follows. */
  | { readonly type: 'refused'; readonly response: HttpResponse };

/** A request for a bidirectional stream. */
export interface DuplexRequest extends Pick<HttpRequest, 'origin' | 'endpoint' | 'path' | 'headers' | 'rpc'> {
  readonly transport: DuplexTransport;
  /** Whether the endpoint has responded as etcd before. */
  readonly knownEtcd?: boolean;
  /** The token, which each transport sends in its own way. */
  readonly token: string | undefined;
}

/** A part of a bidirectional stream. */
export type DuplexPart =
  /** The stream is open. It accepts messages as long as it is subscribed to. Each message is JSON in ASCII. */
  | { readonly type: 'open'; readonly send: (message: string) => void }
  | { readonly type: 'message'; readonly json: unknown }
  /**
   * A part of a message arrived. A long message takes time on a slow connection, and the stream is not unresponsive
   * meanwhile.
   */
  | { readonly type: 'partial' };

/** The event of a partial message: one object for all streams, as it contains no data. */
export const PARTIAL = { type: 'partial' } as const;

/**
 * Statuses that mean "no WebSocket here". A proxy that drops the header `Upgrade` passes on a plain GET. etcd's gateway
 * responds to that with 405 (v1) or 501 (v2). Servers that look at the handshake themselves respond with 400 or 426. A
 * 101 without a switch of protocols is not a valid response either.
 */
export const NO_WEBSOCKET: ReadonlySet<number> = new Set([101, 400, 405, 426, 501]);

/** Returns the error of a response, or of a message of a stream, that is too long. */
export const responseTooLarge = (where: ErrorDetails): EtcdError =>
  new EtcdError('ResponseTooLarge', 'the response is longer than the option maxResponseBytes allows', where);

/** Collects a body, up to a length. */
export class Body {
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;

  constructor(
    private readonly maxBytes: number,
    private readonly where: ErrorDetails,
  ) {}

  /** @throws EtcdError `ResponseTooLarge` */
  push(chunk: Uint8Array): void {
    this.count(chunk);
    this.chunks.push(chunk);
  }

  /**
   * Counts a chunk that is not collected here.
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
 * Ends an exchange whose response has arrived. Emits the result that the outcome reads, or continues as after a
 * failure.
 */
export function settle<A>(outcome: Outcome<A>, response: () => HttpResponse, subscriber: Subscriber<A>): void {
  let answer: A;
  try {
    answer = outcome.read(response());
  } catch (failure) {
    return void outcome.recover(failure).subscribe(subscriber);
  }
  subscriber.next(answer);
  subscriber.complete();
}

/** The settings for making and keeping connections. */
export interface ConnectionSettings {
  /** The maximum number of connections to one endpoint. Connections of streams and of waiting requests do not count. */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** The longest response, or message of a stream, in bytes. */
  readonly maxResponseBytes: number;
}

/**
 * Sends requests over the network. All layers above use this interface, so another way to send them (a browser's fetch)
 * only needs another implementation.
 *
 * All streams are cold: a subscription is a request, and unsubscribing aborts it. Failures are `Unreachable` (nothing
 * was sent), `ConnectionLost`, `MalformedResponse` or `ClientClosed`.
 */
export interface Transport {
  /** Sends one request, and reads its response. */
  exchange<A>(request: HttpRequest, outcome: Outcome<A>): Observable<A>;
  /** Sends one request, and emits its response as it arrives. It uses a separate connection, and has no timeout. */
  stream(request: HttpRequest): Observable<StreamPart>;
  /**
   * Opens a bidirectional stream on a separate connection. It never completes: if the server ends it, it errors with
   * `ConnectionLost`. It errors with `TransportUnsupported` if the server, or a proxy in front of it, does not speak
   * the protocol.
   */
  duplex(request: DuplexRequest): Observable<DuplexPart>;
  /** Closes the connections to an endpoint that is no longer used. Each closes once its requests have ended. */
  release(origin: string): void;
  /** Makes later requests to an endpoint use new connections, as in `Wire.renew`. */
  renew(origin: string): void;
  /** Aborts the requests in progress with `ClientClosed`, and resolves when every socket is closed. */
  close(): Promise<void>;
}

/**
 * Makes a transport that is loaded when it is first used. Loading the modules of the transport takes several times as
 * long as loading all other modules. A program that uses only types, errors or operations need not wait for that.
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
    // There are no connections before the transport is loaded.
    release: (origin) => loaded?.release(origin),
    renew: (origin) => loaded?.renew(origin),
    // A transport that could not be loaded has nothing to close.
    close: () =>
      whole().then(
        (transport) => transport.close(),
        () => undefined,
      ),
  };
}

/**
 * The length, in characters, at which messages are sent without waiting for more. A server reads a frame to its end
 * before it looks at the first message in it.
 */
const LONG = 32_768;

/**
 * Sends the messages of a turn together, one on each line. The frame around a message, and the write to the socket,
 * cost several times as much as the message. The server's proxy reads all frames as one text of JSON values, which may
 * be cut anywhere.
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

  /** Sends the waiting messages. A caller that is about to close the stream must not wait for the end of the turn. */
  flush(): void {
    const { lines } = this;
    this.lines = '';
    if (lines !== '') this.write(lines);
  }
}
