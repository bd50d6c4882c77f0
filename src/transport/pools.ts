import { Pool, type buildConnector } from 'undici';
import { EtcdError } from '../errors/index.js';

/** The way to an endpoint. */
export interface Way {
  readonly pool: Pool;
  /** Whether the other end has ever answered. */
  met: boolean;
}

/** One pool an endpoint, made when it is first asked for. */
export interface Pools {
  /** @throws EtcdError `ClientClosed` */
  of(origin: string): Way;
  /** Closes that of an endpoint which is no longer used, when what is under way there has ended. */
  release(origin: string): void;
  destroy(): Promise<void>;
}

/** What the pools of one kind have in common. */
interface PoolMeans {
  readonly connect: buildConnector.connector;
  /** Connections at a time to one endpoint; null for any number. */
  readonly connections: number | null;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long an answer may be as a whole. */
  readonly maxResponseBytes: number;
}

/** Pools that are made as they are needed. */
export function poolsByOrigin({ connect, connections, keepAliveMs, maxResponseBytes }: PoolMeans): Pools {
  const ways = new Map<string, Way>();
  /** Those that are to close when they have nothing to do any more. */
  const leaving = new Set<Pool>();
  let closed = false;
  return {
    of: (origin) => {
      if (closed) throw clientClosed();
      const known = ways.get(origin);
      if (known !== undefined) return known;
      const pool = new Pool(origin, {
        connections,
        pipelining: 1,
        keepAliveTimeout: keepAliveMs,
        // Deadlines are the caller's; undici's own would end an idle watch after 300 s.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxResponseSize: maxResponseBytes === Infinity ? -1 : maxResponseBytes,
        connect,
      });
      const way = { pool, met: false };
      ways.set(origin, way);
      return way;
    },
    release: (origin) => {
      const pool = ways.get(origin)?.pool;
      if (pool === undefined) return;
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

const clientClosed = (): EtcdError => new EtcdError('ClientClosed', 'the client is closed');
