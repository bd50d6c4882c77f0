import { Pool } from 'undici';
import { EtcdError } from '../errors/index.js';

/** How connections are made and kept. */
export interface PoolSettings {
  /** Connections at a time to one endpoint, streams not counted. */
  readonly maxConnections: number;
  readonly connectTimeoutMs: number;
  /** How long an idle connection is kept. */
  readonly keepAliveMs: number;
  /** How long an answer may be, or one message of a stream. */
  readonly maxResponseBytes: number;
  readonly tls: TlsSettings;
}

/** What Node's TLS is told; PEM. */
export interface TlsSettings {
  readonly ca?: string | Uint8Array;
  readonly cert?: string | Uint8Array;
  readonly key?: string | Uint8Array;
  readonly serverName?: string;
}

/** One pool an endpoint, made when it is first asked for. */
export interface Pools {
  /** @throws EtcdError `ClientClosed` */
  of(origin: string): Pool;
  /** Closes that of an endpoint which is no longer used, when what is under way there has ended. */
  release(origin: string): void;
  destroy(): Promise<void>;
}

/** What the pools of one kind have in common. */
interface PoolLimits {
  /** At a time to one endpoint; null for any number. */
  readonly connections: number | null;
  readonly maxResponseBytes: number;
}

/** Pools that are made as they are needed. */
export function poolsByOrigin(
  { connectTimeoutMs, keepAliveMs, tls }: Omit<PoolSettings, keyof PoolLimits>,
  { connections, maxResponseBytes }: PoolLimits,
): Pools {
  const pools = new Map<string, Pool>();
  /** Those that are to close when they have nothing to do any more. */
  const leaving = new Set<Pool>();
  let closed = false;
  return {
    of: (origin) => {
      if (closed) throw clientClosed();
      const known = pools.get(origin);
      if (known !== undefined) return known;
      const pool = new Pool(origin, {
        connections,
        pipelining: 1,
        keepAliveTimeout: keepAliveMs,
        // Deadlines are the caller's; undici's own would end an idle watch after 300 s.
        headersTimeout: 0,
        bodyTimeout: 0,
        maxResponseSize: maxResponseBytes === Infinity ? -1 : maxResponseBytes,
        connect: { timeout: connectTimeoutMs, ...tlsOptions(tls) },
      });
      pools.set(origin, pool);
      return pool;
    },
    release: (origin) => {
      const pool = pools.get(origin);
      if (pool === undefined) return;
      pools.delete(origin);
      leaving.add(pool);
      const forget = (): unknown => leaving.delete(pool);
      pool.close().then(forget, forget);
    },
    destroy: async () => {
      closed = true;
      await Promise.all([...pools.values(), ...leaving].map((pool) => pool.destroy(clientClosed())));
    },
  };
}

/** TLS by undici's names. */
export function tlsOptions({ ca, cert, key, serverName }: TlsSettings) {
  const pem = (value: string | Uint8Array): string | Buffer => (typeof value === 'string' ? value : Buffer.from(value));
  return {
    ...(ca === undefined ? {} : { ca: pem(ca) }),
    ...(cert === undefined ? {} : { cert: pem(cert) }),
    ...(key === undefined ? {} : { key: pem(key) }),
    ...(serverName === undefined ? {} : { servername: serverName }),
  };
}

const clientClosed = (): EtcdError => new EtcdError('ClientClosed', 'the client is closed');
