import type { Observable } from 'rxjs';

/** An HTTP request to one endpoint. */
export interface HttpRequest {
  /** `https://a:2379`. */
  readonly origin: string;
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** What is asked, for errors: `KV.Put`. */
  readonly rpc: string;
  /** May rightly wait at the server for long: no other request is to wait for its connection. */
  readonly patient?: boolean;
  /** Called when the first byte is about to leave: from here on a failure says nothing about what the server did. */
  readonly onSent?: () => void;
  /** Called whenever something of the answer has come. */
  readonly onReceived?: () => void;
}

/** A whole HTTP response. */
export interface HttpResponse {
  readonly status: number;
  readonly body: string;
}

/**
 * What becomes of an exchange. It goes with the request rather than into operators behind it: `map` and `catchError` would cost each call more than all its
 * encoding and decoding.
 */
export interface Outcome<A> {
  /** Reads the response; what it throws is a failure like any other. */
  read(response: HttpResponse): A;
  /** What comes in place of a failure: another try, or the error. */
  recover(failure: unknown): Observable<A>;
}

/** What comes of a streaming request: chunks, or a refusal in place of them. */
export type StreamPart =
  | { readonly type: 'chunk'; readonly bytes: Uint8Array }
  /** The answer is not a 200; it is the last part. */
  | { readonly type: 'refused'; readonly response: HttpResponse };

/** What carries a stream both ways: many requests and many answers at a time. */
export type DuplexCarrier = 'websocket' | 'http2';

/** A request for a stream both ways. */
export interface DuplexRequest extends Pick<HttpRequest, 'origin' | 'path' | 'headers' | 'rpc'> {
  readonly carrier: DuplexCarrier;
  /** Shown in the way of the carrier. */
  readonly token: string | undefined;
}

/** What comes of a stream both ways. */
export type DuplexPart =
  /** It is there; it takes messages, each JSON in ASCII, as long as it is subscribed to. */
  { readonly type: 'open'; readonly send: (message: string) => void } | { readonly type: 'message'; readonly json: unknown };

/**
 * Where sockets end. Everything above works on this interface, so that another carrier (a browser's fetch) is another implementation and
 * nothing more. All streams are cold: a subscription is a request, unsubscribing aborts it. Failures are `Unreachable` (nothing was sent),
 * `ConnectionLost`, `MalformedResponse` or `ClientClosed`.
 */
export interface Transport {
  /** One request, one response, read. */
  exchange<A>(request: HttpRequest, outcome: Outcome<A>): Observable<A>;
  /** One request, a response read as it comes. It lives on a connection of its own and knows no timeout. */
  stream(request: HttpRequest): Observable<StreamPart>;
  /**
   * A stream both ways, on a connection of its own. It never completes: that the server ended it is `ConnectionLost`. `CarrierUnusable` where
   * the server, or something before it, does not speak what carries it.
   */
  duplex(request: DuplexRequest): Observable<DuplexPart>;
  /** Closes the connections to an endpoint that is no longer used, when what is under way on them has ended. */
  release(origin: string): void;
  /** Aborts what is under way (it errors with `ClientClosed`) and resolves when every socket is closed. */
  close(): Promise<void>;
}
