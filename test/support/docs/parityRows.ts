import {
  del,
  get,
  isCreate,
  isEtcdError,
  key,
  leaseId,
  memberId,
  prefixEnd,
  put,
  txn,
  type Client,
  type EndpointOptions,
  type RangeOptions,
  type Reason,
} from 'rxetcd';
import { catchError, concatMap, filter, map, of, switchMap, take, throwError, type Observable } from 'rxjs';

/** A part of another client, with its counterpart here: a call that the test makes, or the reason why there is none. */
export type Row =
  | { readonly theirs: string; readonly ours: string; readonly call: Call }
  | { readonly theirs: string; readonly missing: string }
  | { readonly theirs: string; readonly refused: string };

type Call = (etcd: Client) => Observable<unknown> | Promise<unknown>;

export const TTL = { ttl: 30 };

export const row = (theirs: string, ours: string, call: Call): Row => ({ theirs, ours, call });
export const refused = (theirs: string, why: string): Row => ({ theirs, refused: why });
/** Accepts this error of the server: the call was made, and its success would harm the server. */
export const refusal = (reason: Reason, call: Observable<unknown>): Observable<unknown> =>
  call.pipe(
    catchError((error: unknown) => (isEtcdError(error) && error.reason === reason ? of(error.reason) : throwError(() => error))),
    map((value) => {
      if (value !== reason) throw new Error(`expected the error ${reason}`);
      return value;
    }),
  );

const ALL = { prefix: 'parity/' };
export const range =
  (options: RangeOptions): Call =>
  ({ kv }) =>
    kv.range(ALL, options);
export const compare =
  (target: 'version' | 'createRevision' | 'modRevision'): Call =>
  ({ kv }) =>
    kv.txn({ compare: [key('parity/a')[target].greater(0)], success: [get('parity/a')] });
export const NO_MEMBER = memberId('1');
export const NO_LEASE = leaseId('1');
export const ENDPOINT: EndpointOptions = { addr: 'parity:1' };

