import type { GrpcCode, Reason } from './reasons.js';
import { isEtcdError } from './etcdError.js';

/** The HTTP status of each code, as gRPC's gateway maps them. */
const BY_CODE: Readonly<Record<GrpcCode, number>> = {
  OK: 200,
  Canceled: 499,
  Unknown: 500,
  InvalidArgument: 400,
  DeadlineExceeded: 504,
  NotFound: 404,
  AlreadyExists: 409,
  PermissionDenied: 403,
  ResourceExhausted: 429,
  FailedPrecondition: 400,
  Aborted: 409,
  OutOfRange: 400,
  Unimplemented: 501,
  Internal: 500,
  Unavailable: 503,
  DataLoss: 500,
  Unauthenticated: 401,
};

/** Reasons for which HTTP has a better status than the one of their gRPC code. */
const BY_REASON: Readonly<Partial<Record<Reason, number>>> = {
  // Not 502, 503 or 504: proxies and clients retry these automatically, and so would repeat the write.
  AmbiguousWrite: 500,
  // Mistakes of the service, not of its client.
  InvalidOption: 500,
  UnsupportedRuntime: 500,
  TokenUnavailable: 503,
  // The service lost what it held; the same request can succeed later.
  LeaseLost: 503,
  LockLost: 503,
  ClientClosed: 503,
  BufferOverflow: 503,
  TooManyPending: 503,
  TlsFailed: 502,
  CarrierUnusable: 502,
  MalformedResponse: 502,
  ResponseTooLarge: 502,
  Compacted: 410,
  RequestTooLarge: 413,
  Locked: 423,
  NoSpace: 507,
  KeyNotFound: 404,
  UserNotFound: 404,
  RoleNotFound: 404,
  ElectionNoLeader: 404,
  ElectionNotLeader: 409,
  LeaseExist: 409,
  MemberExist: 409,
  PeerURLExist: 409,
  UserAlreadyExist: 409,
  RoleAlreadyExist: 409,
};

/**
 * Returns the HTTP status that fits an error, for servers that are built on rxetcd. It follows gRPC's own mapping of
 * codes, with better statuses for some reasons. These are 410 for `Compacted`, 423 for `Locked`, and 409 for `Conflict`
 * and for things that exist already. `RequestTooLarge` is 413, and a response that is not etcd's is 502.
 * `AmbiguousWrite` is 500, because proxies retry a request after 502, 503 or 504. Any value that is not an error of
 * rxetcd is 500.
 *
 * ```ts
 * import { httpStatusOf, isEtcdError } from 'rxetcd';
 *
 * etcd.kv.get('app/color').subscribe({
 *   next: (kv) => console.log(kv === undefined ? 404 : 200),
 *   error: (error: unknown) => console.log(httpStatusOf(error), isEtcdError(error) ? error.reason : 'Internal'),
 * });
 * ```
 */
export function httpStatusOf(error: unknown): number {
  if (!isEtcdError(error)) return 500;
  return BY_REASON[error.reason] ?? BY_CODE[error.code];
}
