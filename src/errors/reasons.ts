/**
 * The errors of etcd, by rxetcd's reason. Each has etcd's message and its gRPC code. The message is the text after
 * `etcdserver: `, or the whole text if it has another prefix.
 *
 * The message takes precedence over the received code, as the lock and election services wrap every error in code 2
 * (Unknown).
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
  ProposalDropped: ['raft proposal dropped', 'Unavailable'],
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

/** Errors of rxetcd itself, which the server never sends. */
const CLIENT_ERRORS = {
  /** An option of `createClient` is invalid. */
  InvalidOption: 'InvalidArgument',
  /** An argument of a call is invalid; no request was sent. */
  InvalidArgument: 'InvalidArgument',
  /** No connection could be opened, so no request was sent. */
  Unreachable: 'Unavailable',
  /**
   * The TLS handshake failed: one side rejected the certificate of the other, or the two sides could not agree on the
   * parameters of TLS. The server read no request. The code is `Unavailable` if TLS has worked before.
   */
  TlsFailed: 'FailedPrecondition',
  /**
   * With auth enabled, the server's gateway rejects client certificates with a common name. The call was not carried
   * out.
   */
  CommonNameRefused: 'FailedPrecondition',
  /** The connection was lost before the response was complete. */
  ConnectionLost: 'Unavailable',
  /**
   * Each member that was called is behind the newest revision that this client has seen. This error occurs only with
   * `monotonic`.
   */
  StaleRead: 'Unavailable',
  /** A write was sent and no response was received: it may or may not have been carried out. */
  AmbiguousWrite: 'Unavailable',
  /** The server is too old for the RPC, or for a field of the request. */
  UnsupportedServerVersion: 'Unimplemented',
  /** The runtime cannot load rxetcd's HTTP client, or replaces it with another one. */
  UnsupportedRuntime: 'Unimplemented',
  /** The server does not support the requested path or method. */
  UnknownMethod: 'Unimplemented',
  /**
   * A proxy in front of etcd rejected or redirected the request. The call was not carried out. The code is
   * `Unavailable` if etcd has responded before.
   */
  ProxyRefused: 'PermissionDenied',
  /**
   * The response does not match etcd's API. The code is `Unavailable` if it is a web page and etcd has responded
   * before.
   */
  MalformedResponse: 'Internal',
  /**
   * A response, or a message of a stream, is longer than the option `maxResponseBytes` allows, or too long for an old
   * server.
   */
  ResponseTooLarge: 'ResourceExhausted',
  /** The caller's codec rejected the value of a key. */
  InvalidValue: 'DataLoss',
  /** The `token` function of the `auth` option failed. */
  TokenUnavailable: 'Unauthenticated',
  /** The server, or a proxy in front of it, does not support the transport of a stream (WebSocket, HTTP/2). */
  TransportUnsupported: 'Unimplemented',
  /**
   * A lease was not refreshed before its TTL had passed, or was revoked. Its keys are deleted, or may be deleted later.
   */
  LeaseLost: 'NotFound',
  /** A lock or a leadership is no longer held, or no longer certain to be held. */
  LockLost: 'Aborted',
  /** The lock has another owner. */
  Locked: 'FailedPrecondition',
  /** At each attempt, another client wrote to the same keys first. No write was carried out. */
  Conflict: 'Aborted',
  /** A bounded buffer was full, and its policy is `error`. */
  BufferOverflow: 'ResourceExhausted',
  /** Too many calls of the client wait to be sent (option `maxPendingCalls`). The call was not sent. */
  TooManyPending: 'ResourceExhausted',
  /**
   * More consecutive attempts to open a stream failed than the option `streams.maxRetries` allows. `cause` is the last
   * failure.
   */
  RetriesExhausted: 'Aborted',
  /** The client was closed. */
  ClientClosed: 'Canceled',
  /** The caller's `AbortSignal` fired. */
  Aborted: 'Canceled',
  /** The server sent an error that is not in this table. The error has its text and code. */
  Unknown: 'Unknown',
} as const satisfies Record<string, GrpcCode>;