/** The options of Go's operations, and its comparisons. */
export const GO_OPTIONS: readonly Row[] = [
  row('OpGet, OpPut, OpDelete, OpTxn, KV.Do', '`get`, `range`, `put`, `del` and `txn` in `kv.txn`', ({ kv }) =>
    kv.txn({ success: [put('parity/op', ''), get('parity/op'), del('parity/none'), txn({ success: [get('parity/op')] })] }),
  ),
  row('Txn.If, Then, Else, Commit', '`kv.txn({ compare, success, failure })`', ({ kv }) =>
    kv.txn({ compare: [key('parity/none').exists()], failure: [get('parity/a')] }),
  ),
  row('WithLease', '`put(…, { lease })`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.kv.put('parity/l', '', { lease: id }))),
  ),
  row('WithLimit', '`{ limit }`; `pages` for all', range({ limit: 1 })),
  row('WithRev', '`{ revision }` of reads, `{ startRevision }` of watches', ({ kv }) =>
    kv.get('parity/a').pipe(switchMap((kv_) => kv.get('parity/a', { revision: kv_?.modRevision ?? 0 }))),
  ),
  row('WithSort', '`{ sortTarget, sortOrder }`', range({ sortTarget: 'VERSION', sortOrder: 'DESCEND' })),
  row('WithPrefix, GetPrefixRangeEnd', '`{ prefix }`, `prefixEnd`', ({ kv }) => kv.range({ from: 'parity/', to: prefixEnd('parity/') })),
  row('WithRange', '`{ from, to }`', ({ kv }) => kv.range({ from: 'parity/a', to: 'parity/b' })),
  row('WithFromKey', '`{ from }`', ({ kv }) => kv.count({ from: 'parity/a' })),
  row('WithSerializable', '`{ serializable: true }`', range({ serializable: true })),
  row('WithKeysOnly', '`{ keysOnly: true }`', range({ keysOnly: true })),
  row('WithCountOnly', '`kv.count`', ({ kv }) => kv.count(ALL)),
  row('WithMinModRev, WithMaxModRev', '`{ minModRevision, maxModRevision }`', range({ minModRevision: 1, maxModRevision: 1_000 })),
  row(
    'WithMinCreateRev, WithMaxCreateRev',
    '`{ minCreateRevision, maxCreateRevision }`',
    range({ minCreateRevision: 1, maxCreateRevision: 9 }),
  ),
  row(
    'WithFirstCreate, WithLastCreate',
    '`{ limit: 1, sortTarget: "CREATE", sortOrder }`',
    range({ limit: 1, sortTarget: 'CREATE', sortOrder: 'ASCEND' }),
  ),
  row(
    'WithFirstKey, WithLastKey',
    '`{ limit: 1, sortTarget: "KEY", sortOrder }`',
    range({ limit: 1, sortTarget: 'KEY', sortOrder: 'DESCEND' }),
  ),
  row(
    'WithFirstRev, WithLastRev',
    '`{ limit: 1, sortTarget: "MOD", sortOrder }`',
    range({ limit: 1, sortTarget: 'MOD', sortOrder: 'DESCEND' }),
  ),
  row('WithPrevKV', '`{ prevKv: true }`', ({ kv }) => kv.put('parity/p', '', { prevKv: true })),
  row('WithIgnoreValue', '`{ ignoreValue: true }`', ({ kv }) =>
    kv.put('parity/i', '1').pipe(switchMap(() => kv.put('parity/i', '', { ignoreValue: true }))),
  ),
  row('WithIgnoreLease', '`{ ignoreLease: true }`', ({ kv }) =>
    kv.put('parity/i', '1').pipe(switchMap(() => kv.put('parity/i', '2', { ignoreLease: true }))),
  ),
  row('WithProgressNotify', '`{ progressNotify: true }`', (etcd) => etcd.watchBatches('parity/a', { progressNotify: true })),
  row('WithCreatedNotify', '`{ onStart }`, and the first batch of `watchBatches`', (etcd) => etcd.watchBatches('parity/a')),
  row('WithFilterPut, WithFilterDelete', '`{ noPut }`, `{ noDelete }`', (etcd) => etcd.watchBatches('parity/a', { noPut: true })),
  row('WithFragment', 'the client requests fragments automatically when a response is too long', (etcd) => etcd.watchBatches('parity/a')),
  row('WithCompactPhysical', '`kv.compact(revision, { physical: true })`', ({ kv }) => kv.compact(1, { physical: true })),
  row('WithAttachedKeys', '`lease.timeToLive(id, { keys: true })`', (etcd) => etcd.lease.timeToLive(NO_LEASE, { keys: true })),
  row('Compare(Version)', '`key(k).version.equals(…)`', compare('version')),
  row('Compare(CreateRevision)', '`key(k).createRevision.greater(…)`', compare('createRevision')),
  row('Compare(ModRevision)', '`key(k).modRevision.less(…)`', compare('modRevision')),
  row('Compare(Value)', '`key(k).value.notEquals(…)`', ({ kv }) => kv.txn({ compare: [key('parity/a').value.notEquals('x')] })),
  row('Compare(LeaseValue)', '`key(k).lease.equals(…)`', ({ kv }) => kv.txn({ compare: [key('parity/a').lease.notEquals(NO_LEASE)] })),
  row('Cmp.WithRange, WithPrefix', '`key({ prefix })`, or any other range', ({ kv }) => kv.txn({ compare: [key(ALL).version.greater(0)] })),
  row('clientv3util.KeyExists, KeyMissing', '`key(k).exists()`, `key(k).missing()`', ({ kv }) =>
    kv.txn({ compare: [key('parity/none').missing()] }),
  ),
];

