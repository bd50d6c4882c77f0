import type { GrpcCode, Reason } from './reasons.js';
import { isEtcdError, type EtcdError } from './etcdError.js';

/**
 * The kinds of failures. They decide whether an operation such as a watch is repeated as a whole. The table in
 * `transport/retryPolicy.ts` decides about the attempts of one call, as it also matters what was sent.
 * - `temporary`: ends without intervention, and nothing was carried out
 * - `interrupted`: ends without intervention; only operations that may run twice are repeated
 * - `unclear`: may be temporary; counts as permanent after several in a row
 * - `permanent`: the server understood the request, and rejected it
 */
export type Persistence = 'temporary' | 'interrupted' | 'unclear' | 'permanent';

/** The kinds of failures for reasons whose gRPC code does not decide the kind. */
const PERSISTENCE_BY_REASON: Partial<Record<Reason, Persistence>> = {
  // The server is overloaded for the moment.
  TooManyRequests: 'temporary',
  // Too many calls of the client waited, so this one was not sent.
  TooManyPending: 'temporary',
  // The server was too slow this time.
  DeadlineExceeded: 'interrupted',
  // The server ended the watch without a reason, as it does when it stops.
  WatchCanceled: 'interrupted',
  // A proxy or the gateway canceled the call.
  Canceled: 'interrupted',
  // Another call may fetch a new token.
  InvalidAuthToken: 'unclear',
  AuthOldRevision: 'unclear',
  // Auth was enabled meanwhile, and another call may fetch a token.
  UserEmpty: 'unclear',
  // The token function may find a token later.
  TokenUnavailable: 'unclear',
  // Another stream transport may work.
  TransportUnsupported: 'unclear',
  // The server may have been replaced by another version, with another path.
  UnknownMethod: 'unclear',
  // A proxy may have responded in place of the server.
  MalformedResponse: 'unclear',
};

/** Returns the kind of a failure. */
export function persistenceOf({ reason, code }: EtcdError): Persistence {
  // The code means that there is no connection or no leader, or that a server stops or starts. An ambiguous write has
  // the code of its cause.
  if (code === 'Unavailable') return reason === 'AmbiguousWrite' ? 'interrupted' : 'temporary';
  // A server that is stopping cancels its calls, or interrupts them, with messages of gRPC.
  if (reason === 'Unknown' && (code === 'Canceled' || code === 'Internal')) return 'interrupted';
  return PERSISTENCE_BY_REASON[reason] ?? 'permanent';
}

/** The HTTP status of each code, as gRPC's gateway maps them. */
const STATUS_BY_CODE: Readonly<Record<GrpcCode, number>> = {
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

/** The HTTP statuses of reasons for which the status of the gRPC code does not fit well. */
const STATUS_BY_REASON: Readonly<Partial<Record<Reason, number>>> = {
  // The status is not 502, 503 or 504: proxies and clients automatically retry after these, and would repeat the write.
  AmbiguousWrite: 500,
  // The service itself has made the mistake, and not its client.
  InvalidOption: 500,
  UnsupportedRuntime: 500,
  TokenUnavailable: 503,
  // The service has lost a lease or a lock. The same request may succeed later.
  LeaseLost: 503,
  LockLost: 503,
  ClientClosed: 503,
  BufferOverflow: 503,
  RetriesExhausted: 503,
  TooManyPending: 503,
  TlsFailed: 502,
  TransportUnsupported: 502,
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

/** Returns the HTTP status to which gRPC's gateway maps a gRPC code. */
export const statusOfCode = (code: GrpcCode): number => STATUS_BY_CODE[code];

/**
 * Returns the HTTP status that fits an error, for servers that are built on rxetcd. It follows gRPC's own mapping of
 * codes, with better statuses for some reasons. Examples are 410 for `Compacted`, 423 for `Locked`, 404 for
 * `UserNotFound`, and 409 for things that exist already. `RequestTooLarge` is 413, and `MalformedResponse` is 502.
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
  return STATUS_BY_REASON[error.reason] ?? STATUS_BY_CODE[error.code];
}
