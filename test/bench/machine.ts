import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg, totalmem } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../support/etcd/project.js';

/** Returns one line about the machine of the figures, which mean nothing without it. */
export function machine(etcdVersion: string): string {
  const [cpu] = cpus();
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`;
  const hardware = `${availableParallelism()} cores of ${cpu?.model.trim() ?? 'an unknown processor'}, ${memory}, ${process.platform} ${process.arch}`;
  const software = `Node ${process.versions.node}, undici ${versionOf('undici')}, rxjs ${versionOf('rxjs')}, etcd3 ${versionOf('etcd3')}, etcd ${etcdVersion}`;
  return `${hardware}; ${software}; server and client on the same machine`;
}

/** Returns the load of the machine: the average number of runnable processes in the last minute. */
export const load = (): string => (loadavg()[0] ?? 0).toFixed(1);

function versionOf(name: string): string {
  const { version } = JSON.parse(readFileSync(join(projectRoot(), 'node_modules', name, 'package.json'), 'utf8')) as { version: string };
  return version;
}
