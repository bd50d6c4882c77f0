import { deletes, parseJsonStream, puts } from 'rxetcd/operators';
import { loadSwagger } from 'rxetcd/swagger';
import {
  AlarmType,
  createClient,
  errorFrom,
  get,
  isEtcdError,
  key,
  PermissionType,
  put,
  SortOrder,
  type Client,
  type ClientOptions,
  type Logger,
} from 'rxetcd';
import { finalize, map, mergeMap, of, switchMap, take, type Observable } from 'rxjs';
import { compare, ENDPOINT, NO_LEASE, range, refusal, refused, row, TTL, type Row } from './parityRows.js';

/** Emits the events of a watch that a put has caused. */
const watched = (etcd: Client) => etcd.watch('parity/seen', { onStart: () => void etcd.promises.kv.put('parity/seen', '1') }).pipe(take(1));
/** Maps an error of the server, and emits the result. */
const failing = (etcd: Client): Observable<unknown> => refusal('LeaseNotFound', etcd.lease.revoke(NO_LEASE));
/** Makes a call with another client of the server, with these options. */
const configured = (etcd: Client, options: ClientOptions): Observable<unknown> => {
  const other = createClient({ endpoints: etcd.endpoints(), ...options });
  return other.kv.get('parity/a').pipe(finalize(() => void other.close()));
};
const SILENT: Logger = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };
const swagger = () =>
  loadSwagger({
    paths: {
      '/v3/a': {
        post: {
          parameters: [{ in: 'body', schema: { $ref: '#/definitions/A' } }],
          responses: { '200': { schema: { $ref: '#/definitions/A' } } },
        },
      },
    },
    definitions: { A: { type: 'object', properties: { kind: { $ref: '#/definitions/Kind' } } }, Kind: { type: 'string', enum: ['B'] } },
  });

