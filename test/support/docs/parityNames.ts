/**
 * The public names of the other clients, by the file or package that defines them. The lists are written by hand. They
 * follow the modules of etcd3-py's API reference, and the exports of Go's packages. Messages of etcd's own protobuf
 * files are left out. So are the constructors of Go's interfaces, which all have one form (`NewKVFromKVClient` …). A
 * name must be in the tables of its own source: see {@link rowsOf}.
 */
export const NAMES: Readonly<Record<string, string>> = {
  'etcd3.baseclient': `host port protocol cert verify timeout headers user_agent pool_size username password token
    cluster_version server_version api_prefix baseurl BaseClient BaseModelizedStreamResponse close call_rpc stream encode raw auth
    Txn Lease Watcher Lock`,
  'etcd3.client, etcd3.aio_client': `Client AioClient ModelizedStreamResponse ModelizedResponse ResponseIter iter_response`,
  'etcd3.stateful.lease': `Lease ttl ID new grantedTTL last_grant last_keep keeping grant time_to_live alive keepalive_once refresh
    keepalive keep_cb cancel_cb cancel_keepalive jammed revoke`,
  'etcd3.stateful.lock': `Lock lock_name lock_ttl reentrant lock_prefix DEFAULT_LOCK_TTL HOST PROCESS THREAD holders incr_holder
    decr_holder is_acquired acquired acquire block timeout delete_key wait release EtcdLockError EtcdLockAcquireTimeout`,
  'etcd3.stateful.transaction': `Txn compare If success Then failure Else commit clear clone key range put delete TxnCompareOp value
    mod version create lease`,
  'etcd3.stateful.watch': `Watcher key range_end prefix all max_retries start_revision progress_notify prev_kv no_put no_delete
    set_default_timeout clear_revision request_create request_cancel get_filter onEvent clear_callbacks dispatch_event run stop cancel
    runDaemon watch_once watching errors retries revision watch_id OnceTimeout KeyValue Event EventType`,
  'etcd3.apis': `BaseAPI call_rpc method data stream txn_obj key value range_end prefix all name compare success failure authenticate auth_enable auth_disable user_add user_get user_list user_delete user_change_password user_grant_role
    user_revoke_role role_add role_get role_list role_delete role_grant_permission role_revoke_permission member_add member_list
    member_update member_remove version health metrics metrics_raw range limit revision serializable keys_only count_only
    min_mod_revision max_mod_revision min_create_revision max_create_revision sort_order sort_target put lease prev_kv ignore_value
    ignore_lease delete_range compact physical txn lease_grant lease_revoke lease_time_to_live keys lease_keep_alive
    lease_keep_alive_once leases lock unlock alarm alarm_get alarm_activate alarm_deactivate memberID defragment hash snapshot status
    watch watch_create watch_cancel`,
  'etcd3.errors': `Etcd3Exception Etcd3StreamError Etcd3WatchCanceled UnsupportedServerVersion ErrUnknownError get_client_error code
    error codeText status response as_dict errStringToClientError GRPCCode`,
  'etcd3.models': `AlarmRequestAlarmAction CompareCompareResult CompareCompareTarget EventEventType RangeRequestSortOrder
    RangeRequestSortTarget WatchCreateRequestFilterType authpbPermissionType etcdserverpbAlarmType EtcdModel name_to_model`,
  'etcd3.swagger_helper': `SwaggerSpec SwaggerNode ref get getPath getSchema getEnum encode decode getModel swagger_escape
    PROP_ENCODERS PROP_DECODERS`,
  'etcd3.utils': `lru_cache memoize memoize_in_object incr_last_byte merge_two_dicts check_param run_coro cached_property
    iter_json_string enum_value retry retry_all_hosts exec_cmd find_executable Etcd3Warning OrderedDictEx log get_ident`,
  'clientv3, the client': `New NewCtxClient NewFromURL NewFromURLs WithZapLogger WithLogger GetLogger Close Ctx Endpoints SetEndpoints
    Sync Dial ActiveConnection IsConnCanceled Username Password Token ErrNoAvailableEndpoints ErrOldCluster WithRequireLeader`,
  'clientv3, Config': `AutoSyncInterval DialTimeout DialKeepAliveTime DialKeepAliveTimeout MaxCallSendMsgSize MaxCallRecvMsgSize TLS
    RejectOldCluster DialOptions Context Logger LogConfig PermitWithoutStream MaxUnaryRetries BackoffWaitBetween BackoffJitterFraction
    ConfigSpec SecureConfig AuthConfig NewClientConfig InsecureSkipVerify`,
  'clientv3, KV and Op': `KV Get GetStream Put Delete Compact Do Txn If Then Else Commit OpGet OpPut OpDelete OpTxn OpCompact OpResponse
    GetResponse PutResponse DeleteResponse TxnResponse CompactResponse GetStreamChan RangeStreamResponse GetStreamToGetResponse
    SortNone SortAscend SortDescend SortByKey SortByVersion SortByCreateRevision SortByModRevision SortByValue IsTxn IsPut IsGet IsDelete IsSerializable IsKeysOnly IsCountOnly IsSortOptionValid KeyBytes RangeBytes ValueBytes WithKeyBytes
    WithRangeBytes WithValueBytes Rev MinModRev MaxModRev MinCreateRev MaxCreateRev WithLease WithLimit WithRev WithSort SortOption
    SortTarget SortOrder WithPrefix GetPrefixRangeEnd WithRange WithFromKey WithSerializable WithKeysOnly WithCountOnly WithMinModRev
    WithMaxModRev WithMinCreateRev WithMaxCreateRev WithFirstCreate WithLastCreate WithFirstKey WithLastKey WithFirstRev WithLastRev
    WithProgressNotify WithCreatedNotify WithFilterPut WithFilterDelete WithPrevKV WithFragment WithIgnoreValue WithIgnoreLease
    WithCompactPhysical CompactOption IsOptsWithPrefix IsOptsWithFromKey Cmp Compare Value Version CreateRevision ModRevision LeaseValue
    CompareTarget CompareResult KeyExists KeyMissing`,
  'clientv3, Watch': `Watch RequestProgress Event IsCreate IsModify WatchChan WatchResponse Header Events CompactRevision Canceled
    Created Err IsProgressNotify EventTypePut EventTypeDelete AutoWatchID InvalidWatchID NewWatcher`,
  'clientv3, Lease': `Grant Revoke TimeToLive Leases KeepAlive KeepAliveOnce WithAttachedKeys LeaseID LeaseStatus NoLease
    ErrKeepAliveHalted LeaseResponseChSize NewLease`,
  'clientv3, Auth, Cluster, Maintenance': `AuthStatus Authenticate AuthEnable AuthDisable UserAdd UserAddWithOptions UserDelete
    UserChangePassword UserGrantRole UserGet UserList UserRevokeRole RoleAdd RoleGrantPermission RoleGet RoleList RoleRevokePermission
    RoleDelete PermissionType StrToPermissionType PermRead PermWrite PermReadWrite UserAddOptions MemberList MemberAdd
    MemberAddAsLearner MemberRemove MemberUpdate MemberPromote Member AlarmList AlarmDisarm AlarmMember Defragment Status HashKV
    SnapshotWithVersion Snapshot MoveLeader Downgrade DowngradeAction DowngradeValidate DowngradeEnable DowngradeCancel NewAuth
    NewCluster NewKV NewMaintenance RetryKVClient`,
  concurrency: `Session NewSession Client Lease Done Orphan Close SessionOption WithTTL WithLease WithContext Mutex NewMutex TryLock
    Lock Unlock IsOwner Key Header NewLocker ErrLocked ErrSessionExpired Election NewElection ResumeElection Campaign Proclaim Resign
    Leader Observe Rev ErrElectionNotLeader ErrElectionNoLeader STM Get Put Del NewSTM NewSTMRepeatable NewSTMSerializable
    NewSTMReadCommitted Isolation SerializableSnapshot Serializable RepeatableReads ReadCommitted WithIsolation WithAbortContext
    WithPrefetch`,
  endpoints: `Manager NewManager Update AddEndpoint DeleteEndpoint List NewWatchChannel Endpoint Addr Metadata Operation Op Key Opts Add
    Delete WatchChannel Key2EndpointMap UpdateWithOpts NewAddUpdateOpts NewDeleteUpdateOpts`,
  resolver: `NewBuilder Build Scheme ResolveNow Close`,
  mirror: `Syncer NewSyncer SyncBase SyncUpdates`,
  ordering: `NewKV Get GetStream Txn If Then Else Commit OrderViolationFunc ErrNoGreaterRev NewOrderViolationSwitchEndpointClosure`,
  snapshot: `Save SaveWithVersion`,
};

/** The packages based on Go's client. Their rows begin with the name of the package. */
const PACKAGE = /^(?:naming\/)?(concurrency|recipes|endpoints|resolver|mirror|ordering|snapshot|namespace|leasing)\b/;

/** Returns whether a row of a table concerns a source: a word of another client or package is no counterpart. */
export function rowsOf(source: string, table: string, theirs: string): boolean {
  const isPython = source.startsWith('etcd3.');
  if (isPython !== table.startsWith('etcd3-py')) return false;
  if (isPython) return true;
  const concerned = PACKAGE.exec(theirs)?.[1];
  return source.startsWith('clientv3') ? concerned === undefined : concerned === source;
}
