import { isEtcdError, type Reason } from '../../src/errors/index.js';
import type { GrpcCode } from '../../src/errors/index.js';

/** Codes of errors that pass by themselves. */
const TRANSIENT_CODES: ReadonlySet<GrpcCode> = new Set<GrpcCode>([
  'Unavailable', // no connection, no leader, a server that stops or starts: another try, or another endpoint, may do
]);

/** Reasons that are judged otherwise than their code. */
const EXCEPTIONS: ReadonlyMap<Reason, boolean> = new Map<Reason, boolean>([
  ['AmbiguousWrite', false], // it may have been carried out: a repeat could write twice
  ['TooManyRequests', true], // refused before it was carried out, because the server is behind
]);

/** True for an error of etcd or of the connection to it that is worth another try; false for every other error. */
export function isTransient(error: unknown): boolean {
  if (!isEtcdError(error)) return false;
  return EXCEPTIONS.get(error.reason) ?? TRANSIENT_CODES.has(error.code);
}
