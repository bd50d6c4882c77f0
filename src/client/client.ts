import type { Encoder } from 'io-ts';
import { firstValueFrom, type Observable } from 'rxjs';
import type { AuthService } from '../services/auth.js';
import type { ClusterService } from '../services/cluster.js';
import type { MetricFamily, ServerHealth, ServerVersion } from '../codec/serverInfo.js';
import type { Json } from '../codec/descriptors.js';
import type { CloseSummary } from '../concurrency/lease/cleanup.js';
import { checkNewEndpoints, type EndpointsOption } from '../options/connectionOptions.js';
import type { MaintenanceService } from '../services/maintenance.js';
import { captured, capturesItself, capturing } from '../model/captured.js';
import { type Diagnostic, Diagnostics, diagnosticsOf, toLogger } from '../model/diagnostics.js';
import type { Validator } from '../model/validator.js';
import { checkOptions, isObject, LONGEST_MS, MILLISECONDS, type OptionKinds } from '../model/validate.js';
import { namespace, type Namespace } from './namespace.js';
import { checkAuth, type OptionLimits, type Platform, type Settings, settingsOf, type ClientOptions } from '../options/clientOptions.js';
import { addPromises } from '../promises/promises.js';
import type { Promises } from '../promises/types.js';
import { rawBody } from '../services/internal/callOptions.js';
import type { RawCallOptions } from '../services/rawCall.js';
import type { HealthChecks } from '../services/serverInfo.js';
import { LeaseActivity } from '../transport/endpoints/activity.js';
import type { CallOptions } from '../transport/call.js';
import { createCaller } from '../transport/caller.js';
import { SharedWire, type RawResponse, type Wire } from '../transport/wire.js';
import type { Auth } from '../transport/tokenProvider.js';
import { multicast, type Multicast } from '../util/rx.js';
import { createWatchStreams } from '../watch/streams/duplexStream.js';
import { OwnWrites, ScopedOwnWrites } from '../watch/ownWrites/ownWrites.js';

declare global {
  // Declares `Symbol.asyncDispose` for compilers whose libraries lack it, and for browser apps without the types of
  // Node.
  interface SymbolConstructor {
    readonly asyncDispose: unique symbol;
  }
}

/**
 * A client of an etcd cluster. Its calls share one connection pool for each endpoint. Streams, and calls that wait at
 * the server, have separate connections.
 */
export interface Client extends Namespace {
  readonly promises: Promises<Client>;
  readonly auth: AuthService;
  readonly cluster: ClusterService;
  readonly maintenance: MaintenanceService;

  /** Reads the version of a server and of its cluster (`GET /version`). */
  version(options?: CallOptions): Observable<ServerVersion>;
  /**
   * Reads whether a server is healthy (`GET /health`). For an unhealthy server the Observable does not error, but emits
   * `{ health: false, reason }`. Some versions of etcd send no `reason`.
   */
  health(options?: CallOptions): Observable<ServerHealth>;
  /**
   * Checks whether a server itself works, whatever the state of its cluster (`GET /livez`, since etcd 3.4.29 and
   * 3.5.11). A server that fails this check may have to be restarted. A failed check is not an error: the Observable
   * emits `ok: false`. Errors with `UnsupportedServerVersion` on older servers.
   *
   * ```ts
   * etcd.livez({ endpoint }).subscribe(({ ok, checks }) => console.log(ok, checks));
   * // Logs: true [ { name: 'serializable_read', ok: true } ]
   * ```
   *
   * @see {@link Client.readyz}
   */
  livez(options?: CallOptions): Observable<HealthChecks>;
  /**
   * Checks whether a server can serve clients now (`GET /readyz`, since etcd 3.4.29 and 3.5.11). A ready server has a
   * leader, its data are not corrupt, and it is not a learner. A failed check is not an error: the Observable emits
   * `ok: false`, and `checks` has the `reason`. Errors with `UnsupportedServerVersion` on older servers.
   */
  readyz(options?: CallOptions): Observable<HealthChecks>;
  /** Reads a server's metrics (`GET /metrics`), and parses them. */
  metrics(options?: CallOptions): Observable<readonly MetricFamily[]>;
  /** Reads a server's metrics (`GET /metrics`) in Prometheus' text format. */
  metricsText(options?: CallOptions): Observable<string>;

