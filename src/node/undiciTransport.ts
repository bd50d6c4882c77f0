import { type buildConnector, type Dispatcher, Pool } from 'undici';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import type { Socket } from 'node:net';
import { Readable } from 'node:stream';
import { setTimeout } from 'node:timers/promises';
import { Observable, type Subscriber, type Unsubscribable } from 'rxjs';
import { http2Duplex } from './http2.js';
import { webSocketDuplex } from './websocket.js';
import { Body, textOf } from './body.js';
import { connectionError } from './connectionError.js';
import { locationOf } from '../transport/json/pageError.js';
import { connectorWith } from './connection.js';
import type { TlsSource } from './certificates.js';
import type { ConnectionSettings, HttpRequest, Outcome, ResponseHeaders, StreamPart, Transport } from '../transport/http/transport.js';

/** The settings for making and keeping connections on Node. */
export interface TransportSettings extends ConnectionSettings {
  readonly tls: TlsSource;
  /** Makes connections in place of the usual ones over TCP and TLS. */
  readonly connect?: buildConnector.connector;
}

/**
 * Makes the transport for Node. Each endpoint has an undici pool for calls. Requests that would hold its connections
 * for long have other pools: those that wait at the server, and streams.
 */
export function undiciTransport(settings: TransportSettings): Transport {
  const { maxConnections, connectTimeoutMs: timeoutMs, keepAliveMs, maxResponseBytes, tls } = settings;
  const making = new Set<Socket>();
  const leaving = new Set<Socket>();
  const { connect = connectorWith(tls, { timeoutMs, allowH2: false, making }) } = settings;
  const carrying = { connect, connectHttp2: connectorWith(tls, { timeoutMs, allowH2: true, making }), maxResponseBytes, leaving };
  const calls = poolsByOrigin({ connect, connections: maxConnections, keepAliveMs, maxResponseBytes });
  // A request that waits may wait for another call, such as an unlock. With a limit, neither might ever continue.
  const waits = poolsByOrigin({ connect, connections: null, keepAliveMs, maxResponseBytes });
  // The limit there is for each message, not for the whole response.
  const streams = poolsByOrigin({ connect, connections: null, keepAliveMs, maxResponseBytes: Infinity });
  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => new Exchange(request, outcome, subscriber).start(request.patient === true ? waits : calls)),
    stream: (request) => new Observable((subscriber) => new Stream(request, maxResponseBytes, subscriber).start(streams)),
    duplex: (request) => (request.transport === 'http2' ? http2Duplex(request, carrying) : webSocketDuplex(request, carrying)),
    release: (origin) => [calls, waits, streams].forEach((pools) => pools.release(origin)),
    close: async () => {
      await Promise.all([calls, waits, streams].map((pools) => pools.destroy()));
      // A pool does not close the connections that it is making. They would keep the process alive until they are made,
      // or time out.
      for (const socket of making) socket.destroy(new Error('the client is closed'));
      await Promise.all([...leaving].map((socket) => new Promise((resolve) => socket.once('close', resolve))));
    },
  };
}

/**
 * A request in progress. It is undici's handler and RxJS's teardown in one object, as a closure for each of them would
 * cost every call a kilobyte.
 */
abstract class UnderWay implements Dispatcher.DispatchHandler, Unsubscribable {
  protected status = 0;
  protected location: string | undefined;
  protected headers: ResponseHeaders | undefined;
  // Truly private: a log that shows a subscription must show neither the token nor the body.
  readonly #request: HttpRequest;
  #way: Way | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  private sent = false;
  private ended = false;

  constructor(request: HttpRequest) {
    this.#request = request;
  }

  protected abstract take(bytes: Buffer): void;
  protected abstract finish(): void;
  protected abstract fail(failure: unknown): void;

  start(pools: Pools): this {
    const { origin, method, path, headers, body: text, rest, rpc, endpoint = origin } = this.#request;
    this.#way = pools.of(origin);
    if (this.#way === undefined) {
      this.fail(clientClosed({ rpc, endpoint }));
      return this;
    }
    const body = text === undefined ? null : bytesOf(text);
    this.#way.pool.dispatch({ method, path, headers, body: rest === undefined ? body : inTwo(body, rest) }, this);
    return this;
  }

