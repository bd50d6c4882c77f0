import type { Validator } from '../model/validator.js';
import type { Observable } from 'rxjs';
import type { Identity } from '../concurrency/context.js';
import type { Coordination, Holding } from '../concurrency/coordination.js';
import type { BytesLike } from '../model/bytes.js';
import { capturesItself, capturing } from '../model/captured.js';
import type { KeyValue } from '../model/keyValue.js';
import type { WatchBatch, WatchEvent } from '../model/events.js';
import { NO_OPTIONS } from '../model/op.js';
import type { Range } from '../model/range.js';
import type { StreamSettings } from '../options/connectionOptions.js';
import { addPromises } from '../promises/promises.js';
import type { Promises } from '../promises/types.js';
import { Prefix, prefixWatchStream, prefixCaller } from '../prefix/prefix.js';
import { GetBatcher } from '../services/internal/getBatcher.js';
import { kvService, pagesOf, rangeReads, type KvService } from '../services/kv.js';
import type { Cache, CacheOptions } from '../watch/cache/cache.js';
import { caches, composedMethods, liveMethods } from '../watch/lazyMethods.js';
import type { CombinedUpdate, CombinedValue, CombineLiveOptions, LiveParts } from '../watch/composed/combineLive.js';
import type { ConfigUpdate, LiveConfigOptions } from '../watch/composed/liveConfig.js';
import type { PutConfigOptions, PutConfigResult } from '../watch/composed/putConfig.js';
import type { LiveValueOptions, ViewState } from '../watch/live/live.js';
import type { ReadPages } from '../watch/live/listAndWatch.js';
import type { LiveUpdate } from '../watch/live/liveRange.js';
import type { ConnectionState } from '../watch/streams/connectionState.js';
import { watches, type WatchOnceOptions, type WatchOptions } from '../watch/watch.js';
import type { WatcherDeps, WatchesDeps } from '../watch/watcher.js';

/**
 * The operations on keys, and everything that is built on keys, of a client or a namespace. Operations on the cluster
 * (users, members, maintenance) concern no keys, and only a client has them. Only a client has `close`, as the
 * connections belong to the client.
 */
export interface Namespace extends Coordination {
  readonly kv: KvService;
  /**
   * The same methods as promises, and the streams as async iterables.
   *
   * ```ts
   * await etcd.promises.kv.put('app/color', 'red');
   * for await (const { kv } of etcd.promises.watch('app/color')) console.log(kv.value);
   * ```
   */
  readonly promises: Promises<Namespace>;

  /**
   * Emits the changes of a range as they happen (`Watch.Watch`). The Observable is hot: all subscribers of the same
   * range with the same filters share one watch of the server. With `startRevision`, each subscriber has a separate
   * watch. The shared watch ends shortly after the last subscriber has unsubscribed. A watch resumes by itself after
   * lost connections, restarts and expired tokens. No change is skipped or repeated.
   *
   * The watch errors only if it cannot continue correctly. The usual reasons are:
   * - `CompactedError`: the history that the watch needs was compacted
   * - `PermissionDenied`: the user may not read the range
   * - `FutureRev`: the store was wiped or restored
   * - `ClusterIDMismatch`: the store belongs to another cluster
   * - `ResponseTooLarge`: a message is longer than `maxResponseBytes`, or the history is too long for an old server to
   *   replay
   * - `RetriesExhausted`: more attempts failed than `streams.maxRetries` allows
   *
   * The watch reports each write that this client sends after `subscribe()` returns. It reports the
   * writes that other clients make after the server has confirmed the watch. `onStart` is called at the confirmation.
   *
   * While the server cannot be reached, for example because of a wrong port, the watch waits, and emits no events and
   * no error. {@link Namespace.connection$} and the option `onState` report the cause. `take(1)` followed by `repeat()`
   * skips the other events of the same revision: use `concatMap`, or {@link Namespace.watchBatches}.
   *
   * ```ts
   * etcd.watch({ prefix: 'app/' }).subscribe(({ type, kv }) => console.log(type, kv.key));
   * ```
   */
  watch(range: Range, options?: WatchOptions): Observable<WatchEvent>;

  /**
   * Emits the changes of {@link Namespace.watch} in batches: all events of a revision together, and progress
   * notifications. The first batch is a progress notification with the revision after which the watch reports
   * everything.
   */
  watchBatches(range: Range, options?: WatchOptions): Observable<WatchBatch>;

