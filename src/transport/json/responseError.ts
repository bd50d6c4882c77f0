import { isRecord } from '../../codec/message.js';
import { type ErrorDetails, EtcdError, GRPC_CODES, grpcCode, reasonOf, serverError, withoutSecrets } from '../../errors/index.js';
import { jsonIn } from '../../model/validate.js';
import type { HttpResponse } from '../http/transport.js';
import type { PlainResponse } from '../wire.js';

/** The details for errors of a response. */
export interface ResponseSource extends ErrorDetails {
  /**
   * Whether etcd has responded at the endpoint before. If so, a response that is not from etcd means that etcd is down.
   */
  readonly knownEtcd?: boolean | undefined;
}

/**
 * Reads the error in the JSON of a response. The error is recognized by its form, as some distributions use other
 * gateways. A unary response has `{error, code}`, `{error, message, code}` or `{code, message}`, and a stream has
 * `{error: {grpc_code | code, message}}`. Returns undefined for anything that is not an error.
 */
export function errorInJson(json: unknown, details: ErrorDetails): EtcdError | undefined {
  if (!isRecord(json)) return undefined;
  const inner = isRecord(json['error']) ? json['error'] : json;
  const text = inner['message'] ?? inner['error'];
  const number = inner['grpc_code'] ?? inner['code'];
  if (typeof text !== 'string') return undefined;
  return serverError(text, typeof number === 'number' ? grpcCode(number) : 'Unknown', details);
}

/**
 * The beginning of an error that a gateway of etcd 3.4 or newer sends as plain text, before it reads the request. While
 * auth is enabled, the gateway refuses a client certificate with a common name, as etcd would use that name as a user
 * name.
 */
const COMMON_NAME = 'CommonName of client sending a request against gateway';
const COMMON_NAME_ADVICE =
  'while auth is enabled, the server rejects a client certificate with a common name (CN), and nothing was done; use a certificate without a CN, and set the option auth';

/** The default response of Go's HTTP server for an unknown path. A gateway sends another response. */
const GO_404 = '404 page not found';
const NO_GATEWAY =
  'there is no JSON gateway at this path (HTTP 404): a peer port, a grpc-proxy and a server with --enable-grpc-gateway=false have no gateway; use a client URL of a member, and check the option apiPrefix';

/** Returns the error for an HTTP response, whatever its body is. */
export function errorInResponse(response: HttpResponse, source: ResponseSource): EtcdError {
  const { status, body } = response;
  const details = { ...source, status };
  const json = jsonIn(body);
  const error = isGatewayError(json) ? errorInJson(json, details) : undefined;
  // For an unknown path, gateway v2 sends `NotFound` in the form of etcd's errors.
  const unknownPath = status === 404 && (error === undefined || (error.reason === 'Unknown' && error.code === 'NotFound'));
  if (unknownPath) return unknownPathError(body, details);
  if (error !== undefined) return error;
  if (status === 400 && body.startsWith(COMMON_NAME)) return new EtcdError('CommonNameRefused', COMMON_NAME_ADVICE, details);
  return proxyError(response, details);
}

/**
 * Returns the error for HTTP 404. The version request and the WebSockets convert a 404 by themselves, as they know more
 * about the endpoint.
 */
function unknownPathError(body: string, details: ErrorDetails): EtcdError {
  const problem = body.trim() === GO_404 ? NO_GATEWAY : 'the server, or a proxy in front of it, does not know this path';
  return new EtcdError('UnknownMethod', problem, details);
}

/**
 * Returns whether JSON is an error in the form of etcd's gateways: it contains a gRPC code, or only a known message of
 * etcd. API gateways send only `{"message":"…"}`, or an HTTP status as the code.
 */
function isGatewayError(json: unknown): boolean {
  if (!isRecord(json)) return false;
  const inner = isRecord(json['error']) ? json['error'] : json;
  const number = inner['grpc_code'] ?? inner['code'];
  if (typeof number === 'number') return number in GRPC_CODES;
  const text = inner['message'] ?? inner['error'];
  return typeof text === 'string' && reasonOf(text) !== undefined;
}

/** The maximum length of a URL in an error. The length must be limited, as the server chooses the URL. */
const MAX_SHOWN = 200;

