import { get, type Client, createClient, errorFrom, isCreate, key, put, SortOrder, type StandardSchema } from 'rxetcd';
import { parseJsonStream } from 'rxetcd/operators';
import { loadSwagger } from 'rxetcd/swagger';
import { catchError, filter, finalize, firstValueFrom, of, switchMap, take, type Observable } from 'rxjs';
import { GO_REST, PY_REST } from './parityRest.js';
import { GO_METHODS, GO_OPTIONS, GO_PACKAGES, PY_MEMBERS, TTL, type Row } from './parityRows.js';

/** Emits the error of a call to a missing server, by a client that fails at once. */
const hopeless = (call: (etcd: Client) => Observable<unknown>): Observable<unknown> => {
  const etcd = createClient({ endpoints: 'http://127.0.0.1:1', retry: { maxAttempts: 1 }, streams: { maxRetries: 0 } });
  return call(etcd).pipe(
    catchError((error: unknown) => of(error)),
    finalize(() => void etcd.close()),
  );
};
const anything: StandardSchema<unknown> = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } };
const emptySwagger = { paths: {}, definitions: { Kind: { type: 'string', enum: ['A'] } } };

const ETCD3_PY: readonly Row[] = [
  {
    theirs: 'Client(host, port, …)',
    ours: '`createClient({ endpoints, auth, tls, … })`',
    call: (etcd) => Promise.resolve(etcd.endpoints()),
  },
  {
    theirs: 'Client(verify=False)',
    refused:
      'Certificates are always verified. To trust a certificate, pass it as `tls.ca`. For a certificate with another name, set `tls.serverName`.',
  },
  {
    theirs: 'Client.call_rpc',
    ours: '`call(path, body, options)`',
    call: (etcd) => etcd.call('/kv/range', { key: 'YQ==' }, { safety: 'read' }),
  },
  {
    theirs: 'Client.call_rpc(stream=True)',
    ours: '`call(…, { streaming: true })`',
    call: (etcd) => etcd.call('/watch', { create_request: { key: 'YQ==' } }, { streaming: true }),
  },
  {
    theirs: 'Client.call_rpc(raw=True)',
    ours: '`call(…, { raw: true })`: `{ status, headers, body }`',
    call: (etcd) => etcd.call('/kv/range', { key: 'YQ==' }, { safety: 'read', raw: true }),
  },
  {
    theirs: 'Client.call_rpc(raw=True, stream=True)',
    ours: '`call(…, { raw: true, streaming: true })`: each complete object',
    call: (etcd) => etcd.call('/watch', { create_request: { key: 'YQ==' } }, { streaming: true, raw: true }),
  },
  {
    theirs: 'Client.call_rpc(headers=…, timeout=…)',
    ours: 'the options `headers` and `timeoutMs` of each call',
    call: (etcd) => etcd.kv.get('parity/a', { headers: { 'x-request-id': '1' }, timeoutMs: 5_000 }),
  },
  {
    theirs: 'Client.call_rpc(encode=True)',
    ours: '`call(…, { request })`, a codec of `rxetcd/swagger`',
    call: (etcd) => etcd.call('/kv/range', 'a', { request: { encode: (key) => ({ key: btoa(key) }) }, codec: anything, safety: 'read' }),
  },
  {
    theirs: 'Client.auth, username, password',
    ours: 'the option `auth`; `withAuth(auth)` for another user',
    call: (etcd) => Promise.resolve(etcd.withAuth(undefined)),
  },
  { theirs: 'Client.version', ours: '`version()`', call: (etcd) => etcd.version() },
  { theirs: 'Client.health', ours: '`health()`', call: (etcd) => etcd.health() },
  { theirs: 'Client.metrics', ours: '`metrics()`, `metricsText()`', call: (etcd) => etcd.metrics() },
  { theirs: 'Client.put', ours: '`kv.put`', call: (etcd) => etcd.kv.put('parity/a', '1') },
  { theirs: 'Client.range', ours: '`kv.get`, `kv.range`, `kv.pages`', call: (etcd) => etcd.kv.range({ prefix: 'parity/' }) },
  { theirs: 'Client.delete_range', ours: '`kv.delete`', call: (etcd) => etcd.kv.delete('parity/none') },
  {
    theirs: 'Client.Txn',
    ours: '`kv.txn`',
    call: (etcd) => etcd.kv.txn({ compare: [key('parity/a').exists()], success: [get('parity/a')] }),
  },
  {
    theirs: 'Client.compact',
    ours: '`kv.compact`',
    call: (etcd) => etcd.kv.compact(1),
  },
  { theirs: 'Client.hash, defragment, snapshot, alarm', ours: '`maintenance.…`', call: (etcd) => etcd.maintenance.hash() },
  {
    theirs: 'Client.alarm_get(memberID, alarm), alarm_activate, alarm_deactivate',
    ours: '`maintenance.alarms({ alarm, memberId })`, `alarmActivate`, `alarmDeactivate`',
    call: (etcd) => etcd.maintenance.alarmDeactivate({ alarm: 'NONE' }),
  },
  {
    theirs: 'Client.member_add, member_list, member_update, member_remove',
    ours: '`cluster.…`',
    call: (etcd) => etcd.cluster.memberList(),
  },
  { theirs: 'Client.user_…, role_…, auth_…', ours: '`auth.…`', call: (etcd) => etcd.auth.userList() },
  {
    theirs: 'Client.Lease, grant, keepalive, revoke',
    ours: '`lease(options)`, `lease.grant`, `lease.keepAliveOnce`, `lease.revoke`',
    call: (etcd) => etcd.lease(TTL),
  },
  { theirs: 'Lease.time_to_live, leases', ours: '`lease.timeToLive`, `lease.leases`', call: (etcd) => etcd.lease.leases() },
  {
    theirs: 'Client.Watcher, watch',
    ours: '`watch(range, options)`',
    call: (etcd) => etcd.watch('parity/a', { startRevision: 2 }).pipe(filter(isCreate)),
  },
  {
    theirs: 'Watcher.watch_once(filter)',
    ours: '`watchOnce(range, { filter })`',
    call: (etcd) => etcd.watchOnce('parity/w', { onStart: () => void etcd.kv.put('parity/w', '').subscribe(), filter: isCreate }),
  },
  {
    theirs: 'Watcher.onEvent, WatchEvent filters',
    ours: '`filter`, `matchKey`, `puts`, `deletes` of `rxetcd/operators`',
    call: (etcd) => etcd.watch('parity/a', { startRevision: 2 }),
  },
  {
    theirs: 'Watcher(max_retries=…)',
    ours: 'the option `streams.maxRetries`, for all watches of a client',
    call: () => hopeless(({ watch }) => watch('parity/a')),
  },
  { theirs: 'Client.Lock, acquire, release', ours: '`lock`, `tryLock`', call: (etcd) => etcd.lock('parity/lock', TTL) },
  {
    theirs: 'Lock(reentrant=…)',
    ours: '`lock(name, { reentrant })`',
    call: (etcd) => etcd.lock('parity/re', { ...TTL, reentrant: 'process' }),
  },
  { theirs: 'Lock.holders', ours: '`lockWaiters(name)`', call: (etcd) => etcd.lockWaiters('parity/lock') },
  { theirs: 'Lock.wait', ours: '`whenUnlocked(name)`', call: (etcd) => etcd.whenUnlocked('parity/free') },
  {
    theirs: 'SwaggerSpec, getPath, getSchema, getEnum, encode, decode',
    ours: '`loadSwagger(document)` of `rxetcd/swagger`',
    call: () => Promise.resolve(loadSwagger(emptySwagger).enums),
  },
  {
    theirs: 'iter_response, iter_json_string',
    ours: '`parseJsonStream()` of `rxetcd/operators`',
    call: () => of('{}').pipe(parseJsonStream()),
  },
  {
    theirs: 'get_client_error, Etcd3Exception',
    ours: '`errorFrom(text, code)`',
    call: () => Promise.resolve(errorFrom('etcdserver: key is not provided')),
  },
  {
    theirs: 'SortOrder, SortTarget, AlarmType … as enums',
    ours: '`SortOrder`, `SortTarget`, `AlarmType` …, lists of names',
    call: () => Promise.resolve(SortOrder),
  },
  {
    theirs: 'incr_last_byte, encode_data',
    ours: '`prefixEnd`, `toBytes`, `{ prefix }`',
    call: (etcd) => etcd.kv.count({ prefix: 'parity/' }),
  },
  {
    theirs: 'retrying blindly after an error',
    refused:
      'A write is sent at most once. If its outcome is unknown, it fails with `AmbiguousWrite`. The option `retry` controls all other retries.',
  },
];

