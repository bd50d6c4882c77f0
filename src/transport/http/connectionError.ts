import { EtcdError, isEtcdError, type ErrorDetails } from '../../errors/index.js';
import { responseTooLarge } from './body.js';
import { tlsFailure } from '../tls/failure.js';

/** undici's and Node's codes in words. What is not here is described by its code. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'the connection was refused',
  ECONNRESET: 'the connection was reset',
  ENOTFOUND: 'its host name is not known',
  EAI_AGAIN: 'its host name could not be looked up',
  EHOSTUNREACH: 'its host cannot be reached',
  ENETUNREACH: 'its network cannot be reached',
  ETIMEDOUT: 'connecting timed out',
  EPIPE: 'the connection was closed',
  UND_ERR_CONNECT_TIMEOUT: 'connecting timed out',
  UND_ERR_SOCKET: 'the connection was closed by the other side',
};

/**
 * A failure of the wire as an error of rxetcd.
 *
 * @param sent whether any of the request had left; if not, it can be repeated without harm
 * @param met whether the other end has answered before: certificates that were good a moment ago are being replaced, those that never were are a mistake
 */
export function connectionError(error: unknown, sent: boolean, where: ErrorDetails, met = true): EtcdError {
  // One error for all that was under way when the client was closed: each is told of its own call.
  if (isEtcdError(error)) return new EtcdError(error.reason, error.message, where);
  const cause = rootOf(error);
  const code = codeOf(cause);
  // Without undici's error, which quotes the bytes: they may hold what is nobody's business. It has no code of its own.
  if (cause instanceof Error && cause.name === 'HTTPParserError')
    return new EtcdError('MalformedResponse', `the answer is not HTTP: ${cause.message}`, where);
  if (code === 'UND_ERR_RES_EXCEEDED_MAX_SIZE') return responseTooLarge(where);
  if (code === 'UND_ERR_HEADERS_OVERFLOW') return new EtcdError('MalformedResponse', 'the head of the answer is too long', where);
  const details = { ...where, cause };
  const failure = code === undefined ? undefined : tlsFailure(cause, code, sent, met ? { ...where, code: 'Unavailable' } : where);
  if (failure !== undefined) return failure;
  const words = (code === undefined ? undefined : WORDS[code]) ?? describe(cause, code);
  return sent
    ? new EtcdError('ConnectionLost', `no answer: ${words}`, details)
    : new EtcdError('Unreachable', `no connection: ${words}`, details);
}

/** Where a host has several addresses, Node wraps the failure of each in an AggregateError: the first tells enough. */
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
