import { roleRevokePermissionAsText } from '../../codec/auth.js';
import type { Rpc } from '../../codec/descriptors.js';
import { isAtLeast, type ServerVersion } from '../../transport/endpoints/version.js';
import { RPCS } from '../network.js';

/** An RPC with its path. */
export interface Route {
  readonly rpc: Rpc<never, unknown>;
  /**
   * The kind of stream. `none` means one response, `responses` means several responses, and `both` means several
   * requests and several responses.
   */
  readonly streams: 'none' | 'responses' | 'both';
}

const STREAMS: Readonly<Record<string, Route['streams']>> = {
  '/watch': 'both',
  '/lease/keepalive': 'both',
  '/election/observe': 'responses',
  '/maintenance/snapshot': 'responses',
};

/** Matches the paths of RPCs that have two paths since etcd 3.4. */
const ALSO_UNDER_LEASE = /^\/kv(?=\/lease\/)/;

/** Returns the RPCs of a version of etcd, by their paths without the gateway's prefix, such as `/v3`. */
export function routesOf(version: ServerVersion): ReadonlyMap<string, Route> {
  const has = (least: string): boolean => isAtLeast(version, least);
  const routes = new Map<string, Route>();
  for (const rpc of RPCS) {
    // The list has several forms of some RPCs. The first form of an RPC is the plain one.
    if (routes.has(rpc.path) || (rpc.since !== undefined && !has(rpc.since))) continue;
    const route: Route = { rpc, streams: STREAMS[rpc.path] ?? 'none' };
    routes.set(rpc.path, route);
    if (has('3.4')) routes.set(rpc.path.replace(ALSO_UNDER_LEASE, ''), route);
  }
  if (!has('3.4')) routes.set(roleRevokePermissionAsText.path, { rpc: roleRevokePermissionAsText, streams: 'none' });
  return routes;
}
