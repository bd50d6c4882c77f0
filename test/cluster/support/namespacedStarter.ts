/** Starts a cluster in network namespaces, prints its processes and addresses as JSON, and keeps running. */
import { startNamespacedCluster } from '../../support/cluster/netns/cluster.js';

async function main(): Promise<void> {
  const { members, network } = await startNamespacedCluster({ size: 1 });
  process.stdout.write(`${JSON.stringify({ pids: members.map(({ server }) => server.pid), network })}\n`);
  setInterval(() => undefined, 2 ** 30);
}

void main();