  /**
   * Calls any RPC of the gateway, with a body that `request` checks and encodes. `rxetcd/swagger` derives both codecs
   * from a swagger file of etcd, even for an RPC that is newer than this package.
   */
  call<In, A>(
    path: string,
    body: In,
    options: Omit<RawCallOptions<A>, 'request'> & { readonly request: Encoder<In, Json>; readonly codec: Validator<A> },
  ): Observable<A>;
  /** Calls any RPC of the gateway, such as one for which rxetcd has no method. `codec` checks the response. */
  call<A>(path: string, body: Json, options: RawCallOptions<A> & { readonly codec: Validator<A> }): Observable<A>;
  /**
   * Calls any RPC of the gateway, and emits the HTTP response without decoding it: `status`, `headers`, and `body` as
   * text.
   *
   * ```ts
   * const raw$ = etcd.call('/kv/range', { key: btoa('a') }, { raw: true, safety: 'read' });
   * raw$.subscribe(({ status, headers, body }) => console.log(status, headers['date'], body));
   * ```
   */
  call(
    path: string,
    body: Json,
    options: Omit<RawCallOptions<never>, 'codec' | 'streaming'> & { readonly raw: true; readonly streaming?: false },
  ): Observable<RawResponse>;
  /** Calls any RPC of the gateway, and emits its response without checking it. */
  call(path: string, body: Json, options?: RawCallOptions<unknown>): Observable<unknown>;

  /**
   * Emits the events inside of the client, with durations. The events concern attempts, endpoints, tokens, streams,
   * leases and locks. No event contains a value of a key or a secret. The Observable is hot, never errors, and
   * completes when the client is closed. Without a subscriber no event is created.
   *
   * ```ts
   * etcd.diagnostics$.subscribe((event) => {
   *   if (event.type === 'attemptFailed') console.warn(event.rpc, event.error.reason, event.action);
   * });
   * ```
   */
  readonly diagnostics$: Observable<Diagnostic>;

  /** Returns the endpoints in use, such as `https://a:2379`, with their path if they have one. */
  endpoints(): readonly string[];

  /**
   * Reads the members of the cluster now (`Cluster.MemberList`), and uses them in addition to the given endpoints. The
   * option `discovery` does so in the background. Emits the endpoints in use. A member's endpoint is used only after
   * the member has identified itself there.
   *
   * ```ts
   * etcd.sync().subscribe((endpoints) => console.log(endpoints));
   * ```
   */
  sync(): Observable<readonly string[]>;

  /**
   * Returns a client for another user, or for no user. It shares the connection pools of this client, but has separate
   * streams. All other settings are the same. The new client is closed together with this client. To release its leases
   * and locks earlier, close the new client first. {@link Client.setEndpoints} of this client also replaces the
   * endpoints of the new client.
   *
   * ```ts
   * const reader = etcd.withAuth({ username: 'reader', password });
   * reader.kv.get('app/color').subscribe((kv) => console.log(kv?.value));
   * ```
   *
   * @param auth as the option `auth` of `createClient`; undefined for no user
   * @throws InvalidOptionError that names the invalid part
   */
  withAuth(auth: Auth | undefined): Client;

  /**
   * Replaces the endpoints. They are checked as those of `createClient`, and must have the same scheme as the current
   * endpoints. Endpoints that remain keep their connections and their state. Calls in progress at removed endpoints
   * finish there. Watches, leases and locks move to the other endpoints without a loss.
   *
   * ```ts
   * etcd.setEndpoints(['https://b:2379', 'https://c:2379']);
   * ```
   *
   * @throws InvalidOptionError that names the invalid endpoint; then nothing is changed
   */
  setEndpoints(endpoints: EndpointsOption): void;

