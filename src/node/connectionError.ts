import { type ErrorDetails, EtcdError, isEtcdError } from '../errors/index.js';
import { GRPC_ONLY } from '../transport/endpoints/version.js';
import { responseTooLarge } from '../transport/http/transport.js';

/** The texts for the codes of undici and Node. Any other code is shown unchanged. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'the DNS lookup of the host name failed',
  EHOSTUNREACH: 'the host cannot be reached',
  ENETUNREACH: 'the network cannot be reached',
  ETIMEDOUT: 'connecting timed out',
  EPIPE: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'connecting timed out',
  UND_ERR_SOCKET: 'the connection was closed by the other side',
};

/** Recognizes the first frame of an HTTP/2 server: three bytes with the length, then the type 4 (SETTINGS). */
const isHttp2 = (text: unknown): boolean => typeof text === 'string' && text.startsWith('\0\0') && text.at(3) === '\u0004';

/**
 * Converts the error of a failed connection to an `EtcdError`.
 *
 * @param sent whether a part of the request was sent. If not, the request can be repeated without harm
 * @param met whether the server has responded before. If so, its certificates were valid, and are probably being
 * replaced. If it has never responded, the configuration is probably wrong
 */
export function connectionError(error: unknown, sent: boolean, where: ErrorDetails, met = true): EtcdError {
  // When the client is closed, all calls in progress end with the same error. Each call gets a copy with its own
  // details.
  if (isEtcdError(error)) return new EtcdError(error.reason, error.message, where);
  const cause = rootOf(error);
  const code = codeOf(cause);
  // undici's error is omitted, as it quotes bytes of the response, which may be secret. The error is recognized by its
  // name, as its code varies.
  if (cause instanceof Error && cause.name === 'HTTPParserError') {
    const problem = 'data' in cause && isHttp2(cause.data) ? `this port serves ${GRPC_ONLY}` : `the response is not HTTP: ${cause.message}`;
    return new EtcdError('MalformedResponse', problem, where);
  }
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return responseTooLarge(where);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new EtcdError('MalformedResponse', 'the headers of the response are too long', where);
  const details = { ...where, cause };
  const failure = code === undefined ? undefined : tlsFailure(cause, code, sent, met ? { ...where, code: 'Unavailable' } : where);
  if (failure !== undefined) return failure;
  const words = (code === undefined ? undefined : WORDS[code]) ?? describe(cause, code);
  return sent
    ? new EtcdError('ConnectionLost', `no response: ${words}`, details)
    : new EtcdError('Unreachable', `no connection: ${words}`, details);
}

/**
 * Returns a failure, or the first of several failures. If a host has several addresses, Node wraps their failures in an
 * `AggregateError`.
 */
function rootOf(error: unknown): unknown {
  const errors = (error as { errors?: unknown } | null)?.errors;
  return Array.isArray(errors) && errors.length > 0 ? errors[0] : error;
}

function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : undefined;
}

function describe(error: unknown, code: string | undefined): string {
  const message = error instanceof Error ? error.message : String(error);
  return code === undefined ? message : `${message} (${code})`;
}

/** The texts for OpenSSL's codes that concern the server's certificate. */
const OF_THE_SERVER: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  CERT_REVOKED: 'it was revoked',
  CERT_SIGNATURE_FAILURE: 'its signature is wrong',
  CERT_UNTRUSTED: 'its authority is not trusted; set the option tls.ca',
  CERT_REJECTED: 'its authority rejects it',
  CERT_CHAIN_TOO_LONG: 'its chain is too long',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed and not trusted; set the option tls.ca',
  SELF_SIGNED_CERT_IN_CHAIN: 'its authority is not trusted; set the option tls.ca',
  UNABLE_TO_GET_ISSUER_CERT: 'its authority is not trusted; set the option tls.ca',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its authority is not trusted; set the option tls.ca',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'its authority is not trusted; set the option tls.ca',
  INVALID_CA: 'its certificate authority may not issue certificates',
  INVALID_PURPOSE: 'it is not for servers',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name',
};

/**
 * The texts for the TLS alerts with which a server rejects the client's certificate. Such a server sends the alert
 * before it reads any request.
 */
const OF_OURS: Readonly<Record<string, string>> = {
  CERTIFICATE_REQUIRED: 'no certificate was sent; set tls.cert and tls.key',
  BAD_CERTIFICATE: 'the certificate is invalid or missing; set tls.cert and tls.key',
  UNKNOWN_CA: 'the authority of the certificate is not trusted',
  CERTIFICATE_EXPIRED: 'the certificate has expired',
  CERTIFICATE_REVOKED: 'the certificate was revoked',
  CERTIFICATE_UNKNOWN: 'the certificate was rejected',
  UNSUPPORTED_CERTIFICATE: 'the type of the certificate is not supported',
  ACCESS_DENIED: 'the certificate was rejected',
};

/**
 * Converts a failure of TLS to an error of rxetcd; returns undefined for any other failure.
 *
 * @param cause the error of the socket
 * @param sent whether the request was sent. If so, a failure means that the connection broke. The only exception is the
 * rejection of the client's certificate, which may arrive late
 * @param where includes the code `Unavailable` if the failure may be temporary
 */
export function tlsFailure(cause: unknown, code: string, sent: boolean, where: ErrorDetails): EtcdError | undefined {
  const failed = (problem: string): EtcdError => new EtcdError('TlsFailed', `no TLS connection: ${problem}`, { ...where, cause });
  const ofTheServer = OF_THE_SERVER[code];
  if (ofTheServer !== undefined) return failed(`the server's certificate is rejected: ${ofTheServer}${detailsOf(cause)}`);
  const ofOurs = OF_OURS[/_ALERT_(\w+)$/.exec(code)?.[1] ?? ''];
  if (ofOurs !== undefined) return failed(`the server requires a valid client certificate: ${ofOurs}`);
  if (sent || !/^(ERR_SSL_|ERR_TLS_|EPROTO$)/.test(code)) return undefined;
  return failed(
    code === 'ERR_SSL_WRONG_VERSION_NUMBER'
      ? 'the server does not speak TLS; if that is intended, use an http:// endpoint'
      : `the TLS handshake failed (${code})`,
  );
}

/** Returns the names for which the certificate is valid, as Node reports them. */
function detailsOf(cause: unknown): string {
  const { reason } = cause as { reason?: unknown };
  return typeof reason === 'string' ? `. ${reason}` : '';
}