/**
 * Returns the error for a response of a proxy in front of etcd. An RPC that receives a 404 fails with
 * {@link unknownPathError} instead. The error does not show the body, which may be a whole page and may contain
 * secrets.
 */
export function proxyError({ status, body, location }: HttpResponse, source: ResponseSource): EtcdError {
  const details = { ...source, status };
  const down = asDown(details);
  if (status === 413) {
    return new EtcdError(
      'RequestTooLarge',
      'HTTP 413 from a proxy in front of etcd: its limit for request bodies is too low; raise this limit',
      details,
    );
  }
  if (status === 429) return new EtcdError('TooManyRequests', 'HTTP 429 from a proxy in front of etcd: the proxy limits requests', details);
  if (status >= 300 && status < 400) {
    const target = targetOf(location, details.endpoint);
    const where = target === undefined ? '' : ` to ${target}`;
    return new EtcdError(
      'ProxyRefused',
      `HTTP ${status} from a proxy in front of etcd: the proxy redirects${where}, and rxetcd follows no redirects; set the endpoints to etcd's URL`,
      down,
    );
  }
  if (status === 401 || status === 403) {
    return new EtcdError(
      'ProxyRefused',
      `HTTP ${status} from a proxy in front of etcd; if the proxy requires a header, set the option headers`,
      down,
    );
  }
  if (status >= 400 && status < 500) return new EtcdError('ProxyRefused', `HTTP ${status} from a proxy in front of etcd`, down);
  // The proxy cannot reach the server now.
  if (status >= 502 && status <= 504) {
    return new EtcdError('Unknown', `HTTP ${status}, not from etcd itself`, { ...details, code: 'Unavailable' });
  }
  return malformed(status, `a body of ${body.length} characters that is not from etcd`, down);
}

/**
 * Adds the code `Unavailable` if the endpoint is known to be etcd. A response that is not from etcd then means that
 * etcd is down.
 */
const asDown = (details: ResponseSource): ErrorDetails => (details.knownEtcd === true ? { ...details, code: 'Unavailable' } : details);

const malformed = (status: number, what: string, details: ErrorDetails): EtcdError =>
  new EtcdError('MalformedResponse', `HTTP ${status} with ${what}`, details);

/** Returns the target of a redirect as the header contains it; undefined for any other response. */
export function locationOf(
  status: number,
  { location }: Readonly<Record<string, string | readonly string[] | undefined>>,
): string | undefined {
  return status >= 300 && status < 400 && typeof location === 'string' ? location : undefined;
}

/** Returns the target of a redirect without user and query, as these may contain secrets. */
export function targetOf(location: string | undefined, endpoint: string | undefined): string | undefined {
  if (location === undefined || !URL.canParse(location, endpoint)) return undefined;
  const { protocol, host, pathname } = new URL(location, endpoint);
  return withoutSecrets(`${protocol}//${host}${pathname}`).slice(0, MAX_SHOWN);
}

const SPACE = 0x20;
const BRACE = 0x7b;

/** Returns whether a response with status 200 is not from etcd. Every response of etcd begins with `{`. */
export const isPage = (beginning: string): boolean => !/^\s*\{/.test(beginning);

/**
 * Rejects a streamed response that is not from etcd.
 *
 * @throws EtcdError if a response with status 200 does not begin like a response of etcd
 */
export function refusePage(beginning: Uint8Array, where: ResponseSource): void {
  const first = beginning.find((byte) => byte > SPACE);
  if (first !== undefined && first !== BRACE) throw malformed(200, "a body that is not etcd's", asDown(where));
}

/** An HTTP response to a plain GET. */
export class GatewayResponse implements PlainResponse {
  readonly status: number;
  readonly body: string;
  readonly location: string | undefined;

  constructor(
    { status, body, location }: HttpResponse,
    private readonly where: ResponseSource,
  ) {
    this.status = status;
    this.body = body;
    this.location = location;
  }

  get isPage(): boolean {
    return isPage(this.body);
  }

  get redirectsTo(): string | undefined {
    return targetOf(this.location, this.where.endpoint);
  }

  error(): EtcdError {
    return this.status === 200 ? this.errorOfProxy() : errorInResponse(this, this.where);
  }

  errorOfProxy(): EtcdError {
    return proxyError(this, this.where);
  }
}
