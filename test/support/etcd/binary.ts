import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { run } from './run.js';
import type { BinarySource } from './types.js';
import { parseVersion, versionMatches } from './versions.js';

export const fastFlags = ['--unsafe-no-fsync', '--log-level', 'error'] as const;

export function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

export function findOnPath(program: string, path: string = process.env['PATH'] ?? ''): string | undefined {
  return path
    .split(delimiter)
    .filter((folder) => folder !== '')
    .map((folder) => join(folder, program))
    .find(isExecutable);
}

/**
 * Returns the version of a binary, and whether it has the flags for speed: 3.4 accepts them without listing them in
 * `--help`.
 */
export async function inspectBinary(etcd: string): Promise<BinarySource> {
  const fast = await run(etcd, [...fastFlags, '--version']);
  const knowsFastFlags = fast.code === 0;
  const answer = knowsFastFlags ? fast : await run(etcd, ['--version']);
  const version = parseVersion(answer.stdout);
  if (version === undefined) throw new Error(`${etcd} --version does not name an etcd version`);
  return { kind: 'binary', etcd, version, knowsFastFlags };
}

/** Finds `ETCD_BIN`, or `etcd` on PATH. A string is the reason why there is none. */
export async function findInstalled(asked: string | undefined): Promise<BinarySource | string> {
  const set = process.env['ETCD_BIN'];
  // An invalid setting of the user must be an error.
  if (set !== undefined && set !== '' && !isExecutable(set)) throw new Error(`ETCD_BIN=${set} is not a program that can be run`);
  const etcd = set !== undefined && set !== '' ? set : findOnPath('etcd');
  if (etcd === undefined) return 'ETCD_BIN is not set, and there is no etcd on PATH';
  const source = await inspectBinary(etcd);
  return versionMatches(asked, source.version) ? source : `${etcd} is ${source.version}, not ${asked}`;
}

/** Finds a tool of the same package, in the folder of the server. */
export function toolBeside(etcd: string, tool: 'etcdctl' | 'etcdutl'): string | undefined {
  const file = join(dirname(etcd), tool);
  return isExecutable(file) ? file : undefined;
}