  unsubscribe(): void {
    if (this.ended) return;
    this.ended = true;
    this.#controller?.abort(clientAbort());
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // Unsubscribed while it waited for a connection: it must not leave any more. Throwing leaves out this request
    // alone. Aborting would close the connection with it, and the next in the queue would have to make another.
    if (this.ended) throw clientAbort();
    this.sent = true;
    this.#request.onSent?.();
  }

  onResponseStart(_: unknown, status: number, headers: Dispatcher.ResponseData['headers']): void {
    this.status = status;
    if (status >= 300) this.location = locationOf(status, headers);
    this.headers = headers;
    if (this.#way !== undefined) this.#way.met = true;
    this.#request.onReceived?.();
  }

  onResponseData(_: unknown, bytes: Buffer): void {
    this.#request.onReceived?.();
    this.take(bytes);
  }

  onResponseEnd(): void {
    this.ended = true;
    this.finish();
  }

  onResponseError(_: unknown, error: Error): void {
    if (this.ended) return;
    this.ended = true;
    const { rpc, origin, endpoint = origin } = this.#request;
    this.fail(connectionError(error, this.sent, { rpc, endpoint }, this.#way?.met));
  }
}

/** Encodes ASCII text: as UTF-8 it would take three times as long, and give the same. */
const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1');

/** Makes a body whose second part follows later. */
function inTwo(body: Uint8Array | null, { body: rest, afterMs }: NonNullable<HttpRequest['rest']>): Readable {
  async function* parts(): AsyncGenerator<Uint8Array> {
    if (body !== null) yield body;
    await setTimeout(afterMs, undefined, { ref: false });
    yield bytesOf(rest);
  }
  return Readable.from(parts());
}

/** The reason that undici requires, although no subscriber is left to see it. */
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
    const { parts } = this.outcome;
    if (parts === undefined || this.status !== 200) this.chunks.push(bytes);
    else parts.push(bytes);
  }

  protected finish(): void {
    const { status, location, headers } = this;
    const { parts } = this.outcome;
    let answer: A;
    try {
      const body = parts === undefined || status !== 200 ? textOf(this.chunks) : parts.text;
      answer = this.outcome.read({ status, body, location, headers });
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

/** The pool for an endpoint. */
export interface Way {
  readonly pool: Pool;
  /** Whether the other end has ever responded. */
  met: boolean;
}

/** Pools of one kind, one for each endpoint, made on first use. */
export interface Pools {
  /** Returns the pool for an endpoint; undefined once the client is closed. */
  of(origin: string): Way | undefined;
  /** Closes the pool of an endpoint when its requests have ended. The next request gets another. */
  release(origin: string): void;
  destroy(): Promise<void>;
}

/** The settings that all pools of one kind share. */
interface PoolMeans {
  readonly connect: buildConnector.connector;
  /** The most connections to one endpoint; null for any number. */
  readonly connections: number | null;
  /** How long an idle connection is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** The longest response as a whole, in bytes. */
  readonly maxResponseBytes: number;
}

/** Makes pools as they are needed. */
export function poolsByOrigin({ connect, connections, keepAliveMs, maxResponseBytes }: PoolMeans): Pools {
  const ways = new Map<string, Way>();
  /** Origins that have responded on a pool that is gone. */
  const met = new Set<string>();
  /** Pools that close once their requests have ended. */
  const leaving = new Set<Pool>();
  let closed = false;
  return {
    of: (origin) => {
      if (closed) return undefined;
      const known = ways.get(origin);
      if (known !== undefined) return known;
      const pool = new Pool(origin, {
        connections,
        pipelining: 1,
        keepAliveTimeout: keepAliveMs,
        // The caller sets deadlines; undici's own would end an idle watch after 300 s.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxResponseSize: maxResponseBytes === Infinity ? -1 : maxResponseBytes,
        connect,
      });
      const way = { pool, met: met.has(origin) };
      ways.set(origin, way);
      return way;
    },
    release: (origin) => {
      const way = ways.get(origin);
      if (way === undefined) return;
      const { pool } = way;
      if (way.met) met.add(origin);
      ways.delete(origin);
      leaving.add(pool);
      const forget = (): unknown => leaving.delete(pool);
      pool.close().then(forget, forget);
    },
    destroy: async () => {
      closed = true;
      const pools = [...[...ways.values()].map(({ pool }) => pool), ...leaving];
      await Promise.all(pools.map((pool) => pool.destroy(clientClosed())));
    },
  };
}

const clientClosed = (where: ErrorDetails = {}): EtcdError => new EtcdError('ClientClosed', 'the client is closed', where);
