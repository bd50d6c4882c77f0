import { findInstalled, findOnPath, toolBeside } from './binary.js';
import { findDebian } from './debian.js';
import { run, type RunResult } from './run.js';
import type { EtcdServer } from './types.js';
import { askedVersion } from './versions.js';

export interface EtcdctlOptions {
  readonly input?: string | Uint8Array | undefined;
  readonly env?: Readonly<Record<string, string>> | undefined;
  /** Default 20 000. */
  readonly timeoutMs?: number | undefined;
}

export interface Tools {
  readonly etcdctl: string;
  /** Exists from 3.5 on. */
  readonly etcdutl: string | undefined;
}

/** The tools of an installed or downloaded etcd; a server in a container or elsewhere needs them here as well. */
export async function findTools(version?: string): Promise<Tools> {
  const asked = askedVersion(version);
  const reasons: string[] = [];
  for (const find of [findInstalled, findDebian]) {
    const source = await find(asked);
    if (typeof source === 'string') reasons.push(source);
    else {
      const etcdctl = toolBeside(source.etcd, 'etcdctl') ?? findOnPath('etcdctl');
      if (etcdctl !== undefined) return { etcdctl, etcdutl: toolBeside(source.etcd, 'etcdutl') };
      reasons.push(`no etcdctl beside ${source.etcd}`);
    }
  }
  const etcdctl = findOnPath('etcdctl');
  if (etcdctl !== undefined) return { etcdctl, etcdutl: findOnPath('etcdutl') };
  throw new Error(`No etcdctl${asked === undefined ? '' : ` ${asked}`}: put one on PATH. ${reasons.join('; ')}`);
}

/**
 * The version of the tools for this server: the patch version of a container need not be packaged, but its minor
 * version is.
 */
const minor = (version: string): string => version.split('.').slice(0, 2).join('.');

/** Runs the matching etcdctl against a server. Does not reject on an exit code. */
export async function etcdctl(server: EtcdServer, args: readonly string[], options: EtcdctlOptions = {}): Promise<RunResult> {
  const tools = await findTools(server.kind === 'process' ? server.version : minor(server.version));
  const { clientTls: tls } = server;
  const files = tls ? ['--cacert', tls.caFile, '--cert', tls.probeCertFile ?? tls.certFile, '--key', tls.probeKeyFile ?? tls.keyFile] : [];
  return run(tools.etcdctl, ['--endpoints', server.endpoint, ...files, ...args], {
    input: options.input,
    env: { ETCDCTL_API: '3', ...options.env },
    timeoutMs: options.timeoutMs ?? 20_000,
  });
}

export interface SnapshotStatus {
  readonly hash: number;
  readonly revision: number;
  readonly totalKey: number;
  readonly totalSize: number;
}

/** Returns the content of a snapshot file; rejects if the file is damaged. */
export async function snapshotStatus(file: string, version?: string): Promise<SnapshotStatus> {
  const { etcdctl: ctl, etcdutl } = await findTools(version);
  const { stdout, stderr, code } = await run(etcdutl ?? ctl, ['snapshot', 'status', file, '--write-out', 'json'], {
    env: { ETCDCTL_API: '3' },
  });
  if (code !== 0) throw new Error(`snapshot status of ${file}: ${stderr.trim()}`);
  const answer = new Map(Object.entries(JSON.parse(stdout) as object));
  const count = (key: string): number => Number(answer.get(key));
  return { hash: count('hash'), revision: count('revision'), totalKey: count('totalKey'), totalSize: count('totalSize') };
}