const CLIENTV3: readonly Row[] = [
  { theirs: 'KV.Get, Put, Delete, Compact, Do, Txn', ours: '`kv.…`', call: (etcd) => etcd.kv.txn({ success: [put('parity/a', '2')] }) },
  {
    theirs: 'Lease.Grant, Revoke, TimeToLive, Leases, KeepAlive, KeepAliveOnce',
    ours: '`lease(options)`, `lease.…`',
    call: (etcd) => etcd.lease.grant(30),
  },
  {
    theirs: 'Watcher.Watch, WithProgressNotify, WithFilterPut, WithFilterDelete, WithPrevKV, WithFragment',
    ours: '`watch`, `watchBatches`; the client requests fragments when a response is too long',
    call: (etcd) => etcd.watchBatches('parity/a', { progressNotify: true }),
  },
  {
    theirs: 'Watcher.RequestProgress',
    ours: '`requestProgress()`',
    call: (etcd) => {
      const bookmark = firstValueFrom(etcd.watchBatches('parity/quiet').pipe(filter((_, index) => index > 0)));
      const request = etcd.watchBatches('parity/quiet').pipe(
        take(1),
        switchMap(() => etcd.requestProgress()),
      );
      return firstValueFrom(request).then(() => bookmark);
    },
  },
  { theirs: 'WithRequireLeader', ours: 'Watches always require a leader', call: (etcd) => etcd.watchBatches('parity/a') },
  {
    theirs: 'WithRequireLeader for other calls',
    ours: 'the option `requireLeader` of each call',
    call: (etcd) => etcd.kv.get('parity/a', { requireLeader: true }),
  },
  {
    theirs: 'Event.IsCreate, IsModify',
    ours: '`isCreate(event)`, `isModify(event)`',
    call: (etcd) => etcd.watch('parity/a', { startRevision: 2 }).pipe(filter(isCreate)),
  },
  {
    theirs: 'Cluster.MemberList, MemberAdd, MemberAddAsLearner, MemberPromote, MemberRemove, MemberUpdate',
    ours: '`cluster.…`',
    call: (etcd) => etcd.cluster.memberList(),
  },
  {
    theirs: 'Maintenance.AlarmList, AlarmDisarm, Defragment, Status, HashKV, Snapshot, MoveLeader, Downgrade',
    ours: '`maintenance.…`',
    call: (etcd) => etcd.maintenance.status(),
  },
  {
    theirs: 'Maintenance.SnapshotWithVersion',
    ours: '`maintenance.snapshot()`, whose parts have a `version`',
    call: (etcd) => etcd.maintenance.snapshot(),
  },
  { theirs: 'Auth.…', ours: '`auth.…`', call: (etcd) => etcd.auth.roleList() },
  { theirs: 'Client.Sync, AutoSyncInterval', ours: '`sync()`, the option `discovery`', call: (etcd) => etcd.sync() },
  { theirs: 'Client.Endpoints, SetEndpoints', ours: '`endpoints()`, `setEndpoints()`', call: (etcd) => Promise.resolve(etcd.endpoints()) },
  {
    theirs: 'Config.Logger, LogConfig',
    ours: 'the option `logger`, `diagnostics$`',
    call: (etcd) => {
      const event = firstValueFrom(etcd.diagnostics$.pipe(filter(({ type }) => type === 'callSucceeded')));
      etcd.kv.get('parity/a').subscribe();
      return event;
    },
  },
  {
    theirs: 'Config.MaxUnaryRetries, BackoffWaitBetween, BackoffJitterFraction',
    ours: 'the option `retry: { maxAttempts, initialBackoffMs, maxBackoffMs, jitter, policy }`',
    call: () => hopeless(({ kv }) => kv.get('parity/a')),
  },
  {
    theirs: 'Config.PermitWithoutStream, DialKeepAliveTime, DialKeepAliveTimeout',
    ours: 'the options `streams.heartbeatMs`, `keepAliveMs`',
    call: (etcd) => Promise.resolve(etcd),
  },
];

