/**
 * Runs an example on a separate etcd, whose endpoint is in `ETCD_ENDPOINTS`: `npm run demo`, or `npm run example
 * examples/lock.ts`. If no etcd is available, the example runs on the one in memory.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { startTestServer } from 'rxetcd/testing/server';
import { NoEtcdError } from './find.js';
import { startEtcd } from './server.js';
import type { EtcdServer } from './types.js';

async function runExample(file: string): Promise<void> {
  const server = await anyEtcd();
  process.env['ETCD_ENDPOINTS'] = server.endpoint;
  try {
    // An example ends when its module has been evaluated.
    await import(pathToFileURL(resolve(file)).href);
  } finally {
    await server.stop();
  }
  if (await responds(server.endpoint)) throw new Error(`etcd still responds at ${server.endpoint}`);
  process.stdout.write('etcd is gone\n');
}

/** Starts a real etcd, or the one in memory if none is available, and prints which. */
async function anyEtcd(): Promise<Pick<EtcdServer, 'endpoint' | 'stop'>> {
  try {
    const server = await startEtcd({ own: true });
    process.stdout.write(`etcd ${server.version} is up at ${server.endpoint}\n`);
    return server;
  } catch (error) {
    if (!(error instanceof NoEtcdError)) throw error;
    const { endpoint, close } = await startTestServer();
    process.stdout.write(`no etcd can be had here, so one in memory is up at ${endpoint}; for development: not durable\n`);
    return { endpoint, stop: close };
  }
}

const responds = (endpoint: string): Promise<boolean> =>
  fetch(`${endpoint}/version`).then(
    () => true,
    () => false,
  );

/** Exits although something keeps the process alive after the example has ended. */
function exitSoon(): void {
  const lateMs = 10_000;
  setTimeout(() => {
    process.stderr.write(`something keeps this process alive: ${process.getActiveResourcesInfo().join(', ')}\n`);
    process.exit(1);
  }, lateMs).unref();
}

runExample(process.argv[2] ?? '')
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  })
  .finally(exitSoon);