  /**
   * Requests progress notifications now, for every watch of the client. Emits and completes when the request is sent.
   * {@link Namespace.watchBatches} then emits a batch of the type `progress`: every event up to its revision has been
   * delivered. A watch that has already received the newest revision emits this revision again.
   *
   * Errors with `UnsupportedServerVersion` before etcd 3.4.25 and 3.5.8, where this notification may overtake events. A
   * watch over chunked HTTP is renewed for the notification, which takes half a second. A newer server, such as 3.5.30,
   * sends no notification while a watch of the client waits for a future revision. The client notifies that watch at
   * once, and the other watches after the next write to the store. If the connection is lost before the notification
   * arrives, the client does not repeat the request.
   *
   * ```ts
   * etcd.watchBatches({ prefix: 'app/' }).subscribe(({ type, revision }) => console.log(type, revision));
   * etcd.requestProgress().subscribe();
   * ```
   */
  requestProgress(): Observable<void>;

  /**
   * Emits the next change of a range, and completes. With `filter` it waits for the first event that the function
   * accepts.
   *
   * ```ts
   * etcd.watchOnce('jobs/1', { filter: ({ type }) => type === 'delete' }).subscribe(() => console.log('done'));
   * ```
   */
  watchOnce(range: Range, options?: WatchOnceOptions): Observable<WatchEvent>;

  /**
   * Emits the state of a range, and each change of it. The range is listed (in pages of one revision) and then watched
   * from the next revision on, without a gap.
   *
   * The Observable is hot, and shared by all subscribers of the same range. A late subscriber begins with the current
   * state, which includes every write of this client that the server has confirmed. Each emitted state is one that the
   * store really had, and is immutable. If the history was compacted, or the store was restored, the range is listed
   * again. The next update is then a `resync`, which includes the deletes.
   *
   * ```ts
   * etcd.live({ prefix: 'services/' }).subscribe(({ type, state, changes }) => {
   *   console.log(type, [...state.keys()], changes.length);
   * });
   * ```
   */
  live(range: Range): Observable<LiveUpdate>;

  /**
   * Emits the value of a key, and each later value; undefined while the key does not exist. The value is read as JSON,
   * and checked by the codec. An invalid value errors with `InvalidValueError`. With `onInvalid`, the error is passed
   * to that function, and the last valid value stays in force. If there is no valid value yet, `fallback` is emitted,
   * or nothing without this option.
   *
   * ```ts
   * etcd.liveValue('app/config', { codec: AppConfig }).subscribe((config) => apply(config ?? DEFAULTS));
   * ```
   */
  liveValue<A>(key: BytesLike, options: LiveValueOptions<A>): Observable<A | undefined>;

  /** Emits the state of {@link Namespace.live} in a form for user interfaces: the stream never errors. */
  liveState(range: Range): Observable<ViewState<ReadonlyMap<string, KeyValue>>>;

  /**
   * Emits whether {@link Namespace.live} of a range is listed and up to date: false at first, and while the connection
   * is lost. The last value is false if the range can no longer be followed; {@link Namespace.liveState} shows the
   * cause. Errors only for an invalid range, with `InvalidArgument`. It shares the list and the watch of `live`.
   *
   * ```ts
   * const ready = await firstValueFrom(etcd.liveReady({ prefix: 'routes/' }).pipe(filter(Boolean), timeout(5_000)));
   * ```
   */
  liveReady(range: Range): Observable<boolean>;

  /** Emits the value of {@link Namespace.liveValue} in a form for user interfaces: the stream never errors. */
  liveValueState<A>(key: BytesLike, options: { readonly codec: Validator<A> }): Observable<ViewState<A | undefined>>;

