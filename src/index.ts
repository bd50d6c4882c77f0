export { createClient, type Client } from './client.js';
export type { Namespace } from './namespace.js';
export type { ClientOptions } from './options/clientOptions.js';
export type { Auth, TokenSource } from './transport/tokenProvider.js';
export type { TlsSettings } from './transport/tls/settings.js';
export type { CallOptions, ReadCallOptions } from './transport/call.js';

export type { CompactionResponse, Kv } from './services/kv.js';
export type { PagesOptions } from './services/internal/pages.js';
export type {
  Leases,
  LeaseGrantResponse,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeResponse,
  LeaseTimeToLiveResponse,
} from './services/lease.js';
export type {
  AuthenticateResponse,
  AuthService,
  AuthStatusResponse,
  Done,
  NewUser,
  PermissionType,
  RoleGetResponse,
  RoleListResponse,
  UserGetResponse,
  UserListResponse,
} from './services/auth.js';
export type { HeldLease, LeaseEvent } from './concurrency/lease/heldLease.js';
export type { LeaseFunction } from './concurrency/leaseFunction.js';
export type { LeaseOptions } from './concurrency/lease/lease.js';
export type { LockClaim, LockOptions, Locks, Ownership } from './concurrency/lock/lock.js';
export type { Reentrancy } from './concurrency/lock/reentrantLock.js';
export type { TenureOptions } from './concurrency/lock/ownership.js';
export type { Election, Elections, Leadership } from './concurrency/lock/election.js';
export type { Stm, StmOptions, StmResult } from './concurrency/transaction/stm.js';
export type { Isolation } from './concurrency/stm/isolation.js';
export type { Outcome } from './util/rx.js';
export type { Transaction } from './concurrency/stm/transaction.js';
export type { TryOptions } from './concurrency/transaction/optimisticRetry.js';
export type { Barrier, Barriers, HoldOptions } from './concurrency/recipes/barrier.js';
export type { DoubleBarrier, DoubleBarriers, Entered } from './concurrency/recipes/doubleBarrier.js';
export type { Endpoint, EndpointOptions } from './concurrency/recipes/serviceEndpoint.js';
export type { PriorityQueue, PriorityQueues } from './concurrency/recipes/priorityQueue.js';
export type { Enqueued, Queue, Queues } from './concurrency/recipes/queue.js';
export type { ReadWriteLockOptions, ReadWriteLocks } from './concurrency/recipes/readWriteLock.js';
export type { Recipes } from './concurrency/recipes/recipes.js';
export type { Semaphores, SemaphoreOptions } from './concurrency/recipes/semaphore.js';
export type { Registration, RegisterOptions, ServiceRegistry, Services, ServicesOptions } from './concurrency/recipes/serviceRegistry.js';
export type { UpdateOptions, UpdateResult, Updater, Updates } from './concurrency/transaction/update.js';
export type { Cluster, Member, MemberAddResponse, MemberListResponse } from './services/cluster.js';
export type {
  Alarm,
  AlarmResponse,
  DowngradeResponse,
  HashKvResponse,
  HashResponse,
  Maintenance,
  StatusResponse,
} from './services/maintenance.js';
export type { SnapshotPart } from './snapshot.js';
export type { LockResponse, LockService } from './services/lock.js';
export type { CampaignResponse, ElectionService, LeaderKey, LeaderResponse } from './services/election.js';
export type { ServerInfoService } from './services/serverInfo.js';
export type { ServerHealth, ServerVersion } from './codec/serverInfo.js';
export type { MetricFamily, MetricSample } from './codec/metrics.js';
export type { Verdict } from './transport/retry.js';
export type { RetryDecision, RetryFailure, RetryPolicy } from './transport/retryPolicy.js';
export type { RawCallOptions } from './services/rawCall.js';
export type { Json } from './codec/wire.js';
export type { Watches, WatchOnceOptions, WatchOptions } from './watch/watch.js';
export type { LiveUpdate } from './watch/live/liveRange.js';
export type { Lives } from './watch/live/live.js';
export type { LiveValueOptions } from './watch/liveValue.js';
export type { ViewState } from './watch/live/viewState.js';
export type { WatchFilter } from './watch/messages.js';
export type { ConnectionState } from './watch/connectionState.js';
export type { StreamOptions } from './options/streamOptions.js';
export type { Carrier } from './transport/streams/carrierSelector.js';
export type { EventsBatch, ProgressBatch, WatchBatch } from './model/watchBatch.js';

export {
  AmbiguousWriteError,
  CompactedError,
  EtcdError,
  InvalidOptionError,
  InvalidValueError,
  UnsupportedServerVersionError,
  hasReason,
  isEtcdError,
  type ErrorDetails,
  type EtcdErrorOf,
  type GrpcCode,
  type Reason,
} from './errors/index.js';

export { toBytes, toText, type BytesLike } from './model/bytes.js';
export { idToHex, leaseId, memberId, type ClusterId, type LeaseId, type MemberId } from './model/ids.js';
export { KeyValue } from './model/keyValue.js';
export { prefixEnd, toKeyRange, type KeyRange, type Range } from './model/range.js';
export type { DeleteEvent, PutEvent, WatchEvent } from './model/watchEvent.js';
export type { DeleteRangeResponse, PutResponse, RangeResponse, ResponseHeader } from './model/responses.js';
export { key, type Compare, type Comparison, type KeyComparisons } from './model/compare.js';
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
} from './model/op.js';
