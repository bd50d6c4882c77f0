import type { Rpc } from '../codec/rpc.js';
import { newerField, NEWEST_FIELD } from '../codec/since.js';
import { UnsupportedServerVersionError } from '../errors/index.js';
import type { Route } from './route.js';
import { isAtLeast } from './endpoints/version.js';

/** @throws EtcdError `UnsupportedServerVersion` where the server lacks the RPC, or would ignore a field of the request */
export function refuseNewer<In>(rpc: Rpc<In, unknown>, request: In, { info: { version }, endpoint }: Route): void {
  if (version === undefined) return;
  const knows = (since: string): boolean => isAtLeast(version, since);
  const refuse = (what: string, required: string): never => {
    throw new UnsupportedServerVersionError(what, { rpc: rpc.name, endpoint: endpoint.origin, required, found: version.text });
  };
  if (rpc.since !== undefined && !knows(rpc.since)) refuse(rpc.name, rpc.since);
  if (knows(NEWEST_FIELD)) return;
  const newer = newerField(rpc.request.kind, request, knows);
  if (newer !== undefined) refuse(newer.field, newer.since);
}