/** The names of etcd3-py that its other tables do not have. */
export const PY_REST: readonly Row[] = [
  row('Client(protocol, token), BaseClient.baseurl', '`endpoints` with a scheme, `auth: { token }`, `endpoints()`', (etcd) =>
    Promise.resolve(etcd.endpoints()),
  ),
  row('BaseClient.cluster_version, server_version', '`version()`: `etcdcluster`, `etcdserver`', (etcd) => etcd.version()),
  row('BaseClient.api_prefix', 'derived from the version of the server; `call` takes the path without this prefix', (etcd) =>
    etcd.call('/kv/range', { key: 'YQ==' }, { safety: 'read' }),
  ),
  row(
    'BaseModelizedStreamResponse, ModelizedStreamResponse, ModelizedResponse',
    'the Observable of a call; unsubscribing closes it',
    (etcd) => etcd.maintenance.snapshot(),
  ),
  row('ResponseIter', '`parseJsonStream()`', () => of('{"a":1}').pipe(parseJsonStream())),
  row('ExtraAPI.metrics_raw', '`metricsText()`', (etcd) => etcd.metricsText()),
  row('lease_grant, lease_revoke', '`lease.grant`, `lease.revoke`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lease.revoke(id))),
  ),
  row('lease_time_to_live(keys)', '`lease.timeToLive(id, { keys: true })`', (etcd) => etcd.lease.timeToLive(NO_LEASE, { keys: true })),
  row('lease_keep_alive, lease_keep_alive_once, Lease.refresh', '`lease.keepAliveOnce(id)`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lease.keepAliveOnce(id))),
  ),
  row('Lease.grantedTTL', '`grantedTtl` of `lease.timeToLive(id)`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lease.timeToLive(id))),
  ),
  row(
    'Lease.last_grant, last_keep, jammed; keepalive(keep_cb, cancel_cb)',
    '`diagnostics$`: `leaseRefreshed`, `leaseAtRisk`, `leaseLost`',
    (etcd) => etcd.lease(TTL),
  ),
  row('txn, Txn.compare, success, failure, clone', '`kv.txn({ compare, success, failure })`', ({ kv }) =>
    kv.txn({ compare: [key('parity/a').exists()], success: [get('parity/a')], failure: [put('parity/a', '1')] }),
  ),
  row(
    'range(txn_obj), put(key, value, txn_obj), delete_range(txn_obj)',
    '`get`, `range`, `put`, `del`: operations for `kv.txn`',
    ({ kv }) => kv.txn({ success: [get('parity/a'), put('parity/t', '1')] }),
  ),
  row('BaseAPI.call_rpc(method, data, stream)', '`call(path, body, { streaming })`', (etcd) =>
    etcd.call('/kv/range', { key: 'YQ==' }, { safety: 'read' }),
  ),
  row('Txn.key, range, put, delete', '`key`, `range`, `get`, `put` and `del`, functions of `rxetcd`', ({ kv }) =>
    kv.txn({ success: [get('parity/a')] }),
  ),
  row(
    'TxnCompareOp: value, mod, version, create, lease',
    '`key(k)`: `.value`, `.modRevision`, `.version`, `.createRevision`, `.lease`',
    compare('modRevision'),
  ),
  row(
    'Watcher(key, range_end, prefix, all, max_retries)',
    'a range: `key`, `{ from, to }`, `{ prefix }`, `{ all }`; `streams.maxRetries`',
    (etcd) => etcd.watchBatches({ prefix: 'parity/' }),
  ),
  row('Watcher.request_cancel, watch_id', 'unsubscribing cancels the watch', (etcd) => etcd.watchBatches('parity/a')),
  row('Watcher.get_filter, dispatch_event, clear_callbacks', '`filter` of RxJS, `puts`, `deletes`; subscribers', (etcd) =>
    watched(etcd).pipe(puts()),
  ),
  row('OnceTimeout', '`DeadlineExceeded`', (etcd) => refusal('DeadlineExceeded', etcd.watchOnce('parity/never', { timeoutMs: 20 }))),
  row('Event, KeyValue, EventType', '`WatchEvent`, `KeyValue`; `type` is `put` or `delete`', (etcd) =>
    watched(etcd).pipe(map(({ type }) => type)),
  ),
  row('Lock(lock_name, lock_prefix)', '`lock(name)`; the name is the whole prefix', (etcd) => etcd.lock('parity/py8', TTL)),
  row('EtcdLockError', '`LockLost`, `Locked`', (etcd) =>
    etcd.lock('parity/py9', TTL).pipe(switchMap(() => refusal('Locked', etcd.tryLock('parity/py9', TTL)))),
  ),
  row('alarm(memberID, action)', '`maintenance.alarms`, `alarmActivate`, `alarmDeactivate`', (etcd) => etcd.maintenance.alarms()),
  row('health', '`health()`', (etcd) => etcd.health()),
  row('watch', '`watch(range)`', watched),
  row('Etcd3StreamError', '`MalformedResponse`', () => refusal('MalformedResponse', of('{"a":').pipe(parseJsonStream()))),
  row('Etcd3WatchCanceled', '`WatchCanceled`', () => Promise.resolve(errorFrom('etcdserver: watch canceled', 1))),
  row('UnsupportedServerVersion', '`UnsupportedServerVersion`, by the `version()` of the server', (etcd) => etcd.version()),
  row('ErrUnknownError, errStringToClientError', '`Unknown`; `errorFrom(text, code)`', () =>
    Promise.resolve(errorFrom('something new', 2)),
  ),
  row(
    'Etcd3Exception: code, error, codeText, status, response, as_dict',
    '`codeNumber`, `serverMessage`, `code`, `status`, `toJSON`',
    failing,
  ),
  row('GRPCCode', '`code`, by name; `codeNumber`', () => Promise.resolve(errorFrom('etcdserver: key is not provided', 3).codeNumber)),
  row('AlarmRequestAlarmAction, etcdserverpbAlarmType', 'a method for each action; `AlarmType`', () => Promise.resolve(AlarmType)),
  row(
    'CompareCompareResult, CompareCompareTarget',
    '`equals`, `notEquals`, `greater`, `less`; `CompareResult`, `CompareTarget`',
    compare('version'),
  ),
  row('EventEventType, WatchCreateRequestFilterType', '`type` of an event; `noPut`, `noDelete`', (etcd) =>
    etcd.watchBatches('parity/a', { noPut: true }),
  ),
  row('RangeRequestSortOrder, RangeRequestSortTarget', '`SortOrder`, `SortTarget`', () => Promise.resolve(SortOrder)),
  row('authpbPermissionType', '`PermissionType`', () => Promise.resolve(PermissionType)),
  row('EtcdModel, name_to_model, SwaggerNode.getModel', 'the codecs and types of `loadSwagger`', () => Promise.resolve(swagger())),
  row('SwaggerSpec.ref, get', '`definitions` and `path(path)`, with each `$ref` resolved', () => Promise.resolve(swagger().path('/a'))),
  row('swagger_escape, PROP_ENCODERS, PROP_DECODERS', 'done by `loadSwagger`', () => Promise.resolve(swagger())),
  row('enum_value', 'enum values are their names', range({ sortOrder: 'ASCEND' })),
  row('log, Etcd3Warning', 'the option `logger`', (etcd) => configured(etcd, { logger: SILENT })),
  row('retry_all_hosts', 'reads are retried on each endpoint', (etcd) => etcd.kv.get('parity/a')),
  refused(
    'lru_cache, memoize_in_object, merge_two_dicts, run_coro, exec_cmd, find_executable, OrderedDictEx',
    'They are only useful in Python.',
  ),
];