/** The methods of Go's client, one by one. */
export const GO_METHODS: readonly Row[] = [
  row('Lease.Grant', '`lease.grant(ttl)`', (etcd) => etcd.lease.grant(30)),
  row('Lease.Revoke', '`lease.revoke(id)`', (etcd) => etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lease.revoke(id)))),
  row('Lease.TimeToLive', '`lease.timeToLive(id)`', (etcd) => etcd.lease.timeToLive(NO_LEASE)),
  row('Lease.Leases', '`lease.leases()`', (etcd) => etcd.lease.leases()),
  row('Lease.KeepAlive', '`lease.adopt(id)`, or `lease({ ttl })`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lease.adopt(id))),
  ),
  row('Lease.KeepAliveOnce', '`lease.keepAliveOnce(id)`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lease.keepAliveOnce(id))),
  ),
  row('Cluster.MemberList', '`cluster.memberList({ linearizable: true })`', (etcd) => etcd.cluster.memberList({ linearizable: true })),
  row('Cluster.MemberAdd, MemberAddAsLearner', '`cluster.memberAdd(urls, { isLearner })`', (etcd) =>
    refusal('MemberBadURLs', etcd.cluster.memberAdd(['no url'])),
  ),
  row('Cluster.MemberRemove', '`cluster.memberRemove(id)`', (etcd) => refusal('MemberNotFound', etcd.cluster.memberRemove(NO_MEMBER))),
  row('Cluster.MemberUpdate', '`cluster.memberUpdate(id, urls)`', (etcd) =>
    refusal('MemberNotFound', etcd.cluster.memberUpdate(NO_MEMBER, ['http://127.0.0.1:1'])),
  ),
  row('Cluster.MemberPromote', '`cluster.memberPromote(id)`', (etcd) => refusal('MemberNotFound', etcd.cluster.memberPromote(NO_MEMBER))),
  row('Maintenance.AlarmList', '`maintenance.alarms()`', (etcd) => etcd.maintenance.alarms()),
  row('Maintenance.AlarmDisarm', '`maintenance.alarmDeactivate({ alarm, memberId })`', (etcd) =>
    etcd.maintenance.alarmDeactivate({ alarm: 'NOSPACE' }),
  ),
  row('Maintenance.Defragment', '`maintenance.defragment()`', (etcd) => etcd.maintenance.defragment()),
  row('Maintenance.Status', '`maintenance.status()`', (etcd) => etcd.maintenance.status()),
  row('Maintenance.HashKV', '`maintenance.hashKv({ revision })`', (etcd) => etcd.maintenance.hashKv()),
  row('Maintenance.Snapshot', '`maintenance.snapshot()`', (etcd) => etcd.maintenance.snapshot()),
  row('Maintenance.MoveLeader', '`maintenance.moveLeader(id)`', (etcd) =>
    refusal('BadLeaderTransferee', etcd.maintenance.moveLeader(NO_MEMBER)),
  ),
  row('Maintenance.Downgrade', '`maintenance.downgrade(action, version)`', (etcd) =>
    refusal('NoInflightDowngrade', etcd.maintenance.downgrade('CANCEL', '')),
  ),
  row('Auth.AuthStatus', '`auth.status()`', (etcd) => etcd.auth.status()),
  row('Auth.Authenticate', '`auth.authenticate(name, password)`, or the option `auth`', (etcd) =>
    refusal('AuthNotEnabled', etcd.auth.authenticate('nobody', 'secret')),
  ),
  row('Auth.AuthEnable', '`auth.enable()`', (etcd) => refusal('RootUserNotExist', etcd.auth.enable())),
  row('Auth.AuthDisable', '`auth.disable()`', (etcd) => etcd.auth.disable()),
  row('Auth.UserAdd, UserAddWithOptions', '`auth.userAdd(name, { password } or { noPassword: true })`', (etcd) =>
    etcd.auth.userAdd('parity-user', { password: 'secret' }),
  ),
  row('Auth.UserGet, UserList', '`auth.userGet(name)`, `auth.userList()`', (etcd) =>
    refusal('UserNotFound', etcd.auth.userGet('parity-none')),
  ),
  row('Auth.UserDelete', '`auth.userDelete(name)`', (etcd) => refusal('UserNotFound', etcd.auth.userDelete('parity-none'))),
  row('Auth.UserChangePassword', '`auth.userChangePassword(name, { password })`', (etcd) =>
    refusal('UserNotFound', etcd.auth.userChangePassword('parity-none', { password: 'secret' })),
  ),
  row('Auth.UserGrantRole, UserRevokeRole', '`auth.userGrantRole(user, role)`, `auth.userRevokeRole(user, role)`', (etcd) =>
    refusal('UserNotFound', etcd.auth.userGrantRole('parity-none', 'parity-none')),
  ),
  row('Auth.RoleAdd', '`auth.roleAdd(name)`', (etcd) => etcd.auth.roleAdd('parity-role')),
  row('Auth.RoleGet, RoleList', '`auth.roleGet(role)`, `auth.roleList()`', (etcd) =>
    refusal('RoleNotFound', etcd.auth.roleGet('parity-none')),
  ),
  row('Auth.RoleDelete', '`auth.roleDelete(role)`', (etcd) => refusal('RoleNotFound', etcd.auth.roleDelete('parity-none'))),
  row('Auth.RoleGrantPermission', '`auth.roleGrantPermission(role, type, range)`', (etcd) =>
    refusal('RoleNotFound', etcd.auth.roleGrantPermission('parity-none', 'READ', ALL)),
  ),
  row('Auth.RoleRevokePermission', '`auth.roleRevokePermission(role, range)`', (etcd) =>
    refusal('RoleNotFound', etcd.auth.roleRevokePermission('parity-none', ALL)),
  ),
  row('Client.Close, Ctx', '`close()`; the option `signal` of a call', (etcd) =>
    Promise.resolve(etcd.withAuth(undefined)).then((other) => other.close()),
  ),
  refused(
    'Client.ActiveConnection, Dial, DialOptions',
    'There is no gRPC connection to configure. The options `tls`, `keepAliveMs` and `streams.transport` configure connections.',
  ),
  row('Config.RejectOldCluster', 'an RPC or field that the server does not have causes `UnsupportedServerVersion`; `version()`', (etcd) =>
    etcd.version(),
  ),
  row('Config.MaxCallSendMsgSize, MaxCallRecvMsgSize', 'the server’s limit (`RequestTooLarge`); the option `maxResponseBytes`', (etcd) =>
    refusal('RequestTooLarge', etcd.kv.put('parity/large', 'x'.repeat(2_000_000))),
  ),
  refused(
    'NewFromURL, NewFromURLs, NewCtxClient, yaml.NewConfig, ConfigSpec',
    'The only constructor is `createClient({ endpoints })`. Your program can read options from a file; `createClient` validates them.',
  ),
];

