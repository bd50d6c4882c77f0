import { Client, Pool, type buildConnector, type Dispatcher } from 'undici';
import { type ErrorDetails, EtcdError } from '../errors/index.js';

/** The settings that all pools of one kind share. */
export interface PoolSettings {
  readonly connect: buildConnector.connector;
  /** The maximum number of connections of a pool; null for no limit. Each pool belongs to one endpoint. */
  readonly connections: number | null;
  /** How long an idle connection is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** The maximum length of a whole response, in bytes. */
  readonly maxResponseBytes: number;
}

/** Handles the response to a request, or the failure of the request. */
export interface RequestHandler extends Dispatcher.DispatchHandler {
  /** The state of the request in the pool. The pool sets it. */
  slot: WaitingRequest | 'active' | undefined;
  /** Called with the pool to which the request belongs from now on. */
  onPool(pool: ConnectionPool): void;
}

/**
 * A request that waits for a connection. The requests form a list in which each refers to the next. With a Map, the CPU
 * time of a call was 15 us longer (at 128 calls at a time). A Map replaces its tables when it grows, and the old tables
 * keep ended requests alive.
 */
class WaitingRequest {
  after: WaitingRequest | undefined;
  // The field is private at run time as well. A log that shows a handler must show neither the token nor the body.
  readonly #request: Dispatcher.DispatchOptions;

  constructor(
    request: Dispatcher.DispatchOptions,
    readonly handler: RequestHandler,
    public before: WaitingRequest | undefined,
  ) {
    this.#request = request;
  }

  get request(): Dispatcher.DispatchOptions {
    return this.#request;
  }
}

/**
 * The maximum number of connections that a pool opens at the same time. Other requests wait for the first connection
 * that is free. undici would open a connection for each request, and a busy server does not complete 64 TLS handshakes
 * in time.
 */
const MAX_CONNECTING = 8;

/**
 * The connections to one endpoint, in a pool of undici. The number of connections that are opened at the same time is
 * limited.
 */
export class ConnectionPool {
  /** The first and the last of the requests that wait for a connection. */
  private first: WaitingRequest | undefined;
  private last: WaitingRequest | undefined;
  /** The number of requests that have a connection, or whose connection is being opened. */
  private active = 0;
  private readonly pool: Pool;
  private readonly connections: number;
  /** The number of connections that are open. */
  private open = 0;
  private continuing = false;
  /** Called when no request waits any more. */
  private emptied: (() => void) | undefined;

  constructor(
    origin: string,
    { connect, connections, keepAliveMs, maxResponseBytes }: PoolSettings,
    /** Whether the server has ever responded. */
    public met: boolean,
  ) {
    this.connections = connections ?? Infinity;
    this.pool = new Pool(origin, {
      connections,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // The caller sets deadlines. undici's own timeout would end an idle watch after 300 s.
      headersTimeout: 0,
      bodyTimeout: 0,
      maxResponseSize: maxResponseBytes === Infinity ? -1 : maxResponseBytes,
      connect,
      factory: (url, options) => new Client(url, options).on('drain', this.continue),
    })
      .on('connect', () => {
        this.open += 1;
        this.continue();
      })
      .on('disconnect', () => {
        this.open -= 1;
        this.continue();
      })
      .on('connectionError', (...[, , error]) => {
        if (!this.isOpen) this.failWaiting(error);
        this.continue();
      });
  }

  /** Sends a request now, or when there is a connection for it. */
  send(request: Dispatcher.DispatchOptions, handler: RequestHandler): void {
    handler.onPool(this);
    if (this.first === undefined && this.hasRoom) this.dispatch(request, handler);
    else this.add(new WaitingRequest(request, handler, this.last));
  }

  /** Moves the requests that wait to another pool, as the connections of this one may never become free. */
  moveWaitingTo(pool: ConnectionPool): void {
    for (const { request, handler } of this.takeAll()) pool.send(request, handler);
    this.reportEmpty();
  }

  /** Removes a request that is still waiting. */
  remove(handler: RequestHandler): void {
    const { slot } = handler;
    if (slot === undefined || slot === 'active') return;
    this.take(slot);
    this.reportEmpty();
  }

  /**
   * Records that a request has ended. The handler of the request must call this method. No waiting request is sent
   * here, because undici frees the connection only afterwards.
   */
  done(handler: RequestHandler): void {
    if (handler.slot !== 'active') return;
    handler.slot = undefined;
    this.active -= 1;
  }

  /** Closes the connections when their requests have ended. */
  async close(): Promise<void> {
    if (this.first !== undefined) await new Promise<void>((resolve) => (this.emptied = resolve));
    await this.pool.close();
  }

