import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { downloadPackages, type Wanted } from '../etcd/aptDownload.js';
import { findOnPath } from '../etcd/binary.js';
import { ownMirror } from '../etcd/debian.js';
import { cacheFolder } from '../etcd/project.js';

/** The proxies that tests use. */
export type ProxyKind = 'nginx' | 'haproxy';

/** A program, and the folder of the libraries that were downloaded with it. */
export interface Program {
  readonly file: string;
  readonly libraries: string | undefined;
}

export const KINDS: readonly ProxyKind[] = ['nginx', 'haproxy'];
const downloads = new Map<string, Promise<void>>();

/** Only root has `sbin` on the PATH. */
const PATH = [process.env['PATH'], '/usr/sbin', '/usr/local/sbin'].join(':');

/** Returns why proxies are not available on this machine; undefined if they are. */
export function proxiesRefused(): string | undefined {
  if (KINDS.every((kind) => findOnPath(kind, PATH) !== undefined)) return undefined;
  const own = ownMirror();
  return typeof own === 'string' ? own : undefined;
}

/**
 * Finds an installed nginx or HAProxy, or downloads that of the machine's own distribution, with the libraries that the
 * machine lacks.
 */
export async function findProxy(kind: ProxyKind): Promise<Program> {
  const installed = findOnPath(kind, PATH);
  if (installed !== undefined) return { file: installed, libraries: undefined };
  const own = ownMirror();
  if (typeof own === 'string') throw new Error(`No ${kind} to test with: ${own}`);
  const { mirror, codename } = own;
  const suite = codename ?? mirror.suites[0] ?? 'stable';
  const folder = join(cacheFolder('proxies'), `${suite}-${process.arch}`);
  // Tests of one process start many proxies at a time.
  const download = downloads.get(folder) ?? downloadUnlessThere(folder, { mirror, suite, packages: KINDS, withMissing: true });
  downloads.set(folder, download);
  // A mirror may respond the next time.
  download.catch(() => downloads.delete(folder));
  await download;
  const triplet = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu';
  return { file: join(folder, 'usr', 'sbin', kind), libraries: join(folder, 'usr', 'lib', triplet) };
}

async function downloadUnlessThere(folder: string, wanted: Wanted): Promise<void> {
  if (!existsSync(folder)) await downloadPackages(wanted, folder);
}
