/** Exports all of `rxetcd` except `createClient`, which each entry point adds. */
export type { Client, CloseOptions } from './client.js';
export type { CloseSummary, Unreleased } from '../concurrency/lease/cleanup.js';
export type { Namespace } from './namespace.js';
export type { Coordination } from '../concurrency/coordination.js';
export { hold, type Held, type HoldOptions } from '../promises/hold.js';
export type {
  PromisedMembers,
  PromisedTransaction,
  PromisedValue,
  Promises,
  PromisesExtras,
  WithLockPromiseOptions,
} from '../promises/types.js';
export type { ClientOptions } from '../options/clientOptions.js';
export type { Auth, CredentialsSource, TokenSource, UserCredentials } from '../transport/tokenProvider.js';
export type { TlsSettings } from '../options/connectionOptions.js';
export type { CallOptions, ReadCallOptions } from '../transport/call.js';

export type { CompactionResponse, KvService } from '../services/kv.js';
export type { PagesOptions } from '../services/internal/pages.js';
export type { LeaseService } from '../services/lease.js';
export type { AuthService, NewUser } from '../services/auth.js';
export type { HeldLease, LeaseEvent } from '../concurrency/lease/leaseKeeper.js';
export type { NewSessionOptions, Session } from '../concurrency/lease/session.js';
export type { Announcement, AnnounceOptions } from '../concurrency/recipes/announce.js';
export type { LeaseClient, LeaseOptions } from '../concurrency/lease/lease.js';
export type {
  LockWaiter,
  LockOptions,
  LockHandle,
  TryLockOptions,
  WhenUnlockedOptions,
  ReadWriteLock,
  ReadWriteLockOptions,
} from '../concurrency/lock/lock.js';
export type { Reentrancy } from '../concurrency/lock/reentrantLock.js';
export type { Reacquire } from '../concurrency/lock/reacquire.js';
export type { SessionOptions } from '../concurrency/lock/ownership.js';
export type { CampaignOptions, Election, Leadership } from '../concurrency/lock/election.js';
export type { StmOptions, StmResult, Isolation, Transaction } from '../concurrency/transaction/stm.js';
export type { MaybeAsync } from '../util/rx.js';
export type { RetryOptions } from '../concurrency/transaction/update.js';
export type { Barrier, BarrierOptions, DoubleBarrier, BarrierHandle } from '../concurrency/recipes/barrier.js';
export type { Endpoint } from '../concurrency/recipes/serviceEndpoint.js';
export type { PriorityQueue, EnqueueResult, Queue } from '../concurrency/recipes/queue.js';
export type { SemaphoreOptions } from '../concurrency/lock/lock.js';
export type { ServicesOptions } from '../concurrency/arguments.js';
export type {
  EndpointOptions,
  Registration,
  RegisterOptions,
  ServiceChange,
  Services,
  ServiceUpdated,
} from '../concurrency/recipes/serviceRegistry.js';
export type { UpdateOptions, UpdateResult, Updater } from '../concurrency/transaction/update.js';
export type { ClusterService } from '../services/cluster.js';
export type { Alarm, AlarmFilter, MaintenanceService, SnapshotPart } from '../services/maintenance.js';
export type { LockService } from '../services/concurrency.js';
export type { ElectionService } from '../services/concurrency.js';
export type { HealthCheck, HealthChecks } from '../services/serverInfo.js';
export type { ServerHealth, ServerVersion, MetricFamily, MetricSample } from '../codec/serverInfo.js';
export type { RetryAction, RetryDecision, RetryContext, CallRetryOptions, RetryPolicy } from '../transport/retryPolicy.js';
export type { RawCallOptions } from '../services/rawCall.js';
export type { RawResponse } from '../transport/wire.js';
export type { Json } from '../codec/descriptors.js';
export type { WatchOnceOptions, WatchOptions } from '../watch/watch.js';
export type { LiveUpdate } from '../watch/live/liveRange.js';
export type { LiveValueOptions } from '../watch/live/live.js';
export type { Cache, CachedRange, CacheOptions, CacheRangeOptions, CacheReadOptions, CacheWatchOptions } from '../watch/cache/cache.js';
export type { ConfigUpdate, LiveConfigOptions } from '../watch/composed/liveConfig.js';
export type { ConfigChange } from '../watch/composed/configTree.js';
export type { PutConfigOptions, PutConfigResult } from '../watch/composed/putConfig.js';
export type { ViewState } from '../watch/live/live.js';
export type { CombinedUpdate, CombinedValue, CombineLiveOptions, LivePart, LiveParts, PartValue } from '../watch/composed/combineLive.js';
export type { WatchFilter } from '../watch/messages.js';
export type { ConnectionState, WatchState } from '../watch/streams/connectionState.js';
export type { StreamOptions } from '../options/connectionOptions.js';
export type { StreamTransport } from '../transport/streams/transportSelector.js';
export type { EventsBatch, ProgressBatch, WatchBatch, DeleteEvent, PutEvent, WatchEvent } from '../model/events.js';

export {
  AmbiguousWriteError,
  CompactedError,
  EtcdError,
  InvalidOptionError,
  InvalidValueError,
  UnsupportedServerVersionError,
  errorFrom,
  hasReason,
  httpStatusOf,
  isEtcdError,
  type ErrorDetails,
  type EtcdErrorOf,
  type GrpcCode,
  type Reason,
} from '../errors/index.js';

export { AlarmType, CompareResult, CompareTarget, DowngradeAction, PermissionType, SortOrder, SortTarget } from '../model/responses.js';
export { toBytes, toText, type BytesLike } from '../model/bytes.js';
export type {
  CallDiagnostic,
  Diagnostic,
  EndpointDiagnostic,
  Logger,
  OwnershipDiagnostic,
  StreamDiagnostic,
} from '../model/diagnostics.js';
export { isCreate, isModify, type OwnershipEvent, type OwnershipLost } from '../model/events.js';
export { idToHex, leaseId, memberId, type ClusterId, type LeaseId, type MemberId } from '../model/ids.js';
export type { SchemaIssue, SchemaResult, StandardSchema, Validator } from '../model/validator.js';
export { KeyValue } from '../model/keyValue.js';
export { prefixEnd, toKeyRange, type KeyRange, type Range } from '../model/range.js';
export type {
  AlarmMember,
  AlarmResponse,
  AuthenticateResponse,
  AuthStatusResponse,
  CampaignResponse,
  HeaderResponse,
  DowngradeInfo,
  DowngradeResponse,
  HashKvResponse,
  HashResponse,
  LeaderKey,
  LeaderResponse,
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeResponse,
  LeaseStatus,
  LeaseTimeToLiveResponse,
  LockResponse,
  Member,
  MemberAddResponse,
  MemberListResponse,
  Permission,
  RoleGetResponse,
  RoleListResponse,
  StatusResponse,
  UserGetResponse,
  UserListResponse,
} from '../model/responses.js';
export type { DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader } from '../model/responses.js';
export { key, type Compare, type Comparison, type KeyComparisons } from '../model/op.js';
export {
  del,
  get,
  put,
  range,
  txn,
  type DeleteOp,
  type DeleteOptions,
  type GetOp,
  type Op,
  type PutOp,
  type PutOptions,
  type RangeOp,
  type RangeOptions,
  type ReadOptions,
  type ResultOf,
  type ResultsOf,
  type TxnOp,
  type TxnResult,
  type TxnSpec,
} from '../model/op.js';