  /**
   * Emits the state of several keys and ranges together, and each revision that changes any of them. Every part shows
   * that same revision: a txn over several parts is shown completely or not at all. (For this txn, `combineLatest` of
   * two live values would show two states, one of which never existed.) Revisions grow from one emission to the next,
   * except after the store was restored. An emission never waits for a part.
   *
   * The first emission reads all parts at one revision. Then one watch follows the smallest range that contains all
   * parts, so choose parts whose keys are close together. The client receives all changes between the first part and
   * the last, and its user must be allowed to read them. The Observable is hot, and shared by the subscribers of the
   * same parts, as {@link Namespace.live} is. It errors as `live` does. An invalid value errors with
   * `InvalidValueError`, unless the option `onInvalid` is set.
   *
   * ```ts
   * etcd
   *   .combineLive({
   *     limits: { key: 'app/limits', codec: t.type({ requests: t.number }) },
   *     flags: { prefix: 'app/flags/' },
   *     primary: { key: 'app/primary' },
   *   })
   *   .subscribe(({ revision, value, changed }) => {
   *     console.log(revision, changed, value.limits?.requests, value.flags.size, value.primary?.value);
   *   });
   * ```
   */
  combineLive<P extends LiveParts>(parts: P, options?: CombineLiveOptions<P>): Observable<CombinedUpdate<P>>;

  /**
   * Emits the values of {@link Namespace.combineLive} in a form for user interfaces: the stream never errors. While the
   * value of a part in the store is invalid, that part has its last valid value, or undefined if there was none. The
   * other parts have their current values.
   */
  combineLiveState<P extends LiveParts>(parts: P): Observable<ViewState<CombinedValue<P>>>;

  /**
   * Emits the keys below a prefix as one typed object, and each revision that changes it. With the prefix `app/`, the
   * key `app/db/port` is the field `db.port` of the object. The codec decides how a value is read: as text, or as JSON
   * if it rejects the text. It also decides whether numbered keys (`hosts/0`, `hosts/1`) are a list.
   *
   * Several prefixes are the layers of one config; later layers take precedence. A txn over several layers is shown
   * completely.
   *
   * If the codec rejects a config, the last valid one stays in force, and `rejected` names the keys. If there is no
   * valid config yet, only the defaults are in force. If there are no valid defaults either, the stream errors with
   * `InvalidValueError`. Apart from that, the stream errors as {@link Namespace.combineLive} does.
   *
   * ```ts
   * const App = t.type({ db: t.type({ host: t.string, port: t.number }), hosts: t.array(t.string) });
   * etcd.liveConfig(['defaults/', 'env/production/'], { codec: App }).subscribe(({ config, changes, rejected }) => {
   *   console.log(config.db.port, changes, rejected?.failures);
   * });
   * ```
   */
  liveConfig<A>(prefix: string | readonly string[], options: LiveConfigOptions<A>): Observable<ConfigUpdate<A>>;

  /**
   * Emits the config of {@link Namespace.liveConfig} in a form for user interfaces: the stream never errors. While the
   * store has an invalid config, the status is `invalid`. The `failures` of the error then contain the invalid keys.
   * `value` is the config in force, if there is one.
   *
   * ```ts
   * etcd.liveConfigState('app/', { codec: App }).subscribe(({ status, value, error }) => {
   *   show(value, status === 'live' ? undefined : error?.message);
   * });
   * ```
   */
  liveConfigState<A>(prefix: string | readonly string[], options: LiveConfigOptions<A>): Observable<ViewState<A>>;

  /**
   * Writes a config as the keys below a prefix, in the form that {@link Namespace.liveConfig} reads. One txn puts the
   * keys that differ, and deletes the keys that the config does not have. Errors with `Conflict` if a key below the
   * prefix was changed meanwhile. Errors with `TooManyOps` if more than about 120 keys differ, or exist below the
   * prefix.
   *
   * ```ts
   * etcd
   *   .putConfig('app/', { db: { host: 'a', port: 5432 }, hosts: ['b', 'c'] })
   *   .subscribe(({ puts }) => console.log(puts));
   * // Logs: ['app/db/host', 'app/db/port', 'app/hosts/0', 'app/hosts/1']
   * ```
   */
  putConfig(prefix: string, config: object, options?: PutConfigOptions): Observable<PutConfigResult>;

