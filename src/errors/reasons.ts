import type { GrpcCode } from './codes.js';

/**
 * What etcd says, by message: the text behind `etcdserver: ` (or the whole text where it has another prefix), the reason
 * under which rxetcd reports it, and the gRPC code that the server means by it.
 *
 * The message decides before the code: the lock and election services wrap every error in code 2 (Unknown).
 */
const SERVER_ERRORS = {
  // InvalidArgument
  EmptyKey: ['key is not provided', 'InvalidArgument'],
  KeyNotFound: ['key not found', 'InvalidArgument'],
  ValueProvided: ['value is provided', 'InvalidArgument'],
  LeaseProvided: ['lease is provided', 'InvalidArgument'],
  TooManyOps: ['too many operations in txn request', 'InvalidArgument'],
  DuplicateKey: ['duplicate key given in txn request', 'InvalidArgument'],
  InvalidClientAPIVersion: ['invalid client api version', 'InvalidArgument'],
  InvalidSortOption: ['invalid sort option', 'InvalidArgument'],
  MemberBadURLs: ['given member URLs are invalid', 'InvalidArgument'],
  RequestTooLarge: ['request is too large', 'InvalidArgument'],
  UserEmpty: ['user name is empty', 'InvalidArgument'],
  RoleEmpty: ['role name is empty', 'InvalidArgument'],
  AuthFailed: ['authentication failed, invalid user ID or password', 'InvalidArgument'],
  PermissionNotGiven: ['permission not given', 'InvalidArgument'],
  InvalidAuthMgmt: ['invalid auth management', 'InvalidArgument'],
  AuthOldRevision: ['revision of auth store is old', 'InvalidArgument'],
  WrongDowngradeVersionFormat: ['wrong downgrade target version format', 'InvalidArgument'],
  InvalidDowngradeTargetVersion: ['invalid downgrade target version', 'InvalidArgument'],
  // OutOfRange
  Compacted: ['mvcc: required revision has been compacted', 'OutOfRange'],
  FutureRev: ['mvcc: required revision is a future revision', 'OutOfRange'],
  LeaseTTLTooLarge: ['too large lease TTL', 'OutOfRange'],
  // ResourceExhausted
  NoSpace: ['mvcc: database space exceeded', 'ResourceExhausted'],
  TooManyRequests: ['too many requests', 'ResourceExhausted'],
  // NotFound
  LeaseNotFound: ['requested lease not found', 'NotFound'],
  MemberNotFound: ['member not found', 'NotFound'],
  // FailedPrecondition
  LeaseExist: ['lease already exists', 'FailedPrecondition'],
  MemberExist: ['member ID already exist', 'FailedPrecondition'],
  PeerURLExist: ['Peer URLs already exists', 'FailedPrecondition'],
  MemberNotEnoughStarted: ['re-configuration failed due to not enough started members', 'FailedPrecondition'],
  MemberNotLearner: ['can only promote a learner member', 'FailedPrecondition'],
  LearnerNotReady: ['can only promote a learner member which is in sync with leader', 'FailedPrecondition'],
  TooManyLearners: ['too many learner members in cluster', 'FailedPrecondition'],
  ClusterIDMismatch: ['cluster ID mismatch', 'FailedPrecondition'],
  RootUserNotExist: ['root user does not exist', 'FailedPrecondition'],
  RootRoleNotExist: ['root user does not have root role', 'FailedPrecondition'],
  UserAlreadyExist: ['user name already exists', 'FailedPrecondition'],
  UserNotFound: ['user name not found', 'FailedPrecondition'],
  RoleAlreadyExist: ['role name already exists', 'FailedPrecondition'],
  RoleNotFound: ['role name not found', 'FailedPrecondition'],
  RoleNotGranted: ['role is not granted to the user', 'FailedPrecondition'],
  PermissionNotGranted: ['permission is not granted to the role', 'FailedPrecondition'],
  AuthNotEnabled: ['authentication is not enabled', 'FailedPrecondition'],
  NotLeader: ['not leader', 'FailedPrecondition'],
  NotCapable: ['not capable', 'FailedPrecondition'],
  NotSupportedForLearner: ['rpc not supported for learner', 'FailedPrecondition'],
  BadLeaderTransferee: ['bad leader transferee', 'FailedPrecondition'],
  DowngradeInProcess: ['cluster has a downgrade job in progress', 'FailedPrecondition'],
  NoInflightDowngrade: ['no inflight downgrade job', 'FailedPrecondition'],
  // PermissionDenied, Unauthenticated
  PermissionDenied: ['permission denied', 'PermissionDenied'],
  InvalidAuthToken: ['invalid auth token', 'Unauthenticated'],
  // Unavailable
  NoLeader: ['no leader', 'Unavailable'],
  LeaderChanged: ['leader changed', 'Unavailable'],
  Stopped: ['server stopped', 'Unavailable'],
  Timeout: ['request timed out', 'Unavailable'],
  TimeoutDueToLeaderFail: ['request timed out, possibly due to previous leader failure', 'Unavailable'],
  TimeoutDueToConnectionLost: ['request timed out, possibly due to connection lost', 'Unavailable'],
  TimeoutWaitAppliedIndex: ['request timed out, waiting for the applied index took too long', 'Unavailable'],
  Unhealthy: ['unhealthy cluster', 'Unavailable'],
  ClusterVersionUnavailable: ['cluster version not found during downgrade', 'Unavailable'],
  // DataLoss, Canceled, DeadlineExceeded
  Corrupt: ['corrupt cluster', 'DataLoss'],
  WatchCanceled: ['watch canceled', 'Canceled'],
  Canceled: ['request canceled', 'Canceled'],
  DeadlineExceeded: ['context deadline exceeded', 'DeadlineExceeded'],
  // The lock and election services: no prefix, code 2
  ElectionNoLeader: ['election: no leader', 'Unknown'],
  ElectionNotLeader: ['election: not leader', 'Unknown'],
  LeaderFieldRequired: ['"leader" field must be provided', 'Unknown'],
} as const satisfies Record<string, readonly [message: string, code: GrpcCode]>;

