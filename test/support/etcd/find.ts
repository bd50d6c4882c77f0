import { findInstalled } from './binary.js';
import { findDebian, findDownloaded } from './debian.js';
import { engineMayRun, findDocker } from './docker.js';
import { findExternal } from './external.js';
import type { EtcdSource } from './types.js';
import { askedVersion } from './versions.js';

export interface FindOptions {
  readonly version?: string | undefined;
  /** Ignores `ETCD_ENDPOINTS`: the caller wants a separate server. */
  readonly own?: boolean | undefined;
  /** Ignores containers as well: the caller sends signals to the server. Implies `own`. */
  readonly asProcess?: boolean | undefined;
}

interface Way {
  readonly todo: string;
  readonly find: (asked: string | undefined) => Promise<EtcdSource | string>;
}

/**
 * An earlier download counts as installed if no container engine is found. A request to testcontainers first would cost
 * every test process most of a second.
 */
async function findHere(asked: string | undefined): Promise<EtcdSource | string> {
  const installed = await findInstalled(asked);
  if (typeof installed !== 'string' || engineMayRun()) return installed;
  return (await findDownloaded(asked)) ?? installed;
}

const running: Way = { todo: 'a running server: ETCD_ENDPOINTS=http://127.0.0.1:2379 (several with commas)', find: findExternal };
const ways: readonly Way[] = [
  { todo: 'an installed one: put etcd on PATH, or set ETCD_BIN=/path/to/etcd', find: findHere },
  { todo: 'Docker: start the engine, and let it pull quay.io/coreos/etcd (ETCD_IMAGE_TAG names the tag)', find: findDocker },
  { todo: 'Debian and kin: apt-get, dpkg and a mirror that can be reached (no root is needed)', find: findDebian },
];

/** No etcd can be had here, by any of the ways. */
export class NoEtcdError extends Error {}

const found = new Map<string, Promise<EtcdSource>>();

const processWays = ways.filter(({ find }) => find !== findDocker);

/** Finds an etcd of the requested version, or installs one; the search runs once per process. */
export async function findEtcd(options: FindOptions = {}): Promise<EtcdSource> {
  const asked = askedVersion(options.version);
  const external =
    options.own === true || options.asProcess === true ? 'not tried: this test needs a server of its own' : await running.find(asked);
  if (typeof external !== 'string') return external;
  const tried = options.asProcess === true ? processWays : ways;
  const key = [asked, process.env['ETCD_BIN'], process.env['ETCD_IMAGE_TAG'], tried.length].join(' ');
  const search = found.get(key) ?? tryAll(asked, external, tried);
  found.set(key, search);
  // A mirror may respond the next time.
  search.catch(() => found.delete(key));
  return search;
}

async function tryAll(asked: string | undefined, external: string, tried: readonly Way[]): Promise<EtcdSource> {
  const reasons = [external];
  for (const way of tried) {
    const result = await way.find(asked);
    if (typeof result !== 'string') return result;
    reasons.push(result);
  }
  const report = [running, ...tried].map(
    ({ todo }, index) => `  ${index + 1}. ${todo}\n     ${(reasons[index] ?? '').replaceAll('\n', '\n     ')}`,
  );
  throw new NoEtcdError(
    `No etcd${asked === undefined ? '' : ` ${asked}`} to test with. The ways to have one, and why each failed here:\n${report.join('\n')}`,
  );
}