/** The names of Go's packages that the other tables do not have. */
export const GO_REST: readonly Row[] = [
  row('New, Username, Password, Token, TLS, Endpoints', '`createClient({ endpoints, auth, tls })`', (etcd) => configured(etcd, {})),
  row('ErrNoAvailableEndpoints', '`InvalidOption`', () =>
    refusal('InvalidOption', of([]).pipe(mergeMap((endpoints) => createClient({ endpoints }).kv.get('a')))),
  ),
  row('ErrOldCluster', '`UnsupportedServerVersion`, for an RPC or field that the server does not have', (etcd) => etcd.version()),
  row('WithZapLogger, WithLogger, GetLogger', 'the option `logger`; `diagnostics$`', (etcd) => configured(etcd, { logger: SILENT })),
  row('IsConnCanceled', '`isEtcdError(error)` and `error.reason`: `ClientClosed`, `ConnectionLost`', (etcd) =>
    failing(etcd).pipe(map((reason) => isEtcdError(reason))),
  ),
  row('Config.DialTimeout, Context', 'the option `connectTimeoutMs`; the option `signal` of each call', (etcd) =>
    configured(etcd, { connectTimeoutMs: 1_000 }),
  ),
  refused('SecureConfig, AuthConfig, NewClientConfig', 'The options `tls` and `auth` are plain objects, so they need no constructor.'),
  refused('InsecureSkipVerify', 'Certificates are always verified.'),
  row('KV.GetStream, GetStreamChan, RangeStreamResponse, GetStreamToGetResponse', '`kv.pages(range)`', (etcd) =>
    etcd.kv.pages({ prefix: 'parity/' }),
  ),
  row(
    'GetResponse, PutResponse, DeleteResponse, TxnResponse, CompactResponse',
    '`RangeResponse`, `PutResponse`, `DeleteRangeResponse`, `TxnResponse`, `CompactionResponse`',
    range({}),
  ),
  row('SortNone, SortAscend, SortDescend', '`sortOrder`: `NONE`, `ASCEND`, `DESCEND`', range({ sortOrder: 'DESCEND' })),
  row(
    'SortByKey, SortByVersion, SortByCreateRevision, SortByModRevision, SortByValue',
    '`sortTarget`: `KEY`, `VERSION`, `CREATE`, `MOD`, `VALUE`',
    range({ sortTarget: 'CREATE', sortOrder: 'ASCEND' }),
  ),
  row('OpCompact, CompactOption', '`kv.compact(revision, options)`', (etcd) => etcd.kv.compact(1)),
  row('OpResponse: Get, Put, Del, Txn', 'the results of `kv.txn`, typed by their operations', ({ kv }) =>
    kv.txn({ success: [get('parity/a')] }),
  ),
  row(
    'Op: IsTxn, IsPut, IsGet, IsDelete, IsSerializable, IsKeysOnly, IsCountOnly, MinModRev, MaxModRev, MinCreateRev, MaxCreateRev, Rev',
    'an operation is a plain object, with `op` and its options',
    () => Promise.resolve(get('parity/a').op),
  ),
  row(
    'Op, Cmp: KeyBytes, RangeBytes, ValueBytes, WithKeyBytes, WithRangeBytes, WithValueBytes',
    'keys and values are strings or `Uint8Array`s',
    (etcd) => etcd.kv.put(new TextEncoder().encode('parity/bytes'), new Uint8Array([0, 255])),
  ),
  row('IsOptsWithPrefix, IsOptsWithFromKey', 'the types allow only valid ranges', range({})),
  row(
    'SortOption, SortTarget, SortOrder, IsSortOptionValid',
    '`SortTarget`, `SortOrder`; other names cause `InvalidArgument`',
    range({ sortTarget: 'VALUE', sortOrder: 'ASCEND' }),
  ),
  row('CompareTarget, CompareResult: =, !=, >, <', '`equals`, `notEquals`, `greater`, `less`', compare('version')),
  row('WatchChan, NewWatcher, Watcher.Close', 'the Observable of `watch`; unsubscribe', watched),
  row('WatchResponse: Header, Events', 'a batch of `watchBatches`: `header`, `events`', (etcd) => etcd.watchBatches('parity/a')),
  row('WatchResponse: IsProgressNotify, Created', 'a batch with `type: "progress"`; the first batch', (etcd) =>
    etcd.watchBatches('parity/a'),
  ),
  row(
    'WatchResponse: CompactRevision, Canceled, Err',
    'the error of the watch: `Compacted`, with `compactRevision`, `WatchCanceled`',
    (etcd) =>
      etcd.kv.put('parity/c', '').pipe(
        switchMap(({ header }) => etcd.kv.compact(header.revision)),
        switchMap(() => refusal('Compacted', etcd.watch('parity/c', { startRevision: 1 }))),
      ),
  ),
  row('EventTypePut, EventTypeDelete', '`type`: `put`, `delete`; `puts()`, `deletes()`', (etcd) =>
    etcd
      .watch('parity/d', { onStart: () => void etcd.promises.kv.put('parity/d', '').then(() => etcd.promises.kv.delete('parity/d')) })
      .pipe(deletes()),
  ),
  refused('AutoWatchID, InvalidWatchID', 'The ids of watches are internal: a watch is an Observable.'),
  row('LeaseID, LeaseStatus, NoLease', '`LeaseId`, a string; `lease.leases()`; without the option', (etcd) => etcd.lease.leases()),
  row('ErrKeepAliveHalted', '`LeaseNotFound`, `LeaseLost`', (etcd) => refusal('LeaseNotFound', etcd.lease.adopt(NO_LEASE))),
  refused('LeaseResponseChSize', 'Responses to keepalives are not buffered in a channel.'),
  row('PermissionType, PermRead, PermWrite, PermReadWrite, StrToPermissionType', '`READ`, `WRITE`, `READWRITE`; `PermissionType`', () =>
    Promise.resolve(PermissionType),
  ),
  row('UserAddOptions', 'the argument of `auth.userAdd`', (etcd) => etcd.auth.userList()),
  row('MemberList(WithSerializable), Member', '`cluster.memberList({ linearizable: false })`', (etcd) =>
    etcd.cluster.memberList({ linearizable: false }),
  ),
  row('AlarmMember', '`{ alarm, memberId }`', (etcd) => etcd.maintenance.alarms({ alarm: 'NOSPACE' })),
  row('DowngradeAction, DowngradeValidate, DowngradeEnable, DowngradeCancel', '`VALIDATE`, `ENABLE`, `CANCEL`', (etcd) =>
    refusal('NoInflightDowngrade', etcd.maintenance.downgrade('CANCEL', '')),
  ),
  refused(
    'NewKV, NewLease, NewAuth, NewCluster, NewMaintenance, RetryKVClient, and the like for other services',
    'A client already has all its services. For tests, use `createTestEtcd` of `rxetcd/testing`.',
  ),
  row('concurrency.Session.Client, SessionOption, WithContext', 'the client that created it; options; unsubscribe', (etcd) =>
    etcd.session(TTL),
  ),
  row('concurrency.NewMutex, ErrSessionExpired', '`lock(name, { session })`, `LockLost`', (etcd) =>
    etcd.session(TTL).pipe(switchMap((session) => etcd.lock('parity/m4', { session }))),
  ),
  row(
    'concurrency.NewElection, ErrElectionNoLeader, ErrElectionNotLeader',
    '`election(name)`; `leader$` emits undefined if there is no leader; `LockLost`',
    (etcd) => etcd.election('parity/e4').leader$,
  ),
  row(
    'concurrency.Isolation: SerializableSnapshot, Serializable, RepeatableReads, ReadCommitted',
    '`isolation`: `serializableSnapshot`, `serializable`, `repeatableReads`, `readCommitted`',
    (etcd) => etcd.stm((tx) => tx.get('parity/a'), { isolation: 'readCommitted' }),
  ),
  row('endpoints.Update: Op, Key, Endpoint; UpdateWithOpts: Opts', '`type`, `id` and `addr` of a change; `lease`', (etcd) =>
    etcd.services('parity/s4').update([{ type: 'put', id: 'a', ...ENDPOINT }]),
  ),
  row('endpoints.NewManager, Endpoint: Addr, Metadata', '`services(target)`; `addr`, `metadata`', (etcd) =>
    etcd.services('parity/s3').update([{ type: 'put', id: 'a', ...ENDPOINT, metadata: { zone: 1 } }]),
  ),
  row(
    'endpoints.Operation: Add, Delete; UpdateWithOpts, NewAddUpdateOpts, NewDeleteUpdateOpts',
    '`{ type, id, … }`: `put` or `delete`',
    (etcd) => etcd.services('parity/s3').update([{ type: 'delete', id: 'a' }]),
  ),
  row(
    'endpoints.WatchChannel, Key2EndpointMap',
    '`endpoints$` and `list()`, with a map of endpoints',
    (etcd) => etcd.services('parity/s3').endpoints$,
  ),
  row('mirror.NewSyncer', '`live(range)`', (etcd) => etcd.live({ prefix: 'parity/' })),
  row(
    'ordering.NewKV: Get, GetStream, Txn, If, Then, Else, Commit',
    'the option `{ monotonic: true }` of reads, including `kv.pages`',
    (etcd) => etcd.kv.pages({ prefix: 'parity/' }, { monotonic: true }),
  ),
  row('ordering.OrderViolationFunc, ErrNoGreaterRev', '`StaleRead`', (etcd) => etcd.kv.get('parity/a', { monotonic: true })),
];