/** Errors that the server never sends: they come from rxetcd itself. */
const CLIENT_ERRORS = {
  /** An option of `createClient` is wrong. */
  InvalidOption: 'InvalidArgument',
  /** An argument of a call is wrong; nothing was sent. */
  InvalidArgument: 'InvalidArgument',
  /** No connection could be made: nothing was sent. */
  Unreachable: 'Unavailable',
  /** No TLS: one side refused the certificate of the other, or they could not agree. Nothing was read. `Unavailable` where it has worked before. */
  TlsFailed: 'FailedPrecondition',
  /** With auth on, the server's gateway takes no client certificate with a common name. Nothing was done. */
  CommonNameRefused: 'FailedPrecondition',
  /** The connection broke before the answer was complete. */
  ConnectionLost: 'Unavailable',
  /** Every member that was asked is behind what this client has seen; only where `monotonic` was asked for. */
  StaleRead: 'Unavailable',
  /** A write was sent and its answer never came: it may or may not have been carried out. */
  AmbiguousWrite: 'Unavailable',
  /** The server is too old for what was asked. */
  UnsupportedServerVersion: 'Unimplemented',
  /** The server does not know the path or method that was asked for. */
  UnknownMethod: 'Unimplemented',
  /** What came back is not what etcd's API says. */
  MalformedResponse: 'Internal',
  /** An answer, or a message of a stream, is longer than the option `maxResponseBytes` allows, or than an old server can hand on. */
  ResponseTooLarge: 'ResourceExhausted',
  /** What is stored under a key is not what your codec wants. */
  InvalidValue: 'DataLoss',
  /** The `token` function of the `auth` option failed. */
  TokenUnavailable: 'Unauthenticated',
  /** What was to carry a stream (WebSocket, HTTP/2) is not spoken at the other end. */
  CarrierUnusable: 'Unimplemented',
  /** A lease could not be refreshed in its time, or was revoked: what hangs on it is gone, or may be. */
  LeaseLost: 'NotFound',
  /** A lock or a leadership is no longer held, or nobody can say that it is. */
  LockLost: 'Aborted',
  /** The lock is held by somebody else. */
  Locked: 'FailedPrecondition',
  /** Somebody else wrote meanwhile, each time that it was tried. Nothing was written. */
  Conflict: 'Aborted',
  /** A bounded buffer was full, and its policy is to say so. */
  BufferOverflow: 'ResourceExhausted',
  /** The client was closed. */
  ClientClosed: 'Canceled',
  /** The caller's `AbortSignal` fired. */
  Aborted: 'Canceled',
  /** The server gave an error that this table does not know; its text and code are kept. */
  Unknown: 'Unknown',
} as const satisfies Record<string, GrpcCode>;