/** The packages based on Go's client, name by name. */
export const GO_PACKAGES: readonly Row[] = [
  row('concurrency.Mutex: Lock, Unlock, IsOwner, Key, Header', '`lock(name)`, unsubscribe; `guard`, `key`, `revision`', (etcd) =>
    etcd.lock('parity/m1', TTL),
  ),
  row('concurrency.Mutex.TryLock, ErrLocked', '`tryLock(name)`, `Locked`', (etcd) => etcd.tryLock('parity/m2', TTL)),
  row('concurrency.NewLocker', '`promises.withLock(name, work)`', (etcd) => etcd.promises.withLock('parity/m3', () => 1, TTL)),
  row('concurrency.Election: Campaign, Key, Rev, Header', '`election(name).campaign(value)`', (etcd) =>
    etcd.election('parity/e1').campaign('me', TTL),
  ),
  row('concurrency.Election: Proclaim, Resign', '`proclaim(value)` and `resign()` of a leadership', (etcd) =>
    etcd
      .election('parity/e2')
      .campaign('me', TTL)
      .pipe(
        concatMap((leadership) => leadership.proclaim('you')),
        take(1),
      ),
  ),
  row('concurrency.Election: Leader, Observe', '`election(name).leader$`', (etcd) => etcd.election('parity/e1').leader$),
  row('concurrency.ResumeElection', 'the option `lease` or `session` of `campaign`', (etcd) =>
    etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.election('parity/e3').campaign('me', { lease: id }))),
  ),
  row('concurrency.STM: Get, Put, Rev, Del', '`tx.get`, `tx.put`, `tx.delete`; `modRevision` of the `KeyValue` from `tx.get`', (etcd) =>
    etcd.stm((tx) => (tx.put('parity/stm', '1'), tx.get('parity/stm'))),
  ),
  row(
    'concurrency.WithIsolation, NewSTM, NewSTMSerializable, NewSTMRepeatable, NewSTMReadCommitted',
    '`stm(body, { isolation })`',
    (etcd) => etcd.stm((tx) => tx.get('parity/a'), { isolation: 'repeatableReads' }),
  ),
  row('concurrency.WithPrefetch', '`stm(body, { prefetch })`', (etcd) => etcd.stm((tx) => tx.get('parity/a'), { prefetch: ['parity/a'] })),
  row('concurrency.WithAbortContext', 'unsubscribe', (etcd) => etcd.stm((tx) => tx.get('parity/a'))),
  row('recipes.Barrier: Hold, Release, Wait', '`barrier(name)`: `hold`, `release`, `wait`', (etcd) => etcd.barrier('parity/b').wait()),
  row('recipes.DoubleBarrier: Enter, Leave', '`doubleBarrier(name, count)`: `enter`, `leave`', (etcd) =>
    etcd.doubleBarrier('parity/db', 1).enter(TTL),
  ),
  row('recipes.Queue: Enqueue, Dequeue', '`queue(name)`', (etcd) =>
    etcd
      .queue('parity/q')
      .enqueue('a')
      .pipe(concatMap(() => etcd.queue('parity/q').dequeue())),
  ),
  row('recipes.PriorityQueue', '`priorityQueue(name)`', (etcd) => etcd.priorityQueue('parity/pq').enqueue('a', 1)),
  row('recipes.RWMutex: RLock, RUnlock, Lock, Unlock', '`readLock(name)`, `writeLock(name)`', (etcd) => etcd.writeLock('parity/rw1', TTL)),
  row('endpoints.Manager.Update', '`services(target).update(changes)`', (etcd) =>
    etcd.services('parity/s1').update([{ type: 'put', id: 'a', ...ENDPOINT }]),
  ),
  row('endpoints.Manager.AddEndpoint, WithLease', '`services(target).register(id, endpoint)`', (etcd) =>
    etcd.services('parity/s2').register('a', { ...ENDPOINT, ...TTL }),
  ),
  row('endpoints.Manager.DeleteEndpoint', '`services(target).delete(id)`', (etcd) => etcd.services('parity/s1').delete('a')),
  row('endpoints.Manager.List', '`services(target).list()`', (etcd) => etcd.services('parity/s1').list()),
  row('endpoints.Manager.NewWatchChannel', '`services(target).endpoints$`', (etcd) => etcd.services('parity/s1').endpoints$),
  refused(
    'resolver.NewBuilder: Build, Scheme, ResolveNow, Close; grpcproxy',
    'rxetcd does not use gRPC. `services(target).endpoints$` emits the addresses for a load balancer.',
  ),
  row('mirror.Syncer.SyncBase', '`kv.pages(range)`, at one revision', (etcd) => etcd.kv.pages(ALL)),
  row('mirror.Syncer.SyncUpdates', '`watch(range, { startRevision })`; `live(range)` does both steps', (etcd) =>
    etcd.watch('parity/a', { startRevision: 2 }).pipe(filter(isCreate)),
  ),
  row(
    'ordering.NewKV, NewOrderViolationSwitchEndpointClosure',
    '`{ monotonic: true }`: an older response is rejected, and the read is sent to another member',
    (etcd) => etcd.kv.get('parity/a', { monotonic: true }),
  ),
  row('namespace.NewKV, NewWatcher, NewLease', '`namespace(prefix)`, with locks and recipes', (etcd) =>
    etcd.namespace('parity/').kv.range({ all: true }),
  ),
  row('snapshot.SaveWithVersion', '`maintenance.snapshot()`, whose parts have the `version`', (etcd) => etcd.maintenance.snapshot()),
];

