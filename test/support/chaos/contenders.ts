/** Runs a process of contenders for locks, which `child.ts` starts. SIGTERM ends it after it has released its locks. */
import { createClient } from '../../../src/index.js';
import { contend, type Tempo } from './contend.js';
import { machineNow, type Line, type Orders } from './protocol.js';

const TEMPO: Tempo = { tickMs: 10, writeMs: 40, holdMs: 300, restMs: 100 };

const { endpoint, ...orders } = JSON.parse(process.argv[2] ?? '') as Orders;
const say = (line: Line): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const etcd = createClient({
  endpoints: endpoint,
  requestTimeoutMs: 2_000,
  streams: { heartbeatMs: 300, responseTimeoutMs: 500, initialBackoffMs: 5, maxBackoffMs: 200 },
});
contend(orders, { etcd, tempo: TEMPO, now: machineNow, say }).subscribe();

process.on('SIGTERM', () => {
  say({ is: 'closing' });
  void etcd.close().then(() => process.exit(0));
});
say({ is: 'ready' });
