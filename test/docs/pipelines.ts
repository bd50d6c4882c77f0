import { firstValueFrom } from 'rxjs';
import { idToHex, type KeyValue, type Namespace } from '../../src/index.js';

/** The line that a pipeline shows after a change: a text, or a pattern for it. */
export type Sign = string | RegExp;

/** A pipeline of the docs that runs until it is unsubscribed. */
export interface Pipeline {
  readonly name: string;
  /** A text that only the code of this pipeline contains. */
  readonly marks: RegExp;
  /** Whether its first calls may be cut: it sends no write that is sent only once. */
  readonly fromTheStart: boolean;
  /** Whether its lease outlives twelve seconds without a server. */
  readonly longLease?: true;
  /** The number of replicas to run. */
  readonly replicas?: number;
  /** Whether it fails with `Compacted` if the missed history was compacted, as docs/api.md says of watches. */
  readonly endsByCompaction?: true;
  /**
   * Makes a change, and returns the line by which the pipeline shows it. May be called again, as the output of one call
   * may be lost.
   */
  readonly poke?: (store: Namespace, round: number) => Promise<Sign>;
  /** The key that it keeps under a lease, which is a new one after each loss. */
  readonly held?: (store: Namespace) => Promise<KeyValue | undefined>;
}

const put = async (store: Namespace, key: string, value: string): Promise<void> => void (await firstValueFrom(store.kv.put(key, value)));
const only = async (store: Namespace, key: string): Promise<KeyValue | undefined> => firstValueFrom(store.kv.get(key));
/** Returns the oldest entry of a queue, which is its owner. */
const owner = async (store: Namespace, name: string): Promise<KeyValue | undefined> =>
  (await firstValueFrom(store.kv.range({ prefix: `${name}/` }, { limit: 1, sortTarget: 'CREATE', sortOrder: 'ASCEND' }))).kvs[0];

