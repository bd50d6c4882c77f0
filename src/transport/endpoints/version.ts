import { catchError, map, type Observable, of, take, throwError, timeout } from 'rxjs';
import type { Rpc } from '../../codec/descriptors.js';
import { findUnsupportedField, isRecord, NEWEST_SINCE } from '../../codec/message.js';
import { type ErrorDetails, EtcdError, hasReason, isEtcdError, UnsupportedServerVersionError } from '../../errors/index.js';
import { jsonIn, tooDeep } from '../../model/validate.js';
import type { PlainResponse } from '../wire.js';

/** The parts of etcd's version that rxetcd uses. */
export interface ServerVersion {
  readonly major: number;
  readonly minor: number;
  readonly patch: number;
  /** The version as the server reports it: `3.5.30`. */
  readonly text: string;
}

/**
 * Parses a version such as `3.5.30`, `3.5` or `3.6.0-alpha.0`. Returns undefined for a text that does not begin with
 * two numbers.
 */
export function parseVersion(text: string): ServerVersion | undefined {
  const match = /^(\d+)\.(\d+)(?:\.(\d+))?(?:[.+-]|$)/.exec(text);
  return match === null ? undefined : { major: Number(match[1]), minor: Number(match[2]), patch: Number(match[3] ?? 0), text };
}

/**
 * The parsed versions that RPCs and fields require. They are kept, because every call to an older server needs them and
 * there are few of them.
 */
const parsed = new Map<string, ServerVersion | undefined>();

function required(text: string): ServerVersion | undefined {
  if (!parsed.has(text)) parsed.set(text, parseVersion(text));
  return parsed.get(text);
}

/** Returns whether `version` is at least `atLeast`, such as `3.4` or `3.4.16`. A pre-release counts as its release. */
export function isAtLeast(version: ServerVersion, atLeast: string): boolean {
  const least = required(atLeast);
  if (least === undefined) return true;
  if (version.major !== least.major) return version.major > least.major;
  if (version.minor !== least.minor) return version.minor > least.minor;
  return version.patch >= least.patch;
}

/** The oldest version of etcd whose gateway rxetcd supports. */
export const OLDEST = '3.2';

/** The advice for a port without a gateway. Such a port exists if etcd serves HTTP on a separate port. */
export const GRPC_ONLY = 'gRPC only, use the address of --listen-client-http-urls';

/**
 * Returns the path before `/version`, `/health` and `/metrics`, for a gateway with the path `apiPrefix`. For `/etcd/v3`
 * it is `/etcd`.
 */
export const basePathOf = (apiPrefix: string): string => /^(.*)\/v3(?:alpha|beta)?$/.exec(apiPrefix)?.[1] ?? '';

/** Returns the path prefix of a gateway's RPCs; undefined if the version is older than {@link OLDEST}. */
export function gatewayPrefix(version: ServerVersion): string | undefined {
  if (!isAtLeast(version, OLDEST)) return undefined;
  if (isAtLeast(version, '3.4')) return '/v3';
  return isAtLeast(version, '3.3') ? '/v3beta' : '/v3alpha';
}

/**
 * The known facts about the server behind an endpoint. The version is undefined if the server hides it and the user has
 * set `apiPrefix`.
 */
export interface ServerInfo {
  readonly version: ServerVersion | undefined;
  /** The path prefix of the gateway's RPCs: `/v3`. */
  readonly prefix: string;
  /**
   * Whether the server has all RPCs and fields that rxetcd knows, or its version is unknown. If so,
   * {@link assertSupported} need not check requests.
   */
  readonly supportsAll: boolean;
}

/** Returns the facts that follow from a server's version, for a gateway with this prefix. */
const infoOf = (version: ServerVersion | undefined, prefix: string): ServerInfo => ({
  version,
  prefix,
  supportsAll: version === undefined || isAtLeast(version, NEWEST_SINCE),
});

/** A route to a server. The version of the server is known, unless a proxy hides it. */
interface VersionedRoute {
  readonly info: { readonly version: ServerVersion | undefined };
  readonly endpoint: { readonly address: string };
}

/**
 * Rejects a request that the server does not support.
 *
 * @throws EtcdError `UnsupportedServerVersion` if the server lacks the RPC, or would ignore a field of the request
 */
export function assertSupported<In>(rpc: Rpc<In, unknown>, request: In, { info: { version }, endpoint }: VersionedRoute): void {
  if (version === undefined) return;
  const knows = (since: string): boolean => isAtLeast(version, since);
  const refuse = (what: string, required: string): never => {
    throw new UnsupportedServerVersionError(what, { rpc: rpc.name, endpoint: endpoint.address, required, found: version.text });
  };
  if (rpc.since !== undefined && !knows(rpc.since)) refuse(rpc.name, rpc.since);
  const newer = newerIn(rpc, request, knows);
  if (newer !== undefined) refuse(newer.field, newer.since);
}

function newerIn<In>({ name, request: { kind } }: Rpc<In, unknown>, request: In, knows: (since: string) => boolean) {
  try {
    return findUnsupportedField(kind, request, knows);
  } catch (error) {
    throw new EtcdError('InvalidArgument', `the request cannot be sent: ${tooDeep(error)}`, { rpc: name });
  }
}

/** The request for the version, which precedes the first call to an endpoint. */
const VERSION_REQUEST = 'GET /version';

/** The timeout of a response without TLS, in milliseconds. */
const PLAIN_MS = 1_000;

/** The endpoint of a server whose version is requested. */
interface ProbedEndpoint {
  readonly address: string;
  readonly basePath: string;
  /** Whether the server has reported its version before. */
  readonly knownVersion: boolean;
}