const PACKAGES: readonly Row[] = [
  { theirs: 'concurrency.Mutex', ours: '`lock`, `tryLock`, with keys in the same format', call: (etcd) => etcd.lock('parity/mutex', TTL) },
  { theirs: 'concurrency.Session, NewSession, WithTTL, Lease, Done, Close', ours: '`session({ ttl })`', call: (etcd) => etcd.session(TTL) },
  {
    theirs: 'concurrency.Session.Orphan',
    ours: '`orphan()` of the emitted session',
    call: (etcd) => etcd.promises.session(TTL).then(({ value }) => value.orphan()),
  },
  {
    theirs: 'concurrency.WithLease',
    ours: 'the option `lease`; `lease.adopt(id)` keeps it alive',
    call: (etcd) => etcd.lease.grant(30).pipe(switchMap(({ id }) => etcd.lock('parity/with-lease', { lease: id }))),
  },
  { theirs: 'concurrency.Election', ours: '`election(name)`', call: (etcd) => etcd.election('parity/election').campaign('me', TTL) },
  { theirs: 'concurrency.STM', ours: '`stm`', call: (etcd) => etcd.stm((tx) => tx.get('parity/a')) },
  {
    theirs: 'recipes: Barrier, DoubleBarrier, Queue, PriorityQueue, RWMutex',
    ours: '`barrier`, `doubleBarrier`, `queue`, `priorityQueue`, `readLock`, `writeLock`',
    call: (etcd) => etcd.readLock('parity/rw', TTL),
  },
  {
    theirs: 'naming/endpoints.Manager: Update, AddEndpoint, DeleteEndpoint, List, NewWatchChannel',
    ours: '`services(target)`: `update`, `delete`, `list`, `endpoints$`',
    call: (etcd) => etcd.services('parity/svc').list(),
  },
  { theirs: 'mirror.Syncer: SyncBase, SyncUpdates', ours: '`live(range)`', call: (etcd) => etcd.live({ prefix: 'parity/' }) },
  { theirs: 'ordering', ours: '`{ monotonic: true }` of reads', call: (etcd) => etcd.kv.get('parity/a', { monotonic: true }) },
  {
    theirs: 'snapshot.Save',
    ours: '`maintenance.snapshot()`, written part by part: [`examples/snapshot.ts`](../examples/snapshot.ts)',
    call: (etcd) => etcd.maintenance.snapshot(),
  },
  { theirs: 'namespace', ours: '`namespace(prefix)`', call: (etcd) => etcd.namespace('parity/').kv.get('a') },
  {
    theirs: 'leasing',
    refused: 'rxetcd has no cache that takes leases on its keys. `live`, `liveValue` and `cache` keep a range in memory without a lease.',
  },
];

