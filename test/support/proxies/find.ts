import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { downloadPackages } from '../etcd/aptDownload.js';
import { findOnPath } from '../etcd/binary.js';
import { ownMirror } from '../etcd/debian.js';
import { cacheFolder } from '../etcd/project.js';

/** The proxies that tests use. */
export type ProxyKind = 'nginx' | 'haproxy';

/** A program, and where the libraries are that it was downloaded with. */
export interface Program {
  readonly file: string;
  readonly libraries: string | undefined;
}

const KINDS: readonly ProxyKind[] = ['nginx', 'haproxy'];
/** `sbin` is on root's PATH only. */
const PATH = [process.env['PATH'], '/usr/sbin', '/usr/local/sbin'].join(':');

/** Says why proxies cannot be had on this machine; undefined where they can. */
export function proxiesRefused(): string | undefined {
  if (KINDS.every((kind) => findOnPath(kind, PATH) !== undefined)) return undefined;
  const own = ownMirror();
  return typeof own === 'string' ? own : undefined;
}

/** Finds an installed nginx or HAProxy, or brings that of the machine's own distribution, unpacked, with the libraries that the machine lacks. */
export async function findProxy(kind: ProxyKind): Promise<Program> {
  const installed = findOnPath(kind, PATH);
  if (installed !== undefined) return { file: installed, libraries: undefined };
  const own = ownMirror();
  if (typeof own === 'string') throw new Error(`No ${kind} to test with: ${own}`);
  const { mirror, codename } = own;
  const suite = codename ?? mirror.suites[0] ?? 'stable';
  const folder = join(cacheFolder('proxies'), `${suite}-${process.arch}`);
  if (!existsSync(folder)) await downloadPackages({ mirror, suite, packages: KINDS, withMissing: true }, folder);
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return { file: join(folder, 'usr', 'sbin', kind), libraries: join(folder, 'usr', 'lib', triplet) };
}
