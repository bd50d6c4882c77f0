/** Starts a cluster, prints its processes and addresses as JSON, and keeps running. */
import { dirname } from 'node:path';
import { startFaultCluster } from '../../support/cluster/cluster.js';

async function main(): Promise<void> {
  const { members, tls } = await startFaultCluster({ tls: true });
  const pids = members.map(({ server }) => server.pid);
  const folders = [...members.map(({ server }) => dirname(server.dataDir ?? '')), dirname(tls?.server.caFile ?? '')];
  process.stdout.write(`${JSON.stringify({ pids, folders })}\n`);
  setInterval(() => undefined, 2 ** 30);
}

void main();
