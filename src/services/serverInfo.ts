import type { Decoder } from 'io-ts';
import { map, type Observable } from 'rxjs';
import { parseMetrics, ServerHealth, ServerVersion } from '../codec/serverInfo.js';
import { EtcdError, type ErrorDetails, UnsupportedServerVersionError } from '../errors/index.js';
import { parseJson } from '../model/validate.js';
import { failuresOf } from '../model/validator.js';
import type { Caller, CallOptions, PlainAnswer } from '../transport/call.js';
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
  const ask = <A>(path: string, read: (answer: PlainAnswer, where: ErrorDetails) => A, options: CallOptions | undefined): Observable<A> =>
    caller.get(path, options).pipe(map((answer) => read(answer, { rpc: `GET ${path}`, endpoint: answer.endpoint })));
  return {
    version: (options?: CallOptions) =>
      ask('/version', (answer, where) => decodeJson(ServerVersion, jsonBody(okAnswer(answer)), where), options),
    // The response of an unhealthy server has the status 503, but the same form.
    health: (options?: CallOptions) =>
      ask('/health', (answer, where) => decodeJson(ServerHealth, jsonBody(existing(answer)), where), options),
    livez: (options?: CallOptions) => ask('/livez?verbose', checksIn, options),
    readyz: (options?: CallOptions) => ask('/readyz?verbose', checksIn, options),
    metrics: (options?: CallOptions) => ask('/metrics', (answer, where) => parseMetrics(okAnswer(answer).body, where), options),
    metricsText: (options?: CallOptions) => ask('/metrics', (answer) => okAnswer(answer).body, options),
  };
}

/** The first release of etcd 3.5 that has `/livez` and `/readyz`. etcd 3.4.29 has both paths as well. */
const CHECKS_SINCE = '3.5.11';

/** Reads the lines `[+]name ok` and `[-]name failed: reason`. A failure has the status 503. */
function checksIn({ response, version }: PlainAnswer, where: ErrorDetails): HealthChecks {
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
function existing({ response }: PlainAnswer): PlainResponse {
  if (response.status === 404) throw response.error();
  return response;
}

function okAnswer({ response }: PlainAnswer): PlainResponse {
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
