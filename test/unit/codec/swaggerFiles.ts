import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { authRpcs } from '../../../src/codec/auth.js';
import { clusterRpcs } from '../../../src/codec/cluster.js';
import { electionRpcs, lockRpcs } from '../../../src/codec/concurrency.js';
import { kvRpcs } from '../../../src/codec/kv.js';
import { leaseRpcs } from '../../../src/codec/lease.js';
import { maintenanceRpcs } from '../../../src/codec/maintenance.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { watchRpcs } from '../../../src/codec/watch.js';

/** Second paths of RPCs; our tables have only their first path. */
export const ALIASES: Readonly<Record<string, string>> = {
  '/lease/revoke': '/kv/lease/revoke',
  '/lease/timetolive': '/kv/lease/timetolive',
  '/lease/leases': '/kv/lease/leases',
};

/** Paths that one version describes as another RPC than the other versions do. */
export const OTHER_RPC: Readonly<Record<string, { readonly in: readonly string[]; readonly is: string }>> = {
  // 3.3 and 3.4 used this path for two RPCs; see the comment on `hash`.
  '/maintenance/hash': { in: ['3.3', '3.4'], is: '/maintenance/hashkv' },
};

/** Fields whose kind differs in one version: there they count as missing. */
export const OTHER_KIND: Readonly<Record<string, readonly string[]>> = {
  // Plain text in 3.2, bytes since: as bytes these are fields of 3.3.
  'AuthRoleRevokePermissionRequest.key': ['3.2'],
  'AuthRoleRevokePermissionRequest.range_end': ['3.2'],
};

export const withoutPrefix = (path: string): string => path.replace(/^\/v3(alpha|beta)?(?=\/)/, '');

const FOLDER = join(process.cwd(), '../shared/spec');
export const present = existsSync(FOLDER);
if (!present) console.warn(`codecs are not held against etcd's swagger files: there is no folder ${join('..', 'shared', 'spec')}`);

const TABLES = { kvRpcs, leaseRpcs, watchRpcs, authRpcs, clusterRpcs, maintenanceRpcs, lockRpcs, electionRpcs };
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- RPCs of every request and answer, of which only the kinds are looked at
export type AnyRpc = Rpc<any, any>;
export const RPCS: readonly AnyRpc[] = Object.values<Readonly<Record<string, AnyRpc>>>(TABLES).flatMap((table) => Object.values(table));

export const byNumber = (a: string, b: string): number => a.localeCompare(b, 'en', { numeric: true });
const minorOf = (version: string): string => version.split('.').slice(0, 2).join('.');

/** Reads the swagger files of each version, as JSON, the oldest first; none if the folder is missing. */
export function readSwaggerFiles(): { readonly minor: string; readonly files: readonly unknown[] }[] {
  if (!present) return [];
  return readdirSync(FOLDER)
    .filter((name) => /^\d+\.\d+\.\d+$/.test(name))
    .sort(byNumber)
    .map((name) => {
      const files = readdirSync(join(FOLDER, name)).filter((file) => file.endsWith('.swagger.json'));
      return { minor: minorOf(name), files: files.map((file) => JSON.parse(readFileSync(join(FOLDER, name, file), 'utf8')) as unknown) };
    });
}
