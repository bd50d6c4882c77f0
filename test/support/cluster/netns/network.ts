import { randomInt } from 'node:crypto';
import { run } from '../../etcd/index.js';
import { command, ip, makeNamespace, type Namespace } from './networkNamespace.js';

/** Of a network: thirteen hosts and ourselves. */
const BITS = 28;
const OURS = 14;
/** So many are in 198.18.0.0/15. */
const SUBNETS = 2 ** (BITS - 15);

/** The way of one host to the network. */
export interface Link {
  /** Of the host. */
  readonly address: string;
  /** What a command begins with that is to run on the host. */
  readonly within: readonly string[];
  /** Pulls the cable: packets vanish, either way, and nobody is told. */
  down(): Promise<void>;
  up(): Promise<void>;
  /** Delays or loses what goes to it, in the words of `tc … netem`: `delay 50ms loss 5%`; nothing ends that. */
  impair(netem: string): Promise<void>;
}

/** Hosts on a network of their own, which this process can reach. */
export interface Network {
  readonly links: readonly Link[];
  /** Of our end. */
  readonly name: string;
  remove(): Promise<void>;
}

/**
 * Makes a network of so many hosts: a bridge in a namespace of its own, and a namespace for each host. All that the machine itself gets is one link, whose address is of
 * a range that is kept for tests (RFC 2544); it is gone with the namespace of the bridge.
 */
export async function makeNetwork(size: number): Promise<Network> {
  const namespaces: Namespace[] = [];
  const make = async (): Promise<Namespace> => {
    const made = await makeNamespace();
    namespaces.push(made);
    return made;
  };
  const name = `rx${process.pid}x${randomInt(1_000)}`;
  const remove = async (): Promise<void> => {
    // What runs in a namespace keeps it for a moment longer; our link must not be there as long.
    await run('ip', ['link', 'del', 'dev', name]);
    await Promise.all(namespaces.splice(0).map((namespace) => namespace.release()));
  };
  try {
    const hub = await make();
    const hosts = await Promise.all(Array.from({ length: size }, make));
    const address = await freeSubnet(hub.pid);
    await hub.ip('link add name bridge type bridge', 'link set dev bridge up');
    await hub.ip(...hosts.flatMap(({ pid }, index) => cable(`host${index}`, `name uplink netns ${pid}`)));
    await hub.ip(...cable('outside', `name ${name} netns ${process.pid}`));
    await Promise.all(hosts.map((host, index) => host.ip(...configured('uplink', address(index + 1)), 'link set dev lo up')));
    await ip(configured(name, address(OURS)));
    return { links: hosts.map((host, index) => linkOf(host, hub, `host${index}`, address(index + 1))), name, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}

function linkOf({ within }: Namespace, hub: Namespace, port: string, address: string): Link {
  return {
    address,
    within,
    // At the bridge: the host keeps its address, and talks to itself as before.
    down: () => hub.ip(`link set dev ${port} down`),
    up: () => hub.ip(`link set dev ${port} up`),
    impair: (netem) => command([...hub.within, 'tc', 'qdisc', 'replace', 'dev', port, 'root', 'netem', ...netem.split(' ')]),
  };
}

const cable = (port: string, other: string): string[] => [
  `link add name ${port} type veth peer ${other}`,
  `link set dev ${port} master bridge up`,
];
const configured = (device: string, address: string): string[] => [
  `addr add ${address}/${BITS} dev ${device}`,
  `link set dev ${device} up`,
];

/**
 * The addresses of a network of sixteen that nobody here has a way to. They go by the process that holds it: those who look at the same time must not find the same.
 */
async function freeSubnet(pid: number): Promise<(host: number) => string> {
  const { stdout } = await run('ip', ['-4', 'route', 'show', 'table', 'all']);
  for (let index = pid; ; index += 1) {
    const first = (index % SUBNETS) * 2 ** (32 - BITS);
    const address = (host: number): string => `198.${18 + (first >> 16)}.${(first >> 8) & 255}.${(first & 255) + host}`;
    if (!stdout.includes(`${address(0)}/${BITS}`)) return address;
  }
}
