/** Starts a cluster, tells what it is made of as JSON, and stays. */
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
