import { isAscii } from 'node:buffer';
import type { buildConnector, Dispatcher } from 'undici';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { Observable, type Subscriber, type Unsubscribable } from 'rxjs';
import { http2Duplex } from './http2.js';
import { webSocketDuplex } from './websocket.js';
import { connectionError } from './connectionError.js';
import { locationOf } from '../transport/json/responseError.js';
import { connectorWith } from './connection.js';
import { clientClosed, poolsByOrigin, type ConnectionPool, type PoolMap, type RequestHandler } from './connectionPool.js';
import type { TlsSource } from './certificates.js';
import { monotonicNow } from '../util/time.js';
import {
  Body,
  settle,
  type ConnectionSettings,
  type HttpRequest,
  type Outcome,
  type ResponseHeaders,
  type StreamPart,
  type Transport,
} from '../transport/http/transport.js';

/** The settings for opening and keeping connections on Node. */
export interface TransportSettings extends ConnectionSettings {
  readonly tls: TlsSource;
  /** Opens connections. The default opens them over TCP and TLS. */
  readonly connect?: buildConnector.connector;
}

/**
 * Creates the transport for Node. For each endpoint, calls use one undici pool. Streams, and calls that wait at the
 * server, have separate pools, because they use a connection for a long time.
 */
export function undiciTransport(settings: TransportSettings): Transport {
  const { maxConnections, connectTimeoutMs: timeoutMs, keepAliveMs, maxResponseBytes, tls } = settings;
  const connecting = new Set<Socket>();
  const closing = new Set<Socket>();
  const { connect = connectorWith(tls, { timeoutMs, allowH2: false, connecting }) } = settings;
  const deps = { connect, connectHttp2: connectorWith(tls, { timeoutMs, allowH2: true, connecting }), maxResponseBytes, closing };
  const calls = poolsByOrigin({ connect, connections: maxConnections, keepAliveMs, maxResponseBytes });
  // There is no limit, as a waiting call may depend on another call, such as an unlock. With a limit, this other call
  // might never be sent.
  const waits = poolsByOrigin({ connect, connections: null, keepAliveMs, maxResponseBytes });
  // For a stream, the length of each message is limited, and not that of the whole response.
  const streams = poolsByOrigin({ connect, connections: null, keepAliveMs, maxResponseBytes: Infinity });
  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => new Exchange(request, outcome, subscriber).start(request.patient === true ? waits : calls)),
    stream: (request) => new Observable((subscriber) => new Stream(request, maxResponseBytes, subscriber).start(streams)),
    duplex: (request) => (request.transport === 'http2' ? http2Duplex(request, deps) : webSocketDuplex(request, deps)),
    release: (origin) => [calls, waits, streams].forEach((pools) => pools.release(origin)),
    renew: (origin) => [calls, waits, streams].forEach((pools) => pools.renew(origin)),
    close: async () => {
      await Promise.all([calls, waits, streams].map((pools) => pools.destroy()));
      // A pool does not close the connections that it is opening. They would keep the process alive until they are
      // open, or time out.
      for (const socket of connecting) socket.destroy(new Error('the client is closed'));
      await Promise.all([...closing].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    },
  };
}

/**
 * A request in progress. The same object is undici's handler and RxJS's teardown, as separate closures would cost every
 * call a kilobyte.
 */
abstract class PendingRequest implements RequestHandler, Unsubscribable {
  slot: RequestHandler['slot'];
  protected status = 0;
  protected location: string | undefined;
  protected headers: ResponseHeaders | undefined;
  // The field is private at run time as well. A log that shows a subscription must show neither the token nor the body.
  readonly #request: HttpRequest;
  #pool: ConnectionPool | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  private sent = false;
  private ended = false;

  constructor(request: HttpRequest) {
    this.#request = request;
  }

  protected abstract take(bytes: Buffer): void;
  protected abstract finish(): void;
  protected abstract fail(failure: unknown): void;

  start(pools: PoolMap): this {
    const { origin, method, path, headers, body: text, rest, rpc, endpoint = origin } = this.#request;
    const pool = pools.of(origin);
    if (pool === undefined) {
      this.fail(clientClosed({ rpc, endpoint }));
      return this;
    }
    const body = text === undefined ? null : bytesOf(text);
    pool.send({ method, path, headers, body: rest === undefined ? body : inTwo(body, rest) }, this);
    return this;
  }

  onPool(pool: ConnectionPool): void {
    this.#pool = pool;
  }

