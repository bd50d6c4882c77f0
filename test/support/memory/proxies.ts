import { authRpcs } from '../../../src/codec/auth.js';
import { clusterRpcs } from '../../../src/codec/cluster.js';
import { electionRpcs, lockRpcs } from '../../../src/codec/concurrency.js';
import { kvRpcs } from '../../../src/codec/kv.js';
import { leaseRpcs } from '../../../src/codec/lease.js';
import { maintenanceRpcs } from '../../../src/codec/maintenance.js';
import { requestText } from '../../../src/codec/message.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';
import type { RecordedCall } from '../../../src/testing/network.js';
import type { CountingProxy, CuttingProxy, LaneControl, Passed, TcpProxy } from '../faultProxies/types.js';
import { addEndpoint } from './servers.js';

/** A proxy in front of an etcd in memory: a further endpoint of it. It passes messages, not bytes. */
export function memoryProxy(target: string): TcpProxy {
  const { etcd, path } = addEndpoint(target);
  const { server } = etcd;
  const { endpoint } = path;
  const lane = (direction: 'requests' | 'responses'): LaneControl => ({
    get bytes() {
      return noBytes();
    },
    set delayMs(_: number) {
      noBytes();
    },
    set bytesPerSecond(_: number) {
      noBytes();
    },
    // Any number of bytes ends within the next response, which is larger.
    cutAfter: () => {
      if (direction === 'requests') noBytes();
      server.dropResponse((call) => call.endpoint === endpoint && !call.rpc.startsWith('GET '));
    },
    stall: () => path[direction].stall(),
    resume: () => path[direction].resume(),
  });
  const refuse = (): Promise<void> => Promise.resolve(server.disconnect(endpoint));
  return {
    up: lane('requests'),
    down: lane('responses'),
    endpoint,
    get accepted() {
      return noBytes();
    },
    get open() {
      return path.connections.size;
    },
    cut: () => server.breakConnections(endpoint),
    refuse,
    accept: () => Promise.resolve(server.connect(endpoint)),
    close: refuse,
  };
}

function noBytes(): never {
  throw new Error('a proxy in front of an etcd in memory has no bytes and no sockets');
}

const TABLES: readonly Readonly<Record<string, Rpc<never, unknown>>>[] = [
  kvRpcs,
  leaseRpcs,
  lockRpcs,
  electionRpcs,
  watchRpcs,
  authRpcs,
  clusterRpcs,
  maintenanceRpcs,
];
const RPCS = TABLES.flatMap((rpcs) => Object.values(rpcs));

/** A proxy in front of an etcd in memory that loses the responses of calls. */
export function memoryCuttingProxy(target: string): CuttingProxy {
  const { etcd, path } = addEndpoint(target);
  const { server } = etcd;
  const { endpoint } = path;
  const own = (): readonly RecordedCall[] => server.calls.filter((call) => call.endpoint === endpoint);
  let cuts = new Set<string>();
  const refuse = (): Promise<void> => Promise.resolve(server.disconnect(endpoint));
  return {
    endpoint,
    cutEach: () => {
      const lost = (cuts = new Set());
      const isDue = (call: RecordedCall): boolean => {
        const { path: kind } = asPassed(call);
        return call.endpoint === endpoint && lost === cuts && !lost.has(kind) && lost.add(kind).has(kind);
      };
      for (let kind = 0; kind < RPCS.length; kind++) server.dropResponse(isDue);
      server.breakConnections(endpoint);
    },
    get cuts() {
      return cuts;
    },
    get calls() {
      return own().length;
    },
    refuse,
    accept: () => Promise.resolve(server.connect(endpoint)),
    close: refuse,
  };
}

/** A proxy in front of an etcd in memory that records the calls. */
export function memoryCountingProxy(target: string): CountingProxy {
  const { etcd, path } = addEndpoint(target);
  const { calls } = etcd.network;
  let begun = calls.length;
  return {
    endpoint: path.endpoint,
    get calls() {
      const own = calls.slice(begun).filter(({ endpoint, rpc }) => endpoint === path.endpoint && !rpc.startsWith('GET '));
      return own.map(asPassed);
    },
    forget: () => void (begun = calls.length),
    stop: () => Promise.resolve(etcd.server.disconnect(path.endpoint)),
  };
}

/** Returns a call in the form that it has on a wire. */
function asPassed({ rpc: name, request }: RecordedCall): Passed {
  for (const rpc of RPCS) {
    if (rpc.name !== name) continue;
    try {
      return { path: `/v3${rpc.path}`, body: requestText(rpc, request as never) };
    } catch {
      // The other request of this name has another form.
    }
  }
  return { path: name.replace(/^POST /, ''), body: JSON.stringify(request) };
}