/**
 * Reads the version in the response to `GET /version`, and returns the facts that follow from it.
 *
 * @param plain sends the same request without TLS, and without a secret
 * @param apiPrefix the path of the gateway, if the user set it. If it is set and the version is hidden, for example by
 * a proxy, the server counts as a new one
 */
export function probeVersion(
  response: Observable<PlainResponse>,
  endpoint: ProbedEndpoint,
  apiPrefix: string | undefined,
  plain?: Observable<PlainResponse>,
): Observable<ServerInfo> {
  const { address, basePath } = endpoint;
  const where = { rpc: VERSION_REQUEST, endpoint: address };
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
      return throwError(() => (hasReason(error, 'ConnectionLost') && isClosed(error.cause) ? closedEarly(error, address) : error));
    }),
    map((response) => {
      const { status, body } = response;
      const text = status === 200 ? versionIn(body) : undefined;
      const version = text === undefined ? undefined : parseVersion(text);
      // The server has reported its version before, so a proxy responds in its place now.
      if (version === undefined && endpoint.knownVersion) {
        const cause = response.errorOfProxy();
        throw new EtcdError('Unreachable', `etcd cannot be reached: ${cause.message}`, { ...where, cause });
      }
      if (apiPrefix !== undefined) return infoOf(version, basePath + apiPrefix);
      // A proxy may have sent this status because it cannot reach the server. The next endpoint may work.
      if (status >= 502 && status <= 504) throw response.error();
      if (version === undefined) {
        const { redirectsTo } = response;
        const advice =
          redirectsTo === undefined ? adviceFor(status) : `the server redirects to ${redirectsTo}; set the endpoints to etcd's URL`;
        throw new EtcdError('MalformedResponse', `HTTP ${status} without a version of etcd: ${advice}`, where);
      }
      const prefix = gatewayPrefix(version);
      if (prefix === undefined) throw new UnsupportedServerVersionError('rxetcd', { ...where, required: OLDEST, found: version.text });
      return infoOf(version, basePath + prefix);
    }),
  );
}

const NOT_A_CLIENT_PORT =
  'a grpc-proxy and a metrics port have no version and no JSON gateway; use a client URL of a member. If a proxy hides the version, set apiPrefix';

/**
 * Returns the advice for a response without a version. A grpc-proxy and a port for metrics have no version and no
 * gateway.
 */
const adviceFor = (status: number): string =>
  status === 404 ? NOT_A_CLIENT_PORT : 'check that the server is etcd. If a proxy hides the version, set apiPrefix';

/** Adds the name of a call to the failure of the version request that preceded the call. */
export function failedBefore(rpc: string, error: unknown): unknown {
  if (!isEtcdError(error) || error.rpc !== VERSION_REQUEST || rpc === VERSION_REQUEST || error.reason === 'UnsupportedServerVersion')
    return error;
  return new EtcdError(error.reason, `${rpc} failed: ${error.message}`, error);
}

/**
 * Returns the error for a TLS handshake that the server has aborted. A server without TLS aborts a handshake, and so
 * does a proxy whose server is down. Only a server without TLS accepts a plain request. A server with TLS may reject or
 * redirect it.
 *
 * @param plain requests the version without TLS, and without a secret
 */
function handshakeCut({ rpc, cause }: EtcdError, address: string, plain: Observable<PlainResponse>): Observable<never> {
  return plain.pipe(
    map(({ status }) => status < 300),
    take(1),
    timeout({ first: PLAIN_MS, with: () => of(false) }),
    catchError(() => of(false)),
    map((isWithoutTls) => {
      const [reason, problem] = isWithoutTls
        ? (['TlsFailed', 'no TLS connection: the server does not speak TLS; if that is intended,'] as const)
        : (['Unreachable', 'no connection: the TLS handshake was cut off. If the server does not use TLS,'] as const);
      throw new EtcdError(reason, `${problem} use an http:// endpoint`, { rpc, endpoint: address, cause });
    }),
  );
}

const codeOf = (cause: unknown): unknown => (cause as { code?: unknown } | null | undefined)?.code;
const isReset = (cause: unknown): boolean => codeOf(cause) === 'ECONNRESET';

/**
 * Returns whether the server closed the connection. A browser does not report the cause, and its errors have other
 * advice.
 */
const isClosed = (cause: unknown): boolean => ['ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'].includes(String(codeOf(cause)));

/** Adds advice to the error of a connection that the server closed at the first request. */
function closedEarly({ reason, rpc, cause }: EtcdError, origin: string): EtcdError {
  const advice = origin.startsWith('http:') ? 'If the server uses TLS, use an https:// endpoint' : `If this port serves ${GRPC_ONLY}`;
  return new EtcdError(reason, `no response: the connection was closed. ${advice}`, { rpc, endpoint: origin, cause });
}

/**
 * Limits the time of a response that calls share. Without a limit, each new call would wait for the same response, even
 * if it never arrives.
 */
export function withTimeout<T>(ms: number, response: Observable<T>, where: ErrorDetails): Observable<T> {
  if (ms === Infinity) return response;
  return response.pipe(
    timeout({ first: ms, with: () => throwError(() => new EtcdError('Unreachable', `no data received for ${ms} ms`, where)) }),
  );
}

/**
 * Checks with `GET /health` whether a server serves requests. For this request, the server reads with a quorum; for
 * `GET /version`, it does not. A server without this path passes the check.
 */
export function probeHealth(response: Observable<PlainResponse>): Observable<void> {
  return response.pipe(
    map((response) => {
      if (response.status >= 500) throw response.error();
    }),
  );
}

function versionIn(body: string): string | undefined {
  const json = jsonIn(body);
  const version = isRecord(json) ? json['etcdserver'] : undefined;
  return typeof version === 'string' ? version : undefined;
}
