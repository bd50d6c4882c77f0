import { asyncScheduler } from 'rxjs';
import { preload } from '../../../src/testing/createTestEtcd.js';
import { Member, Network } from '../../../src/testing/network.js';
import { createStore, type StoreMember, type StoreOptions } from '../../../src/testing/store/index.js';
import { TestServer } from '../../../src/testing/testServer.js';
import { followRxjsTime } from '../../../src/util/time.js';
import type { EtcdOptions, EtcdServer } from '../etcd/types.js';
import { readFlags } from './flags.js';

/** An etcd in memory, and the network in front of it. */
export interface MemoryEtcd {
  readonly network: Network;
  readonly server: TestServer;
}

/** All started servers, by their endpoints and those of the proxies in front of them. */
const byEndpoint = new Map<string, MemoryEtcd>();
let members = 0;
let proxies = 0;

/** The etcd in memory behind an endpoint; undefined if there is none. */
export const memoryAt = (endpoint: string): MemoryEtcd | undefined => byEndpoint.get(endpoint);

interface MemoryOptions extends Omit<StoreOptions, 'now'> {
  /** The delay of each message in each direction, in milliseconds. */
  readonly latencyMs?: number;
}

/** Opens an etcd in memory, which uses RxJS's clock. */
export function openMemory({ latencyMs = 0, ...options }: MemoryOptions = {}): MemoryEtcd {
  followRxjsTime();
  preload();
  const network = new Network(createStore({ ...options, now: () => asyncScheduler.now() }), latencyMs);
  return { network, server: new TestServer(network) };
}

/** Starts an etcd in memory instead of one process, or of several. */
export function startMemory({ version, args = [], clientTls, dataDir }: EtcdOptions, size = 1): readonly EtcdServer[] {
  if (clientTls !== undefined || dataDir !== undefined) throw new Error('the etcd in memory has no TLS and no files');
  const endpoints = Array.from({ length: size }, () => `http://etcd-${++members}:2379`);
  const { progressMs, ...flags } = readFlags(args);
  const etcd = openMemory({ version: version ?? process.env['ETCD_VERSION'] ?? '3.5.30', members: size, endpoints, ...flags });
  const { network, server } = etcd;
  if (progressMs !== undefined) setInterval(() => server.notifyProgress(), progressMs).unref();
  for (const endpoint of endpoints) byEndpoint.set(endpoint, etcd);
  return network.store.members.map((member) => memberAt(etcd, member));
}

/** Starts an etcd in memory with one member. */
export function startMemoryEtcd(options: EtcdOptions): EtcdServer {
  const [member] = startMemory(options);
  if (member === undefined) throw new Error('there is no member');
  return member;
}

/** Adds a further endpoint that leads to the member of another endpoint, with separate faults. */
export function addEndpoint(target: string): { readonly etcd: MemoryEtcd; readonly path: Member } {
  const etcd = memoryAt(target);
  const behind = etcd?.network.members.find(({ endpoint }) => endpoint === target);
  if (etcd === undefined || behind === undefined) throw new Error(`there is no etcd in memory at ${target}`);
  const path = new Member(`http://proxy-${++proxies}:2379`, etcd.network.store, behind.name);
  etcd.network.members.push(path);
  byEndpoint.set(path.endpoint, etcd);
  return { etcd, path };
}

/** Returns a member in the form of a process. The proxies in front of it have the same faults. */
function memberAt({ network, server }: MemoryEtcd, { name, clientUrls: [endpoint = ''], peerUrls: [peerUrl] }: StoreMember): EtcdServer {
  const paths = (): readonly string[] => network.members.filter((member) => member.name === name).map((member) => member.endpoint);
  const each = (act: (path: string) => void): Promise<void> => Promise.resolve(paths().forEach(act));
  const isAlone = network.store.members.length === 1;
  return {
    kind: 'process',
    endpoint,
    peerUrl,
    version: network.store.version,
    name,
    dataDir: undefined,
    pid: undefined,
    clientTls: undefined,
    output: () => '',
    stop: async () => {
      await each((path) => server.disconnect(path));
      if (isAlone) network.close();
    },
    kill: () => each((path) => server.disconnect(path)),
    restart: ({ wipe = false } = {}) => {
      server.restart({ wipe });
      return each((path) => server.connect(path));
    },
    pause: () =>
      each((path) => {
        server.stall('requests', path);
        server.stall('responses', path);
      }),
    resume: () => each((path) => server.resume(path)),
  };
}
