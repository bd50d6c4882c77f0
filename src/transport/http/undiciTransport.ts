import type { Socket } from 'node:net';
import { Observable, type Subscriber, type Unsubscribable } from 'rxjs';
import type { buildConnector, Dispatcher } from 'undici';
import { http2Duplex } from '../streams/http2.js';
import { webSocketDuplex } from '../carriers/websocket.js';
import { Body, textOf } from './body.js';
import { connectionError } from './connectionError.js';
import { poolsByOrigin, type Pools, type Way } from '../pools.js';
import { connectorWith } from '../tls/connector.js';
import type { TlsSource } from '../tls/certificates.js';
import type { HttpRequest, Outcome, StreamPart, Transport } from './transport.js';

/** How connections are made and kept. */
export interface TransportSettings {
  /** Connections at a time to one endpoint, not counting those of streams and of what waits at the server. */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long an answer may be, or one message of a stream. */
  readonly maxResponseBytes: number;
  readonly tls: TlsSource;
  /** Makes connections in place of the usual way, over TCP and TLS. */
  readonly connect?: buildConnector.connector;
}

/** The transport of Node: a pool of undici an endpoint for calls, and others for what would hold the calls' places: what waits at the server, and streams. */
export function undiciTransport(settings: TransportSettings): Transport {
  const { maxConnections, connectTimeoutMs: timeoutMs, keepAliveMs, maxResponseBytes, tls } = settings;
  const making = new Set<Socket>();
  const leaving = new Set<Socket>();
  const { connect = connectorWith(tls, { timeoutMs, allowH2: false, making }) } = settings;
  const carrying = { connect, connectHttp2: connectorWith(tls, { timeoutMs, allowH2: true, making }), maxResponseBytes, leaving };
  const calls = poolsByOrigin({ connect, connections: maxConnections, keepAliveMs, maxResponseBytes });
  // Those that wait may wait for what another call would bring about, an unlock say: with a limit, nobody would ever go on.
  const waits = poolsByOrigin({ connect, connections: null, keepAliveMs, maxResponseBytes });
  // What is too long there is a message, not the whole.
  const streams = poolsByOrigin({ connect, connections: null, keepAliveMs, maxResponseBytes: Infinity });
  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => new Exchange(request, outcome, subscriber).start(request.patient === true ? waits : calls)),
    stream: (request) => new Observable((subscriber) => new Stream(request, maxResponseBytes, subscriber).start(streams)),
    duplex: (request) => (request.carrier === 'http2' ? http2Duplex(request, carrying) : webSocketDuplex(request, carrying)),
    release: (origin) => [calls, waits, streams].forEach((pools) => pools.release(origin)),
    close: async () => {
      await Promise.all([calls, waits, streams].map((pools) => pools.destroy()));
      // A pool lets go of what it is making, which would keep the process alive until it is made, or given up.
      for (const socket of making) socket.destroy(new Error('the client is closed'));
      await Promise.all([...leaving].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    },
  };
}

/**
 * A request under way: undici's handler and RxJS's teardown in one object, as a closure for each of them would cost every call a kilobyte.
 */
abstract class UnderWay implements Dispatcher.DispatchHandler, Unsubscribable {
  protected status = 0;
  private way: Way | undefined;
  private controller: Dispatcher.DispatchController | undefined;
  private sent = false;
  private ended = false;

  constructor(private readonly request: HttpRequest) {}

  protected abstract take(bytes: Buffer): void;
  protected abstract finish(): void;
  protected abstract fail(failure: unknown): void;

  start(pools: Pools): this {
    const { origin, method, path, headers, body = null } = this.request;
    this.way = pools.of(origin);
    this.way.pool.dispatch({ method, path, headers, body }, this);
    return this;
  }

  unsubscribe(): void {
    if (this.ended) return;
    this.ended = true;
    this.controller?.abort(clientAbort());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // Unsubscribed while it waited for a connection: it must not leave any more. To throw is to leave out this request; to abort would be to
    // close the connection with it, and the next in the queue would have to make another.
    if (this.ended) throw clientAbort();
    this.sent = true;
    this.request.onSent?.();
  }

  onResponseStart(_: unknown, status: number): void {
    this.status = status;
    if (this.way !== undefined) this.way.met = true;
    this.request.onReceived?.();
  }

  onResponseData(_: unknown, bytes: Buffer): void {
    this.request.onReceived?.();
    this.take(bytes);
  }

  onResponseEnd(): void {
    this.ended = true;
    this.finish();
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.ended) return;
    this.ended = true;
    const { rpc, origin } = this.request;
    this.fail(connectionError(error, this.sent, { rpc, endpoint: origin }, this.way?.met));
  }
}

/** undici wants a reason; nobody is left to see it. */
const clientAbort = (): Error => new Error('unsubscribed');

class Exchange<A> extends UnderWay {
  private readonly chunks: Buffer[] = [];

  constructor(
    request: HttpRequest,
    private readonly outcome: Outcome<A>,
    private readonly subscriber: Subscriber<A>,
  ) {
    super(request);
  }

  protected take(bytes: Buffer): void {
    this.chunks.push(bytes);
  }

  protected finish(): void {
    let answer: A;
    try {
      answer = this.outcome.read({ status: this.status, body: textOf(this.chunks) });
    } catch (failure) {
      return this.fail(failure);
    }
    this.subscriber.next(answer);
    this.subscriber.complete();
  }

  protected fail(failure: unknown): void {
    this.outcome.recover(failure).subscribe(this.subscriber);
  }
}

class Stream extends UnderWay {
  private readonly refusal: Body;

  constructor(
    request: HttpRequest,
    maxBytes: number,
    private readonly subscriber: Subscriber<StreamPart>,
  ) {
    super(request);
    this.refusal = new Body(maxBytes, { rpc: request.rpc, endpoint: request.origin });
  }

  protected take(bytes: Buffer): void {
    if (this.status === 200) this.subscriber.next({ type: 'chunk', bytes });
    else this.refusal.push(bytes);
  }

  protected finish(): void {
    const { status, refusal, subscriber } = this;
    if (status !== 200) subscriber.next({ type: 'refused', response: { status, body: refusal.text } });
    subscriber.complete();
  }

  protected fail(failure: unknown): void {
    this.subscriber.error(failure);
  }
}