/** Why a call failed, in etcd's own words (`Compacted`, `LeaseNotFound` …) or one of rxetcd's (`AmbiguousWrite` …). */
export type Reason = keyof typeof SERVER_ERRORS | keyof typeof CLIENT_ERRORS;

/** All reasons that a server can give, in the order of etcd's own table. */
export const SERVER_REASONS = Object.keys(SERVER_ERRORS) as readonly (keyof typeof SERVER_ERRORS)[];

const BY_MESSAGE: ReadonlyMap<string, Reason> = new Map<string, Reason>([
  ...SERVER_REASONS.map((reason) => [SERVER_ERRORS[reason][0], reason] as const),
  // etcd 3.3, whose gateway shows the auth store's own words.
  ['revision in header is old', 'AuthOldRevision'],
  // What the gateway of a server that stops says as it lets go of the server behind it.
  ['grpc: the client connection is closing', 'Stopped'],
]);

/**
 * gRPC's own words on a message that one end does not take, and the limit of that end. Old servers hand an answer to their gateway over gRPC, which then takes
 * no more than 4 MiB; every other limit is the server's, on requests.
 */
const ABOVE_LIMIT = /^grpc: received message larger than max \(\d+ vs\. (\d+)\)$/;
const LIMIT_OF_ANSWERS = String(4 * 2 ** 20);

/** What the gateway of a server on TLS says of what was under way when that server stopped. */
const BROKEN_OFF = /malformed header: missing HTTP content-type|transport: missing content-type field/;

/** The gRPC code that belongs to a reason, whatever code the gateway wrapped it in. */
export function codeOf(reason: Reason): GrpcCode {
  return reason in SERVER_ERRORS
    ? SERVER_ERRORS[reason as keyof typeof SERVER_ERRORS][1]
    : CLIENT_ERRORS[reason as keyof typeof CLIENT_ERRORS];
}

/** The text by which a server gives this reason, without `etcdserver: `. */
export function messageOf(reason: (typeof SERVER_REASONS)[number]): string {
  return SERVER_ERRORS[reason][0];
}

/** The reason behind a server's text, or undefined where the table does not have it. Bare text and `rpc error: code = X desc = …` alike. */
export function reasonOf(text: string): Reason | undefined {
  const message = text
    .trim()
    .replace(/^rpc error: code = \w+ desc = /, '')
    // Some of the auth store's errors pass on as they are.
    .replace(/^(?:etcdserver|auth): /, '');
  const limit = ABOVE_LIMIT.exec(message)?.[1];
  if (limit !== undefined) return limit === LIMIT_OF_ANSWERS ? 'ResponseTooLarge' : 'RequestTooLarge';
  if (BROKEN_OFF.test(message)) return 'Stopped';
  return BY_MESSAGE.get(message);
}
