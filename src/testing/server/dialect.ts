import { GRPC_CODES, type GrpcCode, statusOfCode } from '../../errors/index.js';
import { isAtLeast, type ServerVersion } from '../../transport/endpoints/version.js';

/** An HTTP response, without the headers that all responses have. */
export interface Page {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** The behavior of a gateway, which depends on the version. */
export interface Dialect {
  /** The path prefixes of the RPCs. */
  readonly prefixes: readonly string[];
  /**
   * The headers that allow requests from pages of other origins. All responses have these headers. Undefined if the
   * gateway does not send them.
   */
  readonly cors: Readonly<Record<string, string>> | undefined;
  /**
   * Whether this is the second generation of the gateway. It writes errors differently from the first generation,
   * accepts more forms of base64, and ignores unknown names of enum values.
   */
  readonly isV2: boolean;
  /** Whether a call may have no body. A call without a body is a request without fields. */
  readonly takesNothing: boolean;
  /** Whether the word `Bearer` may precede a token. A browser sends the token of a WebSocket in this form. */
  readonly knowsBearer: boolean;
  /** Whether the gateway closes a WebSocket on a message of more than 64 KiB. */
  readonly hasShortMessages: boolean;
  /** The response to an unknown path. */
  readonly notFound: Page;
  /** The response to a method other than POST. */
  readonly notAllowed: Page;
  /** Returns the page for the error of a call. */
  readonly error: (text: string, code: GrpcCode) => Page;
  /** Returns the page for the error of a stream. The body of the page is sent as a message of the stream. */
  readonly streamError: (text: string, code: GrpcCode) => Page;
}

const CORS = {
  'access-control-allow-methods': 'POST, GET, OPTIONS, PUT, DELETE',
  'access-control-allow-origin': '*',
  'access-control-allow-headers': 'accept, content-type, authorization',
} as const;

const JSON_TYPE = { 'content-type': 'application/json' } as const;

/** Creates a page of text, in the form in which Go's HTTP server writes errors. */
export const textPage = (status: number, body: string, headers: Page['headers'] = {}): Page => ({
  status,
  headers: { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff', ...headers },
  body,
});

export const jsonPage = (status: number, json: object, headers: Page['headers'] = {}): Page => ({
  status,
  headers: { ...JSON_TYPE, ...headers },
  body: JSON.stringify(json),
});

/** The response of Go's HTTP server to an unknown path. */
export const NOT_FOUND = textPage(404, '404 page not found\n');

/**
 * Returns the behavior of the gateway of a version. Version 3.5 behaves like Debian's build of etcd, which has the
 * second generation of the gateway.
 */
export function dialectOf(version: ServerVersion): Dialect {
  const has = (least: string): boolean => isAtLeast(version, least);
  const { minor, patch } = version;
  return {
    prefixes: has('3.4') ? ['/v3', '/v3beta'] : ['/v3beta', '/v3alpha'],
    cors: has('3.4') ? CORS : undefined,
    takesNothing: has('3.4'),
    knowsBearer: has('3.7') || (minor === 6 && patch >= 13) || (minor === 5 && patch >= 32),
    hasShortMessages: !has('3.4.16'),
    ...(has('3.5') ? V2 : V1),
  };
}

const numberOf = (code: GrpcCode): number => GRPC_CODES.indexOf(code);

const V2: Pick<Dialect, 'isV2' | 'notFound' | 'notAllowed' | 'error' | 'streamError'> = {
  isV2: true,
  notFound: jsonPage(404, { code: 5, message: 'Not Found' }),
  notAllowed: jsonPage(501, { code: 12, message: 'Method Not Allowed' }),
  error: (message, code) =>
    jsonPage(statusOfCode(code), { code: numberOf(code), message }, code === 'Unauthenticated' ? { 'www-authenticate': message } : {}),
  streamError: (message, code) => jsonPage(statusOfCode(code), { error: { code: numberOf(code), message } }),
};

const V1_STATUS: Readonly<Partial<Record<GrpcCode, number>>> = { FailedPrecondition: 412, Canceled: 408 };
const statusInV1 = (code: GrpcCode): number => V1_STATUS[code] ?? statusOfCode(code);

const V1: typeof V2 = {
  isV2: false,
  notFound: textPage(404, 'Not Found\n'),
  notAllowed: textPage(405, 'Method Not Allowed\n'),
  error: (text, code) => jsonPage(statusInV1(code), { error: text, message: text, code: numberOf(code) }),
  streamError: (message, code) => {
    const status = statusInV1(code);
    return jsonPage(status, {
      error: { grpc_code: numberOf(code), http_code: status, message, http_status: STATUS_TEXTS[status] ?? '' },
    });
  },
};

/** The names of the HTTP statuses that gRPC codes are mapped to. */
const STATUS_TEXTS: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  408: 'Request Timeout',
  409: 'Conflict',
  412: 'Precondition Failed',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
};
