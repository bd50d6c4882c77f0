import type { GrpcCode } from './codes.js';
import { codeOf, type Reason } from './reasons.js';

/** Survives two copies of the package, an ESM and a CommonJS one, and jest's realms, where `instanceof` does not. */
const BRAND = Symbol.for('rxetcd.EtcdError');

/** Where an error came from. */
export interface ErrorDetails {
  /** The gRPC code; by default the one that belongs to the reason. */
  readonly code?: GrpcCode;
  /** What was asked, as etcd names it: `KV.Put`. */
  readonly rpc?: string | undefined;
  /** Of which endpoint: `https://a:2379`. */
  readonly endpoint?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The root of every error that rxetcd emits or throws. `reason` says what happened by etcd's own name, `code` is the gRPC
 * code, `rpc` and `endpoint` say what was asked of whom. No error carries a password, a token, a key's value or a header.
 *
 * ```ts
 * etcd.kv.get('a', { revision: 1 }).subscribe({
 *   error: (error) => { if (hasReason(error, 'Compacted')) startOver(); },
 * });
 * ```
 */
export class EtcdError<R extends Reason = Reason> extends Error {
  override readonly name: string = 'EtcdError';
  readonly reason: R;
  readonly code: GrpcCode;
  readonly rpc: string | undefined;
  readonly endpoint: string | undefined;

  constructor(reason: R, message: string, details: ErrorDetails = {}) {
    const where = whereOf(details);
    // A message that wraps another's may say it already.
    super(message.endsWith(where) ? message : message + where, details.cause === undefined ? undefined : { cause: details.cause });
    this.reason = reason;
    this.code = details.code ?? codeOf(reason);
    this.rpc = details.rpc;
    this.endpoint = details.endpoint;
    Object.defineProperty(this, BRAND, { value: true });
  }

  /** What a log is to show: an `Error` alone would serialise without its message. */
  toJSON(): object {
    return Object.assign({}, this, { message: this.message });
  }
}

function whereOf({ rpc, endpoint }: ErrorDetails): string {
  if (rpc !== undefined && endpoint !== undefined) return ` (${rpc} at ${endpoint})`;
  if (rpc !== undefined) return ` (${rpc})`;
  return endpoint === undefined ? '' : ` (at ${endpoint})`;
}

/** True for every error of rxetcd, whichever copy of the package made it. */
export function isEtcdError(error: unknown): error is EtcdError {
  return typeof error === 'object' && error !== null && BRAND in error;
}
