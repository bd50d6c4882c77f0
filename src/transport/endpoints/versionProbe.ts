import { isRecord } from '../../codec/message.js';
import { type ErrorDetails, EtcdError, hasReason, isEtcdError, UnsupportedServerVersionError } from '../../errors/index.js';
import { jsonIn } from '../../model/validate.js';
import { gatewayPrefix, GRPC_ONLY, OLDEST, parseVersion } from './version.js';
import { catchError, map, switchMap, take, throwError, timeout, type Observable } from 'rxjs';
import type { Endpoint, ServerInfo } from './endpointPool.js';
import type { PlainResponse } from '../wire.js';

/** The request that comes before the first call to an endpoint. */
const QUESTION = 'GET /version';

/** How long a server may take to respond without TLS, in milliseconds. */
const PLAIN_MS = 1_000;

/**
 * Reads the response of a server to `GET /version`.
 *
 * @param plain requests the same without TLS, and sends no secret
 * @param apiPrefix the path of the gateway, if the user set it. A server that hides its version, perhaps behind a
 * proxy, then counts as a new one.
 */
export function discoverServer(
  response: Observable<PlainResponse>,
  endpoint: Pick<Endpoint, 'address' | 'basePath' | 'knownVersion'>,
  apiPrefix: string | undefined,
  plain?: Observable<unknown>,
): Observable<ServerInfo> {
  const { address, basePath } = endpoint;
  const where = { rpc: QUESTION, endpoint: address };
  return response.pipe(
    catchError((error: unknown) => {
      if (
        plain !== undefined &&
        hasReason(error, 'Unreachable') &&
        address.startsWith('https:') &&
        !endpoint.knownVersion &&
        isReset(error.cause)
      ) {
        return handshakeCut(error, address, plain);
      }
      return throwError(() => (hasReason(error, 'ConnectionLost') ? closedEarly(error, address) : error));
    }),
    map((answer) => {
      const { status, body } = answer;
      const text = status === 200 ? versionIn(body) : undefined;
      const version = text === undefined ? undefined : parseVersion(text);
      // The server reported its version before, so a proxy responds in its place.
      if (version === undefined && endpoint.knownVersion) {
        const cause = answer.errorOfProxy();
        throw new EtcdError('Unreachable', `etcd is not reached: ${cause.message}`, { ...where, cause });
      }
      if (apiPrefix !== undefined) return { version, prefix: basePath + apiPrefix };
      // Perhaps a proxy that does not reach the server: the next endpoint may do better.
      if (status >= 502 && status <= 504) throw answer.error();
      if (version === undefined) {
        const { redirectsTo } = answer;
        const advice = redirectsTo === undefined ? adviceFor(status) : `it leads to ${redirectsTo}; set the endpoints to where etcd is`;
        throw new EtcdError('MalformedResponse', `HTTP ${status} without a version of etcd: ${advice}`, where);
      }
      const prefix = gatewayPrefix(version);
      if (prefix === undefined) throw new UnsupportedServerVersionError('rxetcd', { ...where, required: OLDEST, found: version.text });
      return { version, prefix: basePath + prefix };
    }),
  );
}

const NOT_A_CLIENT_PORT =
  'a grpc-proxy or a port for metrics has none, and no JSON gateway either; use a client URL of a member. If a proxy hides the version, set apiPrefix';

/**
 * Returns advice for a response without a version. A grpc-proxy and a port for metrics have metrics and health, but
 * neither a version nor a gateway.
 */
const adviceFor = (status: number): string => (status === 404 ? NOT_A_CLIENT_PORT : 'is this an etcd? If it is, set apiPrefix');

/** Adds the name of the call to the failure of the version request that came before it. */
export function failedBefore(rpc: string, error: unknown): unknown {
  if (!isEtcdError(error) || error.rpc !== QUESTION || rpc === QUESTION || error.reason === 'UnsupportedServerVersion') return error;
  return new EtcdError(error.reason, `${rpc} failed: ${error.message}`, error);
}

/**
 * Errors after a TLS handshake that the server cut off. A server that does not speak TLS does so, and so does a proxy
 * whose server is down. Only the former responds without TLS.
 *
 * @param plain requests the version without TLS, and sends no secret
 */
function handshakeCut({ rpc, cause }: EtcdError, address: string, plain: Observable<unknown>): Observable<never> {
  const where = { rpc, endpoint: address, cause };
  const unknown = new EtcdError(
    'Unreachable',
    `no connection: the TLS handshake was cut off. If the server does not speak TLS, the endpoint has to be http`,
    where,
  );
  const notTls = new EtcdError('TlsFailed', 'no TLS connection: what answers does not speak TLS: is the endpoint http?', where);
  return plain.pipe(
    take(1),
    timeout({ first: PLAIN_MS, with: () => throwError(() => unknown) }),
    catchError(() => throwError(() => unknown)),
    switchMap(() => throwError(() => notTls)),
  );
}

const isReset = (cause: unknown): boolean => (cause as { code?: unknown } | null | undefined)?.code === 'ECONNRESET';

/** Adds advice to the failure of a connection that was closed at the first request. */
function closedEarly({ reason, rpc, cause }: EtcdError, origin: string): EtcdError {
  const advice = origin.startsWith('http:') ? 'If the server speaks TLS, the endpoint has to be https' : `If this port serves ${GRPC_ONLY}`;
  return new EtcdError(reason, `no answer: the connection was closed. ${advice}`, { rpc, endpoint: origin, cause });
}

/**
 * Limits the time of a response that calls share. As calls come and go, they would otherwise share the wait for a lost
 * response for ever.
 */
export function lostAfter<T>(ms: number, answer: Observable<T>, where: ErrorDetails): Observable<T> {
  if (ms === Infinity) return answer;
  return answer.pipe(
    timeout({ first: ms, with: () => throwError(() => new EtcdError('Unreachable', `nothing was heard for ${ms} ms`, where)) }),
  );
}

/**
 * Checks by `GET /health` whether a server serves. The server reads with a quorum for that, which it does not do for
 * `GET /version`. A server without that path passes the check as well.
 */
export function checkServer(response: Observable<PlainResponse>): Observable<void> {
  return response.pipe(
    map((answer) => {
      if (answer.status >= 500) throw answer.error();
    }),
  );
}

function versionIn(body: string): string | undefined {
  const json = jsonIn(body);
  const version = isRecord(json) ? json['etcdserver'] : undefined;
  return typeof version === 'string' ? version : undefined;
}
