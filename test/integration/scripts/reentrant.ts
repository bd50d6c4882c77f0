/**
 * Owns a reentrant lock until it is killed, or until its input says `release`. Arguments: the endpoint, the name, the
 * level of the owner (host, process or thread), and `worker` to own it in a worker thread as well. Prints `owned` and
 * the fencing token once it owns the lock.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { createClient, type Reentrancy } from '../../../src/index.js';

interface Task {
  readonly endpoint: string;
  readonly name: string;
  readonly reentrant: Reentrancy;
}

function own({ endpoint, name, reentrant }: Task, say: (line: string) => void): () => void {
  const etcd = createClient({ endpoints: endpoint });
  etcd.lock(name, { reentrant, ttl: 4 }).subscribe({
    next: ({ revision }) => say(`owned ${revision}`),
    error: (error: unknown) => say(String(error)),
  });
  return () => void etcd.close();
}

const print = (line: string): void => void process.stdout.write(`${line}\n`);

if (isMainThread) {
  const [endpoint = '', name = '', reentrant = '', where] = process.argv.slice(2);
  const task = { endpoint, name, reentrant };
  const release = own(task as Task, print);
  if (where === 'worker') new Worker(new URL('./reentrantWorker.mjs', import.meta.url), { workerData: task }).on('message', print);
  process.stdin.on('data', () => {
    process.stdin.destroy();
    release();
  });
} else own(workerData as Task, (line) => parentPort?.postMessage(line));
