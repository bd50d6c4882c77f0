import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pickMirror, readAptSources, type AptSource } from './aptSources.js';
import { findOnPath, inspectBinary } from './binary.js';
import { downloadPackages } from './aptDownload.js';
import { cacheFolder } from './project.js';
import type { BinarySource } from './types.js';
import { debianSuites, versionMatches } from './versions.js';

/** The suites to try, the best first. */
export function suitesFor(asked: string | undefined, distribution: string | undefined, codename: string | undefined): string[] {
  const own = codename === undefined ? [] : [codename];
  // Ubuntu and others: their mirrors have none of Debian's suites.
  if (distribution !== 'debian') return own;
  if (asked === undefined) return [...new Set(['trixie', ...own])];
  const known = debianSuites.filter(({ version }) => versionMatches(asked, version)).map(({ suite }) => suite);
  // A version that no frozen suite has may be in the one that is updated.
  return known.length > 0 ? known : ['sid'];
}

function osRelease(): { id: string | undefined; codename: string | undefined } {
  const text = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  const field = (key: string): string | undefined => new RegExp(`^${key}="?([^"\\n]+)"?$`, 'm').exec(text)?.[1];
  return { id: field('ID'), codename: field('VERSION_CODENAME') };
}

const folderOf = (suite: string): string => join(cacheFolder(), `debian-${suite}-${process.arch}`);

/** The downloads of earlier runs. Only the preferred suite counts: the result must not depend on earlier tests. */
export async function findDownloaded(asked: string | undefined): Promise<BinarySource | undefined> {
  const { id, codename } = osRelease();
  const suite = suitesFor(asked, id, codename)[0];
  const etcd = suite === undefined ? undefined : binaryIn(folderOf(suite));
  if (etcd === undefined || !existsSync(etcd)) return undefined;
  const source = await inspectBinary(etcd);
  return versionMatches(asked, source.version) ? source : undefined;
}

const binaryIn = (folder: string): string => join(folder, 'usr', 'bin', 'etcd');

async function fromSuite(mirror: AptSource, suite: string, asked: string | undefined): Promise<BinarySource | string> {
  const folder = folderOf(suite);
  const etcd = binaryIn(folder);
  try {
    if (!existsSync(etcd)) await downloadPackages({ mirror, suite, packages: ['etcd-server', 'etcd-client'] }, folder);
    const source = await inspectBinary(etcd);
    return versionMatches(asked, source.version) ? source : `suite ${suite} has etcd ${source.version}, not ${asked}`;
  } catch (error) {
    return `suite ${suite}: ${error instanceof Error ? error.message : String(error)}`;
  }
}

/** The package sources of this machine. */
export interface OwnMirror {
  readonly mirror: AptSource;
  readonly id: string | undefined;
  readonly codename: string | undefined;
}

/** Finds the machine's own mirror. A string is the reason why there is none. */
export function ownMirror(): OwnMirror | string {
  const missing = ['apt-get', 'dpkg'].filter((program) => findOnPath(program) === undefined);
  if (missing.length > 0) return `this machine has no ${missing.join(' and no ')}`;
  const { id, codename } = osRelease();
  const mirror = pickMirror(readAptSources(), codename);
  return mirror === undefined
    ? 'no mirror of the distribution in /etc/apt/sources.list or /etc/apt/sources.list.d'
    : { mirror, id, codename };
}

/**
 * Downloads the packages `etcd-server` and `etcd-client` from the machine's own mirror. A string is the reason for a
 * failure.
 */
export async function findDebian(asked: string | undefined): Promise<BinarySource | string> {
  const own = ownMirror();
  if (typeof own === 'string') return own;
  const { mirror, id, codename } = own;
  const reasons: string[] = [];
  for (const suite of suitesFor(asked, id, codename)) {
    const found = await fromSuite(mirror, suite, asked);
    if (typeof found !== 'string') return { ...found, note: reasons.length === 0 ? undefined : reasons.join('; ') };
    reasons.push(found);
  }
  return reasons.join('; ') || 'the suite of this machine is unknown';
}