  /** Closes the connections now, and fails their requests. */
  async destroy(error: Error): Promise<void> {
    this.failWaiting(error);
    await this.pool.destroy(error);
  }

  /** Whether requests wait for a connection. */
  get isWaiting(): boolean {
    return this.first !== undefined;
  }

  /** Whether the pool has open connections. */
  get isOpen(): boolean {
    return this.open > 0;
  }

  /** Whether a connection is free for a request, or may be opened. If not, undici would queue the request itself. */
  private get hasRoom(): boolean {
    return this.active < this.connections && this.active - this.open < MAX_CONNECTING;
  }

  private dispatch(request: Dispatcher.DispatchOptions, handler: RequestHandler): void {
    handler.slot = 'active';
    this.active += 1;
    this.pool.dispatch(request, handler);
  }

  /** Sends waiting requests, in a microtask that runs after undici has recorded which connections are free. */
  private readonly continue = (): void => {
    if (this.continuing || this.first === undefined) return;
    this.continuing = true;
    queueMicrotask(() => {
      this.continuing = false;
      for (let next = this.first; next !== undefined; next = this.first) {
        if (!this.hasRoom) return;
        this.take(next);
        this.dispatch(next.request, next.handler);
      }
      this.reportEmpty();
    });
  };

  private add(entry: WaitingRequest): void {
    entry.handler.slot = entry;
    if (entry.before === undefined) this.first = entry;
    else entry.before.after = entry;
    this.last = entry;
  }

  /** Removes a request from the list. The request then refers to no other request, and keeps none alive. */
  private take(entry: WaitingRequest): void {
    const { before, after } = entry;
    entry.handler.slot = entry.before = entry.after = undefined;
    if (before === undefined) this.first = after;
    else before.after = after;
    if (after === undefined) this.last = before;
    else after.before = before;
  }

  private takeAll(): readonly WaitingRequest[] {
    const taken: WaitingRequest[] = [];
    for (let next = this.first; next !== undefined; next = this.first) {
      this.take(next);
      taken.push(next);
    }
    return taken;
  }

  private failWaiting(error: Error): void {
    for (const { handler } of this.takeAll()) handler.onResponseError?.(undefined as never, error);
    this.reportEmpty();
  }

  private reportEmpty(): void {
    if (this.first === undefined) this.emptied?.();
  }
}

/** The pools of one kind, one for each endpoint. A pool is created on first use. */
export interface PoolMap {
  /** Returns the pool of an endpoint; undefined if the client is closed. */
  of(origin: string): ConnectionPool | undefined;
  /** Closes the pool of an endpoint when its requests have ended. The next request gets a new pool. */
  release(origin: string): void;
  /**
   * Closes the pool of an endpoint as {@link release} does, if it has open connections. The requests that wait move to
   * a new pool.
   */
  renew(origin: string): void;
  destroy(): Promise<void>;
}

/** Creates pools when they are needed. */
export function poolsByOrigin(settings: PoolSettings): PoolMap {
  const pools = new Map<string, ConnectionPool>();
  /** The origins that have responded to a pool which was removed. */
  const met = new Set<string>();
  /** The pools that will close when their requests have ended. */
  const closing = new Set<ConnectionPool>();
  let closed = false;
  const release = (origin: string): void => {
    const pool = pools.get(origin);
    if (pool === undefined) return;
    if (pool.met) met.add(origin);
    pools.delete(origin);
    closing.add(pool);
    const forget = (): unknown => closing.delete(pool);
    pool.close().then(forget, forget);
  };
  const create = (origin: string): ConnectionPool => {
    const pool = new ConnectionPool(origin, settings, met.has(origin));
    pools.set(origin, pool);
    return pool;
  };
  return {
    of: (origin) => (closed ? undefined : (pools.get(origin) ?? create(origin))),
    release,
    // A pool that has no open connections yet is kept. Opening others in place of those that it is opening would mean
    // more work for a busy server.
    renew: (origin) => {
      const old = pools.get(origin);
      if (old?.isOpen !== true) return;
      release(origin);
      if (old.isWaiting) old.moveWaitingTo(create(origin));
    },
    destroy: async () => {
      closed = true;
      await Promise.all([...pools.values(), ...closing].map((pool) => pool.destroy(clientClosed())));
    },
  };
}

/** Creates the error for a request on a closed client. */
export const clientClosed = (where: ErrorDetails = {}): EtcdError => new EtcdError('ClientClosed', 'the client is closed', where);