export const TABLES: Readonly<Record<string, readonly Row[]>> = {
  'etcd3-py': ETCD3_PY,
  'etcd3-py, one by one': [...PY_MEMBERS, ...PY_REST],
  "Go's `clientv3`": CLIENTV3,
  "Go's methods, one by one": GO_METHODS,
  "Go's options and comparisons": GO_OPTIONS,
  "Go's types, errors and constructors": GO_REST,
  "Go's packages on it": [...PACKAGES, ...GO_PACKAGES],
};

/** Makes the call of a row, and waits for its first value. */
export const make = (etcd: Client, { call }: Extract<Row, { readonly call: unknown }>): Promise<unknown> => {
  const made = call(etcd);
  return made instanceof Promise ? made : firstValueFrom(made.pipe(take(1)));
};

const cell = (row: Row): string =>
  'call' in row ? row.ours : 'missing' in row ? `**missing.** ${row.missing}` : `**not supported.** ${row.refused}`;

/** Reads the page of the docs. */
export const pageOf = (tables: typeof TABLES): string => `# Comparison with other clients

Each row shows a part of the API of etcd3-py or of etcd's Go client, and its counterpart in rxetcd. This page is
generated by \`test/docs/parity.test.ts\`, which makes each call on a real server. A row with **missing** has no
counterpart yet. A row with **not supported** has no counterpart on purpose.
${Object.entries(tables)
  .map(
    ([title, rows]) => `\n## ${title}\n\n| there | here |\n|---|---|\n${rows.map((row) => `| ${row.theirs} | ${cell(row)} |\n`).join('')}`,
  )
  .join('')}`;
