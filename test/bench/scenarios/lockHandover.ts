import { lastValueFrom, merge, take } from 'rxjs';
import { createClient, type Client } from '../../../src/index.js';
import { cpuWatch } from '../cpu.js';
import { peerClient, type Peer } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';

const NAME = 'lock-handover';
const WAITERS = 20;
const TTL = 30;

/** A lock with its owner and its waiters. */
interface Crowd {
  /**
   * Releases the owner; each waiter releases the lock as soon as it owns it. Resolves when the last one has released
   * it.
   */
  handOver(): Promise<unknown>;
}

/** Waits until the owner and all waiters are in the queue. */
async function entered({ kv }: Client, name: string): Promise<void> {
  while ((await lastValueFrom(kv.count({ prefix: `${name}/` }))) < WAITERS + 1) await new Promise((resolve) => setTimeout(resolve, 5));
}

async function ourCrowd(etcd: Client, name: string): Promise<Crowd> {
  const held = await etcd.promises.lock(name, { ttl: TTL });
  const waiters = merge(...Array.from({ length: WAITERS }, () => etcd.lock(name, { ttl: TTL }).pipe(take(1))));
  const all = lastValueFrom(waiters);
  await entered(etcd, name);
  return { handOver: () => Promise.all([held.release(), all]) };
}

/**
 * Enters the queue as Go's `concurrency.Mutex` does, by the calls of npm's `etcd3`: a key under a lease, and a watch of
 * the key before it. The result waits for the lock.
 */
async function peerEntry(peer: Peer, name: string): Promise<{ lock(): Promise<unknown>; unlock(): Promise<unknown> }> {
  const lease = peer.lease(TTL);
  const id = await lease.grant();
  const key = `${name}/${BigInt(id).toString(16)}`;
  const { header } = await peer.if(key, 'Create', '==', 0).then(peer.put(key).value('').lease(id)).commit();
  const own = Number(header.revision);
  const lock = async (): Promise<void> => {
    const earlier = peer
      .getAll()
      .prefix(`${name}/`)
      .maxCreateRevision(own - 1)
      .sort('Create', 'Descend')
      .limit(1);
    const { kvs, header: seen } = await earlier.exec();
    const [before] = kvs;
    if (before === undefined) return;
    const watcher = await peer
      .watch()
      .key(before.key)
      .startRevision(String(Number(seen.revision) + 1))
      .create();
    await new Promise<void>((resolve) => watcher.on('delete', () => resolve()));
    await watcher.cancel();
    return lock();
  };
  return { lock, unlock: () => lease.revoke() };
}

async function peerCrowd(peer: Peer, etcd: Client, name: string): Promise<Crowd> {
  const owner = await peerEntry(peer, name);
  await owner.lock();
  const waiters = Array.from({ length: WAITERS }, async () => {
    const { lock, unlock } = await peerEntry(peer, name);
    await lock();
    await unlock();
  });
  await entered(etcd, name);
  return { handOver: () => Promise.all([owner.unlock(), ...waiters]) };
}

/** Hands a lock over from waiter to waiter. */
export const lockHandoverScenario: Scenario = {
  name: NAME,
  rows: [
    { name: NAME, unit: 'hand-overs/s', better: 'more', target: { toPeer: 1 } },
    { name: `cpu-${NAME}`, unit: 'µs/hand-over', better: 'less', target: { toPeer: 1 } },
  ],
  rounds: { full: 15, quick: 5, warmUp: 2 },
  prepare: async ({ server: { endpoint } }) => {
    const etcd = createClient({ endpoints: endpoint });
    const peer = peerClient(endpoint);
    let round = 0;
    const measured = async (crowd: Promise<Crowd>): Promise<Figures> => {
      const { handOver } = await crowd;
      // The waiters begin to watch right after they have entered the queue.
      await new Promise((resolve) => setTimeout(resolve, 100));
      const spent = cpuWatch();
      const start = performance.now();
      await handOver();
      const seconds = (performance.now() - start) / 1000;
      return { [NAME]: WAITERS / seconds, [`cpu-${NAME}`]: spent() / WAITERS };
    };
    return {
      sides: {
        ours: () => measured(ourCrowd(etcd, `bench/handover/ours/${round++}`)),
        peer: () => measured(peerCrowd(peer, etcd, `bench/handover/peer/${round++}`)),
      },
      end: async () => {
        peer.close();
        await etcd.close();
      },
    };
  },
};