  /**
   * Keeps a range in memory as long as the Observable is subscribed to. Emits a handle for reads when the range is
   * listed. One watch follows the range for any number of reads. A read is linearizable by default. A linearizable read
   * reflects all writes, by any client, that were confirmed before the read began. Reads that wait at the same time
   * share one small request. With `consistency: 'local'` a read returns at once, and may show an older state.
   *
   * The cache continues by itself after lost connections. If the history is lost, the range is listed again. Meanwhile
   * linearizable reads wait, and local reads return the last state. The Observable errors as {@link Namespace.live}
   * does. Subscribers of the same range with the same options share the cache.
   *
   * ```ts
   * etcd.cache({ prefix: 'routes/' }).subscribe((routes) => {
   *   routes.get('routes/home').subscribe((kv) => console.log(kv?.value));
   *   routes.range(undefined, { consistency: 'local' }).subscribe(({ kvs }) => console.log(kvs.length));
   * });
   * ```
   */
  cache(range: Range, options?: CacheOptions): Observable<Cache>;

  /**
   * The state of the connection for watches: first the current state, then each change. The Observable never errors.
   * `closed` is the last state, which later subscribers also receive.
   */
  readonly connection$: Observable<ConnectionState>;

  /**
   * Returns a namespace: a view of the keys that begin with a prefix. Requests concern only these keys, and responses,
   * events, locks and elections show them without the prefix. The namespace shares the connections of its client, and
   * is closed with it. End the prefix with a separator, as the prefix `a` also matches the key `ab`. Leases, revisions
   * and `kv.compact` concern the whole store.
   *
   * ```ts
   * const tenant = etcd.namespace('tenants/7/');
   * tenant.kv.put('color', 'red');          // tenants/7/color
   * tenant.watch({ all: true });            // all keys that begin with tenants/7/
   * tenant.namespace('app/').lock('jobs');  // tenants/7/app/jobs
   * ```
   *
   * @throws EtcdError `InvalidArgument` for an empty prefix, which would be the whole store
   */
  namespace(prefix: BytesLike): Namespace;
}

/** The dependencies of a namespace. */
export interface NamespaceDeps extends WatchesDeps {
  /** Returns the identity of the host, process and thread. */
  readonly identity: () => Identity;
  readonly settings: StreamSettings;
  /** The longest response that the client accepts. */
  readonly maxResponseBytes: number;
  /**
   * The settings for batches of gets; undefined if gets are not batched. A batch contains the gets of one turn of the
   * event loop.
   */
  readonly gather: { readonly requestTimeoutMs: number } | undefined;
  /** The longest time of a linearizable read of a cache, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Fires when the client is closed. */
  readonly closed: Observable<void>;
  /** The leases, which are the same for all namespaces. */
  readonly holding: Pick<Holding, 'over'>;
}

/**
 * The maximum number of keys in the first page of a list that precedes a watch. It is large, as each page is a separate
 * call.
 */
const FIRST_KEYS = 5_000;

/** Creates the operations on the keys of a client or a namespace. */
export function namespace(given: NamespaceDeps): Namespace {
  const { caller, streams, identity, settings, gather, maxResponseBytes, requestTimeoutMs, closed, holding } = given;
  const past = new GetBatcher(caller, NO_OPTIONS, settings.responseTimeoutMs);
  const deps: NamespaceDeps = { ...given, readAt: (key, revision) => past.get(key, revision) };
  const kv = kvService(caller, gather, maxResponseBytes);
  const watching = watches(deps, closed, settings.lingerMs);
  const reads = rangeReads(caller);
  const list: ReadPages = (range, revision) =>
    pagesOf(reads, range, revision === undefined ? {} : { revision }, { first: FIRST_KEYS, maxResponseBytes });
  const living = liveMethods(deps, list, closed, settings.lingerMs);
  const coordination = holding.over({ caller, kv, identity, watching: deps, live: living.live });

  const api = capturing<Omit<Namespace, 'promises'>>({
    // `kv` copies its arguments itself. The general wrapper would make its calls slower.
    kv: capturesItself(kv),
    ...watching,
    ...living,
    ...composedMethods(deps, { kv, readPages: list, closed, lingerMs: settings.lingerMs }),
    ...caches(deps, { readPages: list, closed, lingerMs: settings.lingerMs, requestTimeoutMs }),
    ...coordination,
    connection$: streams.state,
    namespace: (name) => {
      const prefix = new Prefix(name);
      // The prefix of an outer namespace comes before that of an inner one.
      const within: WatcherDeps['within'] = (stream) => prefixWatchStream(deps.within?.(stream) ?? stream, prefix);
      return namespace({ ...deps, caller: prefixCaller(caller, prefix), within, writes: deps.writes.within(prefix.before('')) });
    },
  });
  return addPromises(api);
}