/** The pipelines that continue. A test reports a pipeline that is neither here nor in {@link ENDING}. */
export const PIPELINES: readonly Pipeline[] = [
  {
    name: 'the config of the README',
    marks: /liveValueState\('app\/config'/,
    fromTheStart: true,
    poke: async (store, round) => {
      await put(store, 'app/config', JSON.stringify({ color: 'red', timeoutMs: round }));
      return `live: red, ${round} ms`;
    },
  },
  {
    name: 'liveValue',
    marks: /liveValue\('app\/config'/,
    fromTheStart: true,
    poke: async (store, round) => {
      await put(store, 'app/config', JSON.stringify({ color: 'red', timeoutMs: round }));
      return `red ${round}`;
    },
  },
  {
    name: 'the watch with its state',
    marks: /the watch is \$\{status\}/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, 'app/color', String(round));
      return `the color is ${round}`;
    },
  },
  {
    name: 'a schema that checks asynchronously',
    marks: /liveValue\('ports\/web'/,
    fromTheStart: true,
    poke: async (store, round) => {
      await put(store, 'ports/web', String(9_000 + round));
      return `the port is ${9_000 + round}`;
    },
  },
  {
    name: 'the entry of the API page',
    marks: /'services\/me', '10\.0\.0\.7:8080'/,
    fromTheStart: true,
    held: (store) => only(store, 'services/me'),
  },
  { name: 'withLease', marks: /'services\/me', '10\.0\.0\.1'/, fromTheStart: true, held: (store) => only(store, 'services/me') },
  {
    name: 'the announced key of the API page',
    marks: /announce\('workers\/me'/,
    fromTheStart: true,
    held: (store) => only(store, 'workers/me'),
  },
  {
    name: 'the session of the API page',
    marks: /\$\{type\}, and leads/,
    fromTheStart: true,
    held: (store) => only(store, 'nodes/node-1'),
  },
  {
    name: 'the election of the API page',
    marks: /as the leader of/,
    fromTheStart: true,
    replicas: 2,
    held: (store) => owner(store, 'scheduler'),
  },
  {
    name: 'whileLeader',
    marks: /\$\{revision\}: tick/,
    longLease: true,
    fromTheStart: true,
    replicas: 2,
    held: (store) => owner(store, 'scheduler'),
  },
  {
    name: 'leader$',
    marks: /leader\$\.subscribe/,
    fromTheStart: true,
    poke: async (store, round) => {
      await firstValueFrom(store.kv.delete({ prefix: 'scheduler/' }));
      await put(store, `scheduler/${round}`, `node-${round}`);
      return `node-${round} leads`;
    },
  },
  {
    name: 'the queue of the API page',
    marks: /queue\('mails'\)/,
    fromTheStart: false,
    poke: async (store, round) => {
      await firstValueFrom(store.queue('mails').enqueue(`mail ${round}`));
      return `sending mail ${round}`;
    },
  },
  {
    name: 'the priority queue',
    marks: /priorityQueue\('jobs'\)/,
    fromTheStart: false,
    poke: async (store, round) => {
      await firstValueFrom(store.priorityQueue('jobs').enqueue(`job ${round}`, 1));
      return `job ${round}`;
    },
  },
  {
    name: 'the services of the API page',
    marks: /endpoints\.values\(\)/,
    fromTheStart: true,
    poke: async (store, round) => {
      await put(store, 'shop/other', JSON.stringify({ Addr: `10.0.0.9:${round}` }));
      return new RegExp(`^(?=.*shop-1 at 10\\.0\\.0\\.7:8080)(?=.*other at 10\\.0\\.0\\.9:${round}(?!\\d))`);
    },
    held: (store) => only(store, 'shop/shop-1'),
  },
  {
    name: 'the services of the recipes',
    marks: /\$\{type\}; \$\{size\} there/,
    fromTheStart: true,
    poke: async (store, round) => {
      await put(store, `shop/other-${round}`, JSON.stringify({ Addr: `10.0.0.9:${round}` }));
      const { count } = await firstValueFrom(store.kv.range({ prefix: 'shop/other' }, { countOnly: true }));
      return `registered; ${count + 1} there`;
    },
    held: (store) => only(store, 'shop/shop-1'),
  },
  {
    name: 'the namespace of the API page',
    marks: /tenants\/7/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, `tenants/7/key-${round}`, '');
      return `changed: key-${round}`;
    },
  },
  {
    name: 'puts',
    marks: /\.pipe\(puts\(\)\)\.subscribe\(\(\{ kv \}\)/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, 'app/size', String(round));
      return `app/size ${round}`;
    },
  },
  {
    name: 'changedValues',
    marks: /changedValues\(\)/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, 'app/color', `blue ${round}`);
      return `blue ${round}`;
    },
  },
  {
    name: 'tryDecode',
    marks: /tryDecode\(t\.number\)/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, 'limit', String(round));
      return `the limit is ${round}`;
    },
  },
  {
    name: 'foldEvents',
    marks: /foldEvents\(\{ seed/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, 'services/a', `10.0.0.${round}`);
      return `1 10.0.0.${round}`;
    },
  },
  {
    name: 'toAsyncIterable',
    marks: /toAsyncIterable\(etcd\.watch/,
    fromTheStart: true,
    endsByCompaction: true,
    poke: async (store, round) => {
      await put(store, 'app/color', `red ${round}`);
      return `app/color red ${round}`;
    },
  },
];

/**
 * Programs that end by themselves. Under a fault, each either shows its documented output, or fails with an EtcdError
 * that states the outcome.
 */
export const ENDING: readonly RegExp[] = [
  /const write = etcd\.kv\.put/,
  /const claim = /,
  /of\('report', 'cleanup'\)/,
  /etcd\.update\('counter'/,
  /const transfer = /,
  /etcd\.semaphore\('imports'/,
  /get\('a', \{ revision: 1_000_000 \}\)/,
  /linesOf\('LICENSE'\)/,
  /reentrant: 'process'/,
  /etcd\.barrier\('migration'\)/,
  /etcd\.doubleBarrier\('round'/,
  /const settings\$ = /,
  /squares\(10_000\)/,
  /const entries = \[/,
  /compareAndSet\(etcd\.kv\)/,
  /commitTxn\(etcd\.kv, \(name\)/,
  /of\('a', 'b'\)/,
  /parseJsonStream\(\)/,
  /untilReleased\(\)/,
];

/** Returns the lease of a key, by etcdctl; undefined if it has no living lease. */
export async function livingLease(store: Namespace, kv: KeyValue | undefined): Promise<string | undefined> {
  if (kv?.lease === undefined) return undefined;
  const { ttl } = await firstValueFrom(store.lease.timeToLive(kv.lease));
  return ttl > 0 ? idToHex(kv.lease) : undefined;
}
