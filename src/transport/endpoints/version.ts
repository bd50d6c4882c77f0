import type { Rpc } from '../../codec/descriptors.js';
import { newerField, NEWEST_FIELD } from '../../codec/message.js';
import { EtcdError, UnsupportedServerVersionError } from '../../errors/index.js';
import { tooDeep } from '../../model/validate.js';

/** A version of etcd, as far as rxetcd depends on it. */
export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** The version as the server reports it: `3.5.30`. */
  readonly text: string;
}

/** Parses `3.5.30`, `3.5` or `3.6.0-alpha.0`; returns undefined for a text that does not begin with two numbers. */
export function parseVersion(text: string): ServerVersion | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?(?:[.+-]|$)/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3] ?? 0), text };
}

/** The versions that calls require, which are the same few in every call. */
const parsed = new Map<string, ServerVersion | undefined>();

function required(text: string): ServerVersion | undefined {
  if (!parsed.has(text)) parsed.set(text, parseVersion(text));
  return parsed.get(text);
}

/**
 * Returns whether `version` is `atLeast` (`3.4`, `3.4.16`) or newer. A pre-release counts as the release that it
 * precedes.
 */
export function isAtLeast(version: ServerVersion, atLeast: string): boolean {
  const least = required(atLeast);
  if (least === undefined) return true;
  if (version.major !== least.major) return version.major > least.major;
  if (version.minor !== least.minor) return version.minor > least.minor;
  return version.patch >= least.patch;
}

/** The oldest etcd whose gateway rxetcd speaks. */
export const OLDEST = '3.2';

/** Names a port without the gateway. etcd has one if HTTP is served on a separate port. */
export const GRPC_ONLY = 'gRPC only, use the address of --listen-client-http-urls';

/** Returns the path before `/version`, `/health` and `/metrics` for a gateway at this path: `/etcd` for `/etcd/v3`. */
export const basePathOf = (apiPrefix: string): string => /^(.*)\/v3(?:alpha|beta)?$/.exec(apiPrefix)?.[1] ?? '';

/** Returns the path prefix of the RPCs of a gateway; undefined for a version older than {@link OLDEST}. */
export function gatewayPrefix(version: ServerVersion): string | undefined {
  if (!isAtLeast(version, OLDEST)) return undefined;
  if (isAtLeast(version, '3.4')) return '/v3';
  return isAtLeast(version, '3.3') ? '/v3beta' : '/v3alpha';
}

/** A route to a server whose version is known, or hidden by a proxy. */
interface VersionedRoute {
  readonly info: { readonly version: ServerVersion | undefined };
  readonly endpoint: { readonly address: string };
}

/**
 * Refuses a request that the server does not support.
 * @throws EtcdError `UnsupportedServerVersion` if the server lacks the RPC, or would ignore a field of the request
 */
export function refuseNewer<In>(rpc: Rpc<In, unknown>, request: In, { info: { version }, endpoint }: VersionedRoute): void {
  if (version === undefined) return;
  const knows = (since: string): boolean => isAtLeast(version, since);
  const refuse = (what: string, required: string): never => {
    throw new UnsupportedServerVersionError(what, { rpc: rpc.name, endpoint: endpoint.address, required, found: version.text });
  };
  if (rpc.since !== undefined && !knows(rpc.since)) refuse(rpc.name, rpc.since);
  if (knows(NEWEST_FIELD)) return;
  const newer = newerIn(rpc, request, knows);
  if (newer !== undefined) refuse(newer.field, newer.since);
}

function newerIn<In>({ name, request: { kind } }: Rpc<In, unknown>, request: In, knows: (since: string) => boolean) {
  try {
    return newerField(kind, request, knows);
  } catch (error) {
    throw new EtcdError('InvalidArgument', `the request cannot be sent: ${tooDeep(error)}`, { rpc: name });
  }
}
