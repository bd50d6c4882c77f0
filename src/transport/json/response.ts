import { isRecord } from '../../codec/message.js';
import { CompactedError, EtcdError, grpcCode, reasonOf, type ErrorDetails, type GrpcCode } from '../../errors/index.js';
import type { HttpResponse } from '../http/transport.js';

/**
 * The error in an answer's JSON, by its shape, for distributions swap gateways:
 * `{error, code}`, `{error, message, code}` and `{code, message}` in a unary answer; `{error: {grpc_code | code, message}}` in a stream.
 * Undefined where it is not an error.
 */
export function errorInJson(json: unknown, details: ErrorDetails): EtcdError | undefined {
  if (!isRecord(json)) return undefined;
  const inner = isRecord(json['error']) ? json['error'] : json;
  const text = inner['message'] ?? inner['error'];
  const number = inner['grpc_code'] ?? inner['code'];
  if (typeof text !== 'string') return undefined;
  return serverError(text, typeof number === 'number' ? grpcCode(number) : 'Unknown', details);
}

/** An error by the server's own words: the message decides first, for some services wrap all in one code. */
export function serverError(text: string, code: GrpcCode, details: ErrorDetails): EtcdError {
  const reason = reasonOf(text);
  if (reason === 'Compacted') return new CompactedError(text, details);
  if (reason !== undefined) return new EtcdError(reason, text, details);
  return new EtcdError(code === 'Unimplemented' ? 'UnknownMethod' : 'Unknown', text === '' ? `gRPC code ${code}` : text, {
    ...details,
    code,
  });
}

/** What a gateway from 3.4 on says, as plain text and before it looks at anything else: it would take the name for that of a user, as etcd itself does. */
const COMMON_NAME = 'CommonName of client sending a request against gateway';
const COMMON_NAME_ADVICE =
  'while auth is on, the server refuses a client certificate with a common name (CN). Nothing was done. Show one without, and say who you are by the option auth';

/** The error that an HTTP answer is, whatever its body. */
export function errorInResponse({ status, body }: HttpResponse, details: ErrorDetails): EtcdError {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    json = undefined;
  }
  const error = errorInJson(json, details);
  // Of a path that it does not have, gateway v2 says NotFound in etcd's own shape.
  const unknownPath = status === 404 && (error === undefined || (error.reason === 'Unknown' && error.code === 'NotFound'));
  if (unknownPath) return new EtcdError('UnknownMethod', 'the server does not know this path', details);
  if (error !== undefined) return error;
  if (status === 400 && body.startsWith(COMMON_NAME)) return new EtcdError('CommonNameRefused', COMMON_NAME_ADVICE, details);
  // A proxy that does not reach the server just now.
  if (status >= 502 && status <= 504)
    return new EtcdError('Unknown', `HTTP ${status}, not from etcd itself`, { ...details, code: 'Unavailable' });
  // What stands in the body may be a proxy's whole page, and may say more than an error should: its size and status must do.
  return new EtcdError('MalformedResponse', `HTTP ${status} with a body of ${body.length} characters that is not etcd's`, details);
}
