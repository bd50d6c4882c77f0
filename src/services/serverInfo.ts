import type { Decoder } from 'io-ts';
import { map, type Observable } from 'rxjs';
import { parseMetrics, ServerHealth, ServerVersion } from '../codec/serverInfo.js';
import { EtcdError, type ErrorDetails, UnsupportedServerVersionError } from '../errors/index.js';
import { parseJson } from '../model/validate.js';
import { failuresOf } from '../model/validator.js';
import type { Caller, CallOptions, PlainResult } from '../transport/call.js';
import type { PlainResponse } from '../transport/wire.js';
import { isAtLeast } from '../transport/endpoints/version.js';
import { isRight } from '../util/either.js';

/** A health check of a server. */
export interface HealthCheck {
  /** The name that etcd uses, such as `linearizable_read`. */
  readonly name: string;
  readonly ok: boolean;
  /** The cause, if the check has failed. */
  readonly reason?: string;
}

/** The health checks of a server, in no particular order. */
export interface HealthChecks {
  /** Whether all checks passed. */
  readonly ok: boolean;
  readonly checks: readonly HealthCheck[];
}

/** Creates the plain HTTP requests to a server over a caller. */
export function serverInfoService(caller: Caller) {
  const get = <A>(path: string, read: (result: PlainResult, where: ErrorDetails) => A, options: CallOptions | undefined): Observable<A> =>
    caller.get(path, options).pipe(map((result) => read(result, { rpc: `GET ${path}`, endpoint: result.endpoint })));
  return {
    version: (options?: CallOptions) =>
      get('/version', (result, where) => decodeJson(ServerVersion, jsonBody(okResponse(result)), where), options),
    // The response of an unhealthy server has the status 503, but the same form.
    health: (options?: CallOptions) =>
      get('/health', (result, where) => decodeJson(ServerHealth, jsonBody(existing(result)), where), options),
    livez: (options?: CallOptions) => get('/livez?verbose', checksIn, options),
    readyz: (options?: CallOptions) => get('/readyz?verbose', checksIn, options),
    metrics: (options?: CallOptions) => get('/metrics', (result, where) => parseMetrics(okResponse(result).body, where), options),
    metricsText: (options?: CallOptions) => get('/metrics', (result) => okResponse(result).body, options),
  };
}

/** The first release of etcd 3.5 that has `/livez` and `/readyz`. etcd 3.4.29 has both paths as well. */
const CHECKS_SINCE = '3.5.11';

/** Reads the lines `[+]name ok` and `[-]name failed: reason`. A failure has the status 503. */
function checksIn({ response, version }: PlainResult, where: ErrorDetails): HealthChecks {
  const { status, body } = response;
  if (status === 404 && version !== undefined && !isAtLeast(version, CHECKS_SINCE))
    throw new UnsupportedServerVersionError(where.rpc ?? '', { ...where, required: CHECKS_SINCE, found: version.text });
  const checks = [...body.matchAll(/^\[([+-])\](\S+) (?:ok|failed: (.*))$/gm)].map(([, sign, name = '', reason]): HealthCheck => ({
    name,
    ok: sign === '+',
    ...(reason === undefined ? {} : { reason }),
  }));
  // A response of etcd names at least one check, whatever its status is.
  if (checks.length === 0) throw response.error();
  return { ok: status === 200, checks };
}

/**
 * Returns a response. If the server does not have the path, its port is not for clients, and the function throws.
 *
 * @throws EtcdError that names the port to use
 */
function existing({ response }: PlainResult): PlainResponse {
  if (response.status === 404) throw response.error();
  return response;
}

function okResponse({ response }: PlainResult): PlainResponse {
  if (response.status !== 200) throw response.error();
  return response;
}

/** Returns the body of a response if it is JSON. Any other response comes from a proxy in front of etcd. */
function jsonBody(response: PlainResponse): string {
  if (response.isPage) throw response.error();
  return response.body;
}

function decodeJson<A>(codec: Decoder<unknown, A>, body: string, where: ErrorDetails): A {
  const decoded = codec.decode(parseJson(body, where));
  if (isRight(decoded)) return decoded.right;
  throw new EtcdError('MalformedResponse', failuresOf(decoded.left).join('; '), where);
}