  /**
   * Closes the client. Watches, campaigns, announcements and all Observables with `onLost: 'reacquire'` or `'regrant'`
   * complete. Held leases and locks are released, and their Observables complete. Leases with `release: 'keep'` are not
   * revoked, and neither are adopted leases by default. Other Observables that still wait, such as `lock` or
   * `watchOnce`, fail with `ClientClosed`, and so do calls in progress. A write that was already sent fails with
   * `AmbiguousWrite`. The Promise resolves when all connections are closed; a process with nothing else to do then
   * exits. A client of {@link Client.withAuth} leaves the shared connections open.
   *
   * The result lists the leases and keys that may still exist on the server, until their TTL has passed. `close()`
   * waits for the releases for at most `timeoutMs`. Unless `timeoutMs` is `Infinity`, it stops waiting earlier if no
   * release is confirmed for some time. This time is a fifth of `timeoutMs`, and at least 2 s. The result includes
   * releases that began before `close()` and had not ended. It also includes the leases and keys of clients of
   * {@link Client.withAuth} that are closed together with this client.
   *
   * ```ts
   * const { released, unreleased } = await etcd.close({ timeoutMs: 30_000 });
   * const all = released + unreleased.length;
   * if (unreleased.length > 0) console.warn(`${unreleased.length} of ${all} are left to their TTL`);
   * ```
   *
   * @param options.timeoutMs milliseconds, or `Infinity` for no limit; by default the client's `closeTimeoutMs`. If
   * `close` is called several times, the first call sets the timeout
   * @throws EtcdError `InvalidArgument`; then nothing is closed
   */
  close(options?: CloseOptions): Promise<CloseSummary>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** The time limit of `close`. */
export interface CloseOptions {
  /**
   * The timeout for releasing leases, locks and the like, in milliseconds; `Infinity` for no limit. The default is the
   * client's `closeTimeoutMs`.
   */
  readonly timeoutMs?: number;
}

const CLOSE: OptionKinds<CloseOptions> = { timeoutMs: MILLISECONDS };

/**
 * Creates a client on a platform.
 *
 * @throws InvalidOptionError that names the option; EtcdError `UnsupportedRuntime`
 */
export function openClient(platform: Platform, options: ClientOptions): Client {
  const limits = platform.limits(options);
  const settings = settingsOf(options, limits);
  return clientOver(platform.wire(settings), settings, platform, limits);
}

/**
 * Creates a client over a wire. A client that {@link Client.withAuth} derives uses the wire of the first client, and
 * settings with another user.
 */
function clientOver(wire: Wire, settings: Settings, platform: Platform, limits: OptionLimits): Client {
  const derived = new Set<Client>();
  const { parts } = platform;
  const writes = new OwnWrites();
  const leases = new LeaseActivity();
  const diagnostics = new Diagnostics();
  const caller = createCaller(wire, settings, writes, leases, diagnostics);
  const streams = createWatchStreams(caller, settings.streams, parts.chunkedStream);
  // The value is replayed, so that an Observable completes even if it is subscribed to after `close()`.
  const closed: Multicast<void> = multicast({ replay: true });
  const holding = parts.holding({ caller, settings: settings.streams, activity: leases, closed, diagnostics });
  const { call, ...administration } = parts.administration(caller);
  const diagnostics$ = diagnosticsOf(diagnostics, streams.state);
  if (settings.logger !== undefined) diagnostics$.subscribe(toLogger(settings.logger));
  let closing: Promise<CloseSummary> | undefined;

  const closeWithin = async (timeoutMs: number): Promise<CloseSummary> => {
    const [ofDerived] = await Promise.all([
      Promise.all([...derived].map((each) => each.close({ timeoutMs }))),
      firstValueFrom(holding.cleanup.settled(timeoutMs)),
    ]);
    await caller.close();
    const all = [holding.cleanup.summary(), ...ofDerived];
    return {
      released: all.reduce((sum, { released }) => sum + released, 0),
      unreleased: all.flatMap(({ unreleased }) => unreleased),
    };
  };
  const close = (given: CloseOptions = {}): Promise<CloseSummary> => {
    const { timeoutMs = settings.closeTimeoutMs } = checkOptions('close', given, CLOSE);
    if (closing !== undefined) return closing;
    let settle: (summary: Promise<CloseSummary>) => void = () => undefined;
    // The Promise is set before `closed` emits: a subscriber that completes may call `close` again.
    closing = new Promise((resolve) => (settle = resolve));
    closed.next();
    streams.close();
    settle(closeWithin(timeoutMs > LONGEST_MS ? Infinity : timeoutMs));
    return closing;
  };

  const client = capturing<Omit<Client, 'promises'>>({
    ...namespace({
      caller,
      streams,
      identity: platform.identity,
      settings: settings.streams,
      diagnostics,
      // Only these settings are passed on. Each watch keeps a reference to them, and a log of that watch must not show
      // a password.
      maxResponseBytes: settings.maxResponseBytes,
      requestTimeoutMs: settings.requestTimeoutMs,
      gather: settings.batchReads ? { requestTimeoutMs: settings.requestTimeoutMs } : undefined,
      closed,
      holding,
      writes: new ScopedOwnWrites(writes, caller),
    }),
    ...administration,
    call: capturesItself(<A>(path: string, body: unknown, callOptions: RawCallOptions<A> = {}) => {
      const options = captured(callOptions);
      // Options that are not an object have no property `request`. The call itself rejects them.
      return call(path, rawBody(body, isObject(options) ? options.request : undefined), options);
    }),
    diagnostics$,
    endpoints: () => caller.endpoints(),
    sync: () => caller.sync(),
    withAuth: (auth) => {
      const own = { ...settings, endpoints: caller.endpoints(), auth: auth === undefined ? undefined : checkAuth(auth) };
      const shared = new SharedWire(wire, () => derived.delete(client));
      const client = clientOver(shared, own, platform, limits);
      derived.add(client);
      return client;
    },
    setEndpoints: (given) => {
      caller.setEndpoints(checkNewEndpoints(given, settings.endpoints, limits.baseUrl));
      for (const client of derived) client.setEndpoints(given);
    },
    close,
    [Symbol.asyncDispose]: async () => void (await close()),
  });
  return addPromises(client);
}
