import { randomInt } from 'node:crypto';
import { run } from '../../etcd/index.js';
import { command, ip, makeNamespace, type Namespace } from './networkNamespace.js';

/** The prefix length of a network of thirteen hosts and this machine. */
const BITS = 28;
const OURS = 14;
/** The number of such networks in 198.18.0.0/15. */
const SUBNETS = 2 ** (BITS - 15);

/** The link between one host and the network. */
export interface Link {
  /** The address of the host. */
  readonly address: string;
  /** The prefix of a command that runs on the host. */
  readonly within: readonly string[];
  /** Takes the link down: packets are dropped in both directions, without an error. */
  down(): Promise<void>;
  up(): Promise<void>;
  /**
   * Delays or drops packets to the host, by the arguments of `tc … netem`: `delay 50ms loss 5%`. It cannot be undone.
   */
  impair(netem: string): Promise<void>;
}

/** Hosts on a separate network, which this process can reach. */
export interface Network {
  readonly links: readonly Link[];
  /** The name of the link at this machine's end. */
  readonly name: string;
  remove(): Promise<void>;
}

/**
 * Creates a network of `size` hosts: a bridge in a separate namespace, and a namespace for each host. The machine
 * itself gets only one link, whose address is in a range that is reserved for tests (RFC 2544). The link is deleted
 * with the namespace of the bridge.
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
    // A process that runs in the namespace keeps it for a moment longer; our link must be deleted before.
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
    // The link is taken down at the bridge, so the host keeps its address, and can still reach itself.
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
 * Finds the addresses of a network of sixteen without a route from this machine. The search starts at a process id, so
 * that processes that search at the same time find different networks.
 */
async function freeSubnet(pid: number): Promise<(host: number) => string> {
  const { stdout } = await run('ip', ['-4', 'route', 'show', 'table', 'all']);
  for (let index = pid; ; index += 1) {
    const first = (index % SUBNETS) * 2 ** (32 - BITS);
    const address = (host: number): string => `198.${18 + (first >> 16)}.${(first >> 8) & 255}.${(first & 255) + host}`;
    if (!stdout.includes(`${address(0)}/${BITS}`)) return address;
  }
}