/** The parameters and members of etcd3-py, one by one. */
export const PY_MEMBERS: readonly Row[] = [
  row('AioClient, async methods', '`etcd.promises`', (etcd) => etcd.promises.kv.get('parity/a')),
  row('Client.close, with Client()', '`close()`, `await using`', (etcd) =>
    Promise.resolve(etcd.withAuth(undefined)).then((other) => other.close()),
  ),
  row(
    'Client(cert, timeout, headers, user_agent, pool_size)',
    'the options `tls`, `requestTimeoutMs`, `headers`, `userAgent`, `maxConnections`',
    (etcd) => etcd.kv.get('parity/a', { timeoutMs: 5_000, headers: { 'x-request-id': '2' } }),
  ),
  row('range(prefix, all, range_end)', '`{ prefix }`, `{ all: true }`, `{ from, to }`', (etcd) => etcd.kv.count({ all: true })),
  row(
    'range(limit, revision, serializable, keys_only, count_only)',
    'the same options in camelCase; `kv.count`',
    range({ limit: 1, keysOnly: true }),
  ),
  row('range(sort_order, sort_target)', '`{ sortOrder, sortTarget }`', range({ sortOrder: 'ASCEND', sortTarget: 'MOD' })),
  row(
    'range(min_mod_revision, max_mod_revision, min_create_revision, max_create_revision)',
    '`{ minModRevision, …, maxCreateRevision }`',
    range({ minModRevision: 1 }),
  ),
  row('put(lease, prev_kv, ignore_value, ignore_lease)', 'the same options in camelCase', (etcd) =>
    etcd.kv.put('parity/p', '1', { prevKv: true }),
  ),
  row('delete_range(prev_kv)', '`kv.delete(range, { prevKv: true })`', (etcd) => etcd.kv.delete('parity/none', { prevKv: true })),
  row('compact(physical)', '`kv.compact(revision, { physical })`', (etcd) => etcd.kv.compact(1, { physical: true })),
  row('watch_create, watch_cancel', '`watch(range)`; unsubscribing cancels it', (etcd) => etcd.watchBatches('parity/a')),
  row('Watcher(progress_notify, prev_kv, no_put, no_delete, start_revision)', 'the same options in camelCase', (etcd) =>
    etcd.watchBatches('parity/a', { prevKv: true, noDelete: true }),
  ),
  row('Watcher.run, runDaemon, stop, cancel', 'subscribe, unsubscribe', (etcd) => etcd.watchBatches('parity/a')),
  row(
    'Watcher.revision, clear_revision, request_create',
    'a watch resumes automatically; `resumeFromRevision` resumes a stream that does not',
    (etcd) => etcd.watchBatches('parity/a'),
  ),
  row('Watcher.watching, errors, retries', '`onState` of a watch; `connection$`, `diagnostics$`', (etcd) =>
    etcd.watchBatches('parity/a', { onState: () => undefined }),
  ),
  row('Watcher.set_default_timeout, watch_once(timeout)', '`watchOnce(range, { timeoutMs })`', (etcd) =>
    refusal('DeadlineExceeded', etcd.watchOnce('parity/never', { timeoutMs: 20 })),
  ),
  row('Lock(lock_ttl), DEFAULT_LOCK_TTL', '`lock(name, { ttl })`, 60 by default', (etcd) => etcd.lock('parity/py1', TTL)),
  row('Lock.acquire(block=False)', '`tryLock(name)`', (etcd) => etcd.tryLock('parity/py2', TTL)),
  row('Lock.acquire(timeout), EtcdLockAcquireTimeout', '`lock(name, { timeoutMs })`, `DeadlineExceeded`', (etcd) =>
    etcd.lock('parity/py3', { ...TTL, timeoutMs: 5_000 }),
  ),
  row('Lock.is_acquired, acquired', '`alive` of the ownership, `guard` in a txn', (etcd) =>
    etcd.lock('parity/py4', TTL).pipe(map(({ alive }) => alive)),
  ),
  row('Lock.release, with Lock()', 'unsubscribe; `hold`, `promises.withLock`', (etcd) =>
    etcd.promises.withLock('parity/py5', () => 1, TTL),
  ),
  row('Lock.HOST, PROCESS, THREAD', '`{ reentrant }`: `host`, `process` or `thread`', (etcd) =>
    etcd.lock('parity/py6', { ...TTL, reentrant: 'thread' }),
  ),
  row('Lock.incr_holder, decr_holder', 'a share for each subscriber; `lockWaiters` counts them', (etcd) => etcd.lockWaiters('parity/py6')),
  refused('Lock.acquire(delete_key=True)', 'A lock never deletes the key of another owner, with or without a lease.'),
  row('Lease(ttl, ID, new)', '`lease({ ttl })`, `lease.grant(ttl, { id })`, `lease.adopt(id)`', (etcd) =>
    etcd.lease.grant(30, { id: leaseId('4242') }),
  ),
  row('Lease.keepalive, keepalive_once, cancel_keepalive', '`lease({ ttl })` refreshes until it is unsubscribed from', (etcd) =>
    etcd.lease(TTL),
  ),
  row('Lease.ttl, alive, keeping', '`lease.timeToLive(id)`; `alive` of the emitted lease', (etcd) => etcd.lease.timeToLive(NO_LEASE)),
  row('Lease.revoke, with Lease()', 'unsubscribe; `hold(etcd.lease({ ttl }))`', (etcd) =>
    etcd.promises.lease(TTL).then((held) => held.release()),
  ),
  row(
    'Txn.If, Then, Else, commit; key().version, create, mod, value',
    '`kv.txn`, `key(k).version`, `.createRevision`, `.modRevision`, `.value`',
    compare('version'),
  ),
  row('Txn.clear', 'a txn is a plain value: create another txn', ({ kv }) => kv.txn({ success: [get('parity/a')] })),
  row('auth_enable, auth_disable, authenticate', '`auth.enable`, `auth.disable`, `auth.authenticate`', (etcd) => etcd.auth.disable()),
  row('user_add, user_get, user_list, user_delete, user_change_password, user_grant_role, user_revoke_role', '`auth.userAdd`, …', (etcd) =>
    etcd.auth.userList(),
  ),
  row('role_add, role_get, role_list, role_delete, role_grant_permission, role_revoke_permission', '`auth.roleAdd`, …', (etcd) =>
    etcd.auth.roleList(),
  ),
  row('member_add, member_list, member_update, member_remove', '`cluster.memberAdd`, …', (etcd) =>
    refusal('MemberNotFound', etcd.cluster.memberRemove(NO_MEMBER)),
  ),
  row('hash, defragment, status', '`maintenance.hash`, `defragment`, `status`', (etcd) => etcd.maintenance.hash()),
  row('snapshot', '`maintenance.snapshot()`', (etcd) => etcd.maintenance.snapshot()),
  row('lock(name, lease), unlock(key): the Lock service', '`lockService.lock`, `lockService.unlock`', (etcd) =>
    etcd.lockService.lock('parity/py7'),
  ),
  row('check_param, at_least_one_of', 'the method checks its arguments: `InvalidArgument`', (etcd) =>
    refusal('InvalidArgument', etcd.kv.delete({ prefix: '' })),
  ),
  refused('py-only helpers: log, memoize, retry, get_ident, cached_property, OptionalKwargs', 'They are only useful in Python.'),
];
