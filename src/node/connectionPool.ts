import { Client, Pool, type buildConnector, type Dispatcher } from 'undici';
import { type ErrorDetails, EtcdError } from '../errors/index.js';

/** The settings that all pools of one kind share. */
export interface PoolSettings {
  readonly connect: buildConnector.connector;
  /** The maximum number of connections to one endpoint; null for any number. */
  readonly connections: number | null;
  /** How long an idle connection is kept, in milliseconds. */
  readonly keepAliveMs: number;
  /** The longest response as a whole, in bytes. */
  readonly maxResponseBytes: number;
}

/** Handles the response to a request, or its failure. */
type Handler = Dispatcher.DispatchHandler;

/**
 * The maximum number of connections of a pool that are made at the same time. Further requests wait for the first
 * connection that is free. undici would make a connection for each of them. A busy server does not complete 64 TLS
 * handshakes in time.
 */
const MAX_CONNECTING = 8;

/** The connections to one endpoint: a pool of undici that limits the connections that are made at the same time. */
export class ConnectionPool {
  /** Requests that wait for a connection, in order. */
  private readonly waiting = new Map<Handler, Dispatcher.DispatchOptions>();
  /** Requests that have a connection, or one that is being made. */
  private readonly active = new Set<Handler>();
  private readonly pool: Pool;
  private readonly connections: number;
  /** The number of connections that are open. */
  private open = 0;
  private continuing = false;
  /** Reports that no request waits any more. */
  private emptied: (() => void) | undefined;

  constructor(
    origin: string,
    { connect, connections, keepAliveMs, maxResponseBytes }: PoolSettings,
    /** Whether the other end has ever responded. */
    public met: boolean,
  ) {
    this.connections = connections ?? Infinity;
    this.pool = new Pool(origin, {
      connections,
      pipelining: 1,
      keepAliveTimeout: keepAliveMs,
      // The caller sets deadlines; undici's own would end an idle watch after 300 s.
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
  send(request: Dispatcher.DispatchOptions, handler: Handler): void {
    if (this.waiting.size === 0 && this.hasRoom) this.dispatch(request, handler);
    else this.waiting.set(handler, request);
  }

  /** Removes a request that still waits. */
  remove(handler: Handler): void {
    if (this.waiting.delete(handler)) this.reportEmpty();
  }

  /** Records that a request has ended. Its handler must call this. Its connection is free a moment later. */
  done(handler: Handler): void {
    this.active.delete(handler);
  }

  /** Closes its connections when its requests have ended. */
  async close(): Promise<void> {
    if (this.waiting.size > 0) await new Promise<void>((resolve) => (this.emptied = resolve));
    await this.pool.close();
  }

  /** Closes its connections, and fails its requests. */
  async destroy(error: Error): Promise<void> {
    this.failWaiting(error);
    await this.pool.destroy(error);
  }

  /** Whether it has connections that are open. */
  get isOpen(): boolean {
    return this.open > 0;
  }

  /** Whether a connection is free for a request, or may be made. Without that, undici would queue it itself. */
  private get hasRoom(): boolean {
    return this.active.size < this.connections && this.active.size - this.open < MAX_CONNECTING;
  }

  private dispatch(request: Dispatcher.DispatchOptions, handler: Handler): void {
    this.active.add(handler);
    this.pool.dispatch(request, handler);
  }

  /** Sends the requests that wait, once undici counts the connection as free that it reports. */
  private readonly continue = (): void => {
    if (this.continuing || this.waiting.size === 0) return;
    this.continuing = true;
    queueMicrotask(() => {
      this.continuing = false;
      for (const [handler, request] of this.waiting) {
        if (!this.hasRoom) return;
        this.waiting.delete(handler);
        this.dispatch(request, handler);
      }
      this.reportEmpty();
    });
  };

  private failWaiting(error: Error): void {
    const failed = [...this.waiting.keys()];
    this.waiting.clear();
    for (const handler of failed) handler.onResponseError?.(undefined as never, error);
    this.reportEmpty();
  }

  private reportEmpty(): void {
    if (this.waiting.size === 0) this.emptied?.();
  }
}

/** Pools of one kind, one for each endpoint, which are created on first use. */
export interface PoolMap {
  /** Returns the pool for an endpoint; undefined once the client is closed. */
  of(origin: string): ConnectionPool | undefined;
  /** Closes the pool of an endpoint when its requests have ended. The next request gets another. */
  release(origin: string): void;
  /** Releases the pool of an endpoint if it has connections. */
  renew(origin: string): void;
  destroy(): Promise<void>;
}

/** Creates pools when they are needed. */
export function poolsByOrigin(settings: PoolSettings): PoolMap {
  const pools = new Map<string, ConnectionPool>();
  /** Origins that have responded on a pool that was removed. */
  const met = new Set<string>();
  /** Pools that close once their requests have ended. */
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
  return {
    of: (origin) => {
      if (closed) return undefined;
      const known = pools.get(origin);
      if (known !== undefined) return known;
      const pool = new ConnectionPool(origin, settings, met.has(origin));
      pools.set(origin, pool);
      return pool;
    },
    release,
    // To make other connections in place of those that are being made would only be more work for a busy server.
    renew: (origin) => void (pools.get(origin)?.isOpen === true && release(origin)),
    destroy: async () => {
      closed = true;
      await Promise.all([...pools.values(), ...closing].map((pool) => pool.destroy(clientClosed())));
    },
  };
}

/** Makes the error of a request to a closed client. */
export const clientClosed = (where: ErrorDetails = {}): EtcdError => new EtcdError('ClientClosed', 'the client is closed', where);
