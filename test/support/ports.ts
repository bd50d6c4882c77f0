import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';

const LOWEST = 10_000;
const ATTEMPTS = 100;

/**
 * The kernel gives outgoing connections ports from this one on. Such a connection may take the port of a server that is
 * stopped for a moment. A client that connects to an unused port may even be given that same port, and connect to
 * itself. So servers of tests use lower ports.
 */
function firstEphemeral(): number {
  try {
    return Number(/^\d+/.exec(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'))?.[0]);
  } catch {
    return 32_768;
  }
}

/**
 * Each worker of jest has a separate range of ports: no worker may take the port of a server that another has
 * restarted, or of a proxy that refuses connections.
 */
const SHARES = 4;
const share = Math.floor((firstEphemeral() - LOWEST) / SHARES);
const first = LOWEST + share * (Number(process.env['JEST_WORKER_ID'] ?? 0) % SHARES);
const range = { from: first, to: first + share };
/** A proxy must not get a port that was reserved for its server a moment ago, and is not in use yet. */
const given = new Set<number>();

const somePort = (): number => range.from + Math.floor(Math.random() * (range.to - range.from));
/** Not by its class: Node's errors come from outside jest's sandbox. */
const isTaken = (error: unknown): boolean =>
  typeof error === 'object' && error !== null && 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EACCES');

/** Makes a server listen on a port of this machine only. */
export function listen(server: Server, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** Makes a server listen on a port that stays reserved while the server is closed: no outgoing connection takes it. */
export async function listenSomewhere(server: Server): Promise<number> {
  for (let attempt = 1; range.to > range.from; attempt += 1) {
    const port = somePort();
    if (given.has(port)) continue;
    try {
      await listen(server, port);
      given.add(port);
      return port;
    } catch (error) {
      if (!isTaken(error) || attempt === ATTEMPTS) throw error;
    }
  }
  // On this system all ports are for outgoing connections.
  await listen(server, 0);
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the kernel gave no port');
  return address.port;
}

/**
 * Returns ports that were free a moment ago. Another process can take one before etcd does, so a caller must be ready
 * to request others. All are held until the last is found, so no two are the same.
 */
export async function freePorts(count: number): Promise<number[]> {
  const servers: Server[] = [];
  try {
    const ports: number[] = [];
    for (let taken = 0; taken < count; taken += 1) {
      const server = createServer();
      servers.push(server);
      ports.push(await listenSomewhere(server));
    }
    return ports;
  } finally {
    await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  }
}