  unsubscribe(): void {
    if (this.ended) return;
    this.ended = true;
    if (this.#controller === undefined) this.#pool?.remove(this);
    else this.#controller.abort(clientAbort());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The subscriber has unsubscribed while the request waited for a connection, so the request must not be sent.
    // Throwing skips only this request. Aborting would also close the connection, and the next request would need
    // another one.
    if (this.ended) throw clientAbort();
    this.sent = true;
    this.#request.onSent?.();
  }

  onResponseStart(_: unknown, status: number, headers: Dispatcher.ResponseData['headers']): void {
    this.status = status;
    if (status >= 300) this.location = locationOf(status, headers);
    this.headers = headers;
    if (this.#pool !== undefined) this.#pool.met = true;
    this.#request.onReceived?.();
  }

  onResponseData(_: unknown, bytes: Buffer): void {
    this.#request.onReceived?.();
    this.take(bytes);
  }

  onResponseEnd(): void {
    this.ended = true;
    this.#pool?.done(this);
    this.finish();
  }

  onResponseError(_: unknown, error: Error): void {
    this.#pool?.done(this);
    if (this.ended) return;
    this.ended = true;
    const { rpc, origin, endpoint = origin } = this.#request;
    this.fail(connectionError(error, this.sent, { rpc, endpoint }, this.#pool?.met));
  }
}

/** Encodes ASCII text. UTF-8 encoding would take three times as long, with the same result. */
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Creates a body whose second part is sent later. */
function inTwo(body: Uint8Array | null, { body: rest, afterMs }: NonNullable<HttpRequest['rest']>): Readable {
  async function* parts(): AsyncGenerator<Uint8Array> {
    if (body !== null) yield body;
    await setTimeout(afterMs, undefined, { ref: false });
    yield bytesOf(rest);
  }
  return Readable.from(parts());
}

/** Creates the error that undici requires for an aborted request. No subscriber receives it. */
const clientAbort = (): Error => new Error('unsubscribed');

/** Joins chunks to a text. Nearly every response is one chunk. */
const textOf = (chunks: readonly Buffer[]): string =>
  utf8Text(chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks));

/**
 * Decodes UTF-8. Nearly every response is ASCII, and checking and copying ASCII takes half the time of decoding UTF-8.
 */
const utf8Text = (bytes: Buffer): string => bytes.toString(isAscii(bytes) ? 'latin1' : 'utf8');

/**
 * The time for which one turn of the event loop reads lists, in milliseconds. In one turn, Node delivers up to 32 parts
 * of data that has arrived. While V8 marks a large heap, reading all these parts took up to 350 ms.
 */
const TURN_MS = 10;

/** The current turn of the event loop, with the time until which it may read lists. */
const turn = {
  endsAt: 0,
  /** Whether the other chunks have to wait for the next turn. */
  get isOver(): boolean {
    const now = monotonicNow();
    if (this.endsAt > 0) return now > this.endsAt;
    this.endsAt = now + TURN_MS;
    setImmediate(() => (this.endsAt = 0));
    return false;
  },
};

class Exchange<A> extends PendingRequest {
  /** The response, or the chunks of a list that were not read yet. */
  private readonly chunks: Buffer[] = [];
  private reading = false;
  private finished = false;

  constructor(
    request: HttpRequest,
    private readonly outcome: Outcome<A>,
    private readonly subscriber: Subscriber<A>,
  ) {
    super(request);
  }

  protected take(bytes: Buffer): void {
    this.chunks.push(bytes);
    if (this.outcome.parts !== undefined && this.status === 200 && !this.reading) this.readParts(this.outcome.parts);
  }

  protected finish(): void {
    this.finished = true;
    if (this.reading) return;
    const { chunks, status, location, headers } = this;
    const { parts } = this.outcome;
    const body = (): string => (parts === undefined || status !== 200 ? textOf(chunks) : parts.text);
    settle(this.outcome, () => ({ status, body: body(), location, headers }), this.subscriber);
  }

  protected fail(failure: unknown): void {
    this.chunks.length = 0;
    this.outcome.recover(failure).subscribe(this.subscriber);
  }

  /**
   * Reads the chunks that have arrived, as long as the turn has time for them. undici is not paused while chunks wait.
   * If the server closed the connection during a pause, an assertion of undici's parser would fail in an event, where
   * the error cannot be caught.
   */
  private readParts(parts: NonNullable<Outcome<A>['parts']>): void {
    const { chunks } = this;
    this.reading = false;
    let read = 0;
    for (; read < chunks.length && !turn.isOver; read++) parts.push(chunks[read] as Buffer);
    chunks.splice(0, read);
    if (chunks.length > 0) {
      this.reading = true;
      setImmediate(() => this.readParts(parts));
    } else if (this.finished) this.finish();
  }
}

class Stream extends PendingRequest {
  private readonly refusal: Body;

  constructor(
    request: HttpRequest,
    maxBytes: number,
    private readonly subscriber: Subscriber<StreamPart>,
  ) {
    super(request);
    this.refusal = new Body(maxBytes, { rpc: request.rpc, endpoint: request.endpoint ?? request.origin });
  }

  protected take(bytes: Buffer): void {
    if (this.status === 200) this.subscriber.next({ type: 'chunk', bytes });
    else this.refusal.push(bytes);
  }

  protected finish(): void {
    const { status, refusal, location, subscriber } = this;
    if (status !== 200) subscriber.next({ type: 'refused', response: { status, body: refusal.text, location } });
    subscriber.complete();
  }

  protected fail(failure: unknown): void {
    this.subscriber.error(failure);
  }
}