/**
 * The reason of a failure. Some reasons have the names of etcd's errors (`Compacted`, `LeaseNotFound` …). The others
 * are specific to rxetcd (`AmbiguousWrite` …).
 */
export type Reason = keyof typeof SERVER_ERRORS | keyof typeof CLIENT_ERRORS;

/** All reasons that a server can send, in the order of etcd's own table. */
export const SERVER_REASONS = Object.keys(SERVER_ERRORS) as readonly (keyof typeof SERVER_ERRORS)[];

const BY_MESSAGE: ReadonlyMap<string, Reason> = new Map<string, Reason>([
  ...SERVER_REASONS.map((reason) => [SERVER_ERRORS[reason][0], reason] as const),
  // The gateway of etcd 3.3 passes on the message of the auth store.
  ['revision in header is old', 'AuthOldRevision'],
  // The gateway of a server that is stopping sends this message, as it closes its connection to the server.
  ['grpc: the client connection is closing', 'Stopped'],
  // This is Raft's message. The member stops, perhaps after it has accepted the request.
  ['raft: stopped', 'Stopped'],
  // The auth store sends this message, with code 2, for a user without a password.
  ['authentication failed, password was given for no password user', 'AuthFailed'],
  // A member that has just lost its leadership sends this message, with code 2, for any lease. The lease itself may be
  // valid.
  ['not a primary lessor', 'LeaderChanged'],
]);

/**
 * Matches gRPC's error for a message that is too large, with the limit. Old servers send responses to their gateway
 * over gRPC, with a limit of 4 MiB. Any other limit is that of the server for requests.
 */
const ABOVE_LIMIT = /^grpc: received message larger than max \(\d+ vs\. (\d+)\)$/;
const RESPONSE_LIMIT = String(4 * 2 ** 20);

/** Matches the error that the gateway of a TLS server sends for calls that were in progress when the server stopped. */
const BROKEN_OFF = /malformed header: missing HTTP content-type|transport: missing content-type field/;

/** Returns the gRPC code of a reason, whatever code the gateway has sent. */
export function codeOf(reason: Reason): GrpcCode {
  return reason in SERVER_ERRORS
    ? SERVER_ERRORS[reason as keyof typeof SERVER_ERRORS][1]
    : CLIENT_ERRORS[reason as keyof typeof CLIENT_ERRORS];
}

/** Returns the server's message for a reason, without `etcdserver: `. */
export function messageOf(reason: (typeof SERVER_REASONS)[number]): string {
  return SERVER_ERRORS[reason][0];
}

/**
 * Returns the reason for a server's message, or undefined if the table does not have it. The message may be alone, or
 * in the form `rpc error: code = X desc = …`.
 */
export function reasonOf(text: string): Reason | undefined {
  const message = text
    .trim()
    .replace(/^rpc error: code = \w+ desc = /, '')
    // Some errors of the auth store have the prefix `auth: `.
    .replace(/^(?:etcdserver|auth): /, '');
  const limit = ABOVE_LIMIT.exec(message)?.[1];
  if (limit !== undefined) return limit === RESPONSE_LIMIT ? 'ResponseTooLarge' : 'RequestTooLarge';
  if (BROKEN_OFF.test(message)) return 'Stopped';
  return BY_MESSAGE.get(message);
}

/** The names of the gRPC status codes in etcd's Go code. The index of a name is the number of the code. */
export const GRPC_CODES = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
] as const;

/** The name of a gRPC status code. */
export type GrpcCode = (typeof GRPC_CODES)[number];

/** Returns the name of a gRPC status number; `Unknown` for a number that gRPC does not have. */
export function grpcCode(number: number): GrpcCode {
  return GRPC_CODES[number] ?? 'Unknown';
}
