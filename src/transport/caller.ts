import { catchError, defer, finalize, map, switchMap, tap, type Observable } from 'rxjs';
import { authenticateRpc } from '../codec/connection.js';
import type { Rpc } from '../codec/descriptors.js';
import { EtcdError, hasReason, keepSecret } from '../errors/index.js';
import { Diagnostics } from '../model/diagnostics.js';
import { LeaseActivity } from './endpoints/activity.js';
import { CallExecutor } from './callExecutor.js';
import {
  type Call,
  type Caller,
  type CallOptions,
  checkedHeaders,
  newCall,
  NO_OPTIONS,
  minRevision,
  type PlainResult,
  type ReadCallOptions,
  type Recover,
  reportsOf,
  requestWith,
  Revisions,
  type Route,
  resolveTimeout,
} from './call.js';
import { TransportSelector, type StreamTransport } from './streams/transportSelector.js';
import { openChannel } from './streams/channel.js';
import type { Endpoint } from './endpoints/endpoint.js';
import { EndpointPool } from './endpoints/endpointPool.js';
import { hedged, LazyModule, multicast } from '../util/rx.js';
import { CallDeadlines, PendingCalls } from './deadline.js';
import type { MemberDiscovery } from './endpoints/memberDiscovery.js';
import { NO_RETRIES, type RetryLimits, type RetryPolicy } from './retryPolicy.js';
import { monotonicNow } from '../util/time.js';
import { TokenProvider, type Auth } from './tokenProvider.js';
import { type Later, type PlainRequest, type PlainResponse, type Wire, unconfirmedAt } from './wire.js';
import { HedgedAttempts } from './hedging.js';
import { assertSupported, basePathOf, probeHealth, probeVersion, withTimeout } from './endpoints/version.js';

/** The settings of a caller. */
export interface CallerSettings {
  readonly endpoints: readonly string[];
  readonly auth: Auth | undefined;
  readonly apiPrefix: string | undefined;
  /** The URL of the page, by which the option `endpoint` of a call is resolved; undefined if there is no page. */
  readonly baseUrl?: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly requestTimeoutMs: number;
  /** The maximum number of calls that may wait to be sent. */
  readonly maxPendingCalls: number;
  readonly maxResponseBytes: number;
  readonly attemptTimeoutMs: number;
  /** The interval of member discovery; undefined if only the given endpoints are used. */
  readonly discovery: { readonly intervalMs: number } | undefined;
  /** The retry policy; undefined if only the retry table decides. */
  readonly retry: RetryPolicy | undefined;
  /** The limits of attempts and pauses that the user has set. Other limits have their defaults. */
  readonly retryLimits?: RetryLimits | undefined;
  readonly streams: { readonly transport: StreamTransport | 'auto' };
  /** Whether the wire has bidirectional HTTP/2 streams. */
  readonly http2?: boolean;
}

/** A caller that can be closed, and whose endpoints can be changed. */
export interface ClosableCaller extends Caller {
  /** Returns the addresses of the endpoints in use. */
  endpoints(): readonly string[];
  /** Discovers the members of the cluster now. Then emits the addresses of the endpoints that are in use. */
  sync(): Observable<readonly string[]>;
  /** Replaces the endpoints. Calls in progress at removed endpoints finish there; streams move to other endpoints. */
  setEndpoints(origins: readonly string[]): void;
  /** Ends all calls, and closes all connections. */
  close(): Promise<void>;
}

/** Loads the code for discovery on demand. Many programs do not need it. */
export const discoveryModule = new LazyModule(() => import('./endpoints/memberDiscovery.js'));

/**
 * Creates the caller of a client over one wire. The caller sends each call to an endpoint, in the form that the version
 * of its server requires, and with the client's token. It retries the call if a retry is safe.
 */
export function createCaller(
  wire: Wire,
  settings: CallerSettings,
  writes?: WriteListener,
  leases = new LeaseActivity(),
  diagnostics = new Diagnostics(),
): ClosableCaller {
  const closed = multicast<never>();
  const pending = new PendingCalls(settings.maxPendingCalls);
  const basePath = settings.apiPrefix === undefined ? '' : basePathOf(settings.apiPrefix);
  const secrets = secretsIn(settings).map(keepSecret);
  const hedging: HedgedAttempts = new HedgedAttempts(settings.attemptTimeoutMs, () => endpoints.size - 1, diagnostics);
  const endpoints = new EndpointPool(
    settings.endpoints,
    {
      discover: (endpoint) => probeVersion(versionOf(endpoint), endpoint, settings.apiPrefix, withoutTls(endpoint)),
      check: (endpoint) => hedging.check(probeHealth(plainGet(HEALTH, endpoint)), endpoint.address),
      renew: ({ origin }) => wire.renew(origin),
      diagnostics,
      pauses: settings.retryLimits,
    },
    () => searchWhenDue(),
    settings.baseUrl,
  );
  const transports = new TransportSelector(settings.streams.transport, settings.http2);
  const release = (gone: readonly Endpoint[]): void => {
    for (const { address, origin } of gone) {
      transports.forget(address);
      // Several endpoints may share an origin, each under a separate path.
      if (!endpoints.origins.includes(origin)) wire.release(origin);
    }
  };
  let search: MemberDiscovery | undefined;
  const search$ = discoveryModule.module$.pipe(
    map(
      ({ memberRequests, MemberDiscovery: Discovery }) =>
        (search ??= new Discovery(
          memberRequests((...call) => unary(...call), { wire, apiPrefix: settings.apiPrefix }),
          settings.discovery?.intervalMs ?? Infinity,
          (origins) => release(endpoints.setDiscovered(origins)),
        )),
    ),
  );
  const searchWhenDue = (): void => {
    if (settings.discovery === undefined) return;
    if (search !== undefined) return search.whenDue(endpoints);
    // If the module cannot be loaded, only the given endpoints are used. The next use of the client tries to load it
    // again.
    search$.subscribe({ next: (loaded) => loaded.whenDue(endpoints), error: () => undefined });
  };
  // A member without a leader sends no response. If the request for a token went to such a member, all calls would wait
  // until this attempt times out. So the request is hedged.
  const hedgedIfPossible = <T>(run: () => Observable<T>): Observable<T> =>
    endpoints.size > 1 && settings.retry !== NO_RETRIES ? hedged(run, settings.attemptTimeoutMs / 2) : run();
  const tokens = new TokenProvider(settings.auth, {
    authenticate: (name, password) => hedgedIfPossible(() => unary(authenticateRpc, { name, password })).pipe(map(({ token }) => token)),
    isWorthRetrying: (failure) => attempts.isWorthRetrying(failure),
    closed,
    diagnostics,
  });
  const { requestTimeoutMs } = settings;
  const revisions = new Revisions();
  const deadlines = new CallDeadlines(requestTimeoutMs, () => tokens.trouble, pending);
  const attempts: CallExecutor = new CallExecutor(endpoints, tokens, hedging, settings.retry, closed, diagnostics, settings.retryLimits);
  const deps = { wire, tokens, transports, revisions, leases, elsewhere: () => endpoints.size > 1 };

  const firstSent = (call: Call): void => pending.remove(call);

  function unary<In, A>(rpc: Rpc<In, A>, request: In, options: ReadCallOptions = NO_OPTIONS, onSent?: () => void): Observable<A> {
    return deadlines.withDeadline(() => {
      const call = newCall(rpc, options, onSent);
      const attemptTo = wire.unary(requestWith(rpc, options), request);
      const notBefore = minRevision(rpc, options, revisions.newest);
      const listener = rpc.safety === 'write' ? writes : undefined;
      let pending: PendingWrite | undefined;
      const send = (to: Route, recover: Recover<A>): Observable<A> => {
        const { endpoint } = to;
        if (!to.info.supportsAll) assertSupported(rpc, request, to);
        const { onSent, onReceived } = reportsOf(call, endpoint, true, firstSent);
        return attemptTo({
          to,
          patient: call.unbounded,
          onSent,
          onReceived,
          onRevision: (revision) => revisions.take(revision, notBefore, rpc.name, endpoint.address),
          onResponse: (response) => {
            endpoint.markHealthy();
            if (!call.unbounded) endpoint.servedAt = endpoint.callDataAt;
            if (diagnostics.active) {
              const elapsedMs = monotonicNow() - call.startedAt;
              diagnostics.emit({ type: 'callSucceeded', rpc: rpc.name, endpoint: endpoint.address, attempts: call.attempts, elapsedMs });
            }
            listener?.responded(rpc, request, response, pending);
          },
          recover,
        });
      };
      return {
        call,
        timeoutMs: resolveTimeout(options, rpc.unbounded === true ? Infinity : requestTimeoutMs),
        run: () => {
          pending = listener?.begun(rpc, request, revisions.newest);
          const responded = keepingSecrets(options, attempts.run(call, send));
          return pending === undefined ? responded : untilEnded(responded, call, pending);
        },
      };
    });
  }

  function stream<In, A>(rpc: Rpc<In, A>, request: In, options: CallOptions = {}, later?: Later<In>): Observable<A> {
    return deadlines.withDeadline(() => {
      // By default, the call has no deadline unless the RPC is `bounded`. The time until the first message depends on
      // the size of the store.
      const call = newCall({ ...rpc, unbounded: true }, options);
      const attemptTo = wire.stream(requestWith(rpc, options), request, later);
      const send = (to: Route, recover: Recover<A>): Observable<A> => {
        const { endpoint } = to;
        if (!to.info.supportsAll) assertSupported(rpc, request, to);
        const { onSent, onReceived } = reportsOf(call, endpoint, true, firstSent);
        const onRevision = (revision: number): void => revisions.take(revision, 0, rpc.name, endpoint.address);
        return attemptTo({ to, patient: call.unbounded, onSent, onReceived, onRevision }).pipe(
          tap(() => {
            if (!call.responded) endpoint.markHealthy();
            call.responded = true;
          }),
          catchError(recover),
        );
      };
      return {
        call,
        timeoutMs: resolveTimeout(options, rpc.bounded === true ? requestTimeoutMs : Infinity),
        run: () => keepingSecrets(options, attempts.run(call, send)),
      };
    });
  }

  /** Returns a request that is not an RPC. */
  const plainRequest = (path: string, to: PlainRequest['to'] & { readonly endpoint: Endpoint }): PlainRequest => ({
    to,
    path: to.endpoint.basePath + basePath + path,
    name: `GET ${path}`,
  });

  function get(path: string, options: CallOptions = {}): Observable<PlainResult> {
    return deadlines.withDeadline(() => {
      const name = `GET ${path}`;
      const call = newCall({ name, safety: 'read', anonymous: true }, options);
      const headers = options.headers && checkedHeaders(name, options.headers);
      if (options.requireLeader === true)
        throw new EtcdError('InvalidArgument', `requireLeader: only RPCs accept this option, and ${name} is not an RPC`, { rpc: name });
      const send = (to: Route, recover: Recover<PlainResult>): Observable<PlainResult> => {
        const { endpoint, info } = to;
        return wire.get({ ...plainRequest(path, to), headers, ...reportsOf(call, endpoint, false, firstSent) }).pipe(
          map((response) => ({ response, endpoint: endpoint.address, version: info.version })),
          catchError(recover),
        );
      };
      return {
        call,
        timeoutMs: resolveTimeout(options, requestTimeoutMs),
        run: () => keepingSecrets(options, attempts.run(call, send)),
      };
    });
  }

  const plainGet = (path: string, endpoint: Endpoint): Observable<PlainResponse> => wire.get(plainRequest(path, { endpoint }));

  function versionOf(endpoint: Endpoint): Observable<PlainResponse> {
    // The connection pool may have connections that a network dropped without closing them. All calls wait for this
    // response, so the request is hedged on a new connection.
    const probe = defer(() => {
      const begunAt = monotonicNow();
      let count = 0;
      return hedged(() => {
        if (count++ > 0) endpoint.renewConnections(begunAt);
        return plainGet('/version', endpoint);
      }, settings.attemptTimeoutMs);
    });
    return withTimeout(requestTimeoutMs, probe, { rpc: 'GET /version', endpoint: endpoint.address });
  }

  /**
   * Requests the version without TLS, to check whether a server without TLS responds. The request contains no secret.
   */
  function withoutTls({ origin }: Endpoint): Observable<PlainResponse> {
    const plain = origin.replace(/^https:/, 'http:');
    const to = unconfirmedAt(plain);
    return wire.get({ to, path: '/version', name: 'GET /version' }).pipe(finalize(() => wire.release(plain)));
  }

  return {
    unary,
    stream,
    get,
    channel: (rpc) => defer(() => attempts.route(rpc.name)).pipe(map((route) => openChannel(route, rpc, deps))),
    endpoints: () => endpoints.addresses,
    sync: () =>
      search$.pipe(
        switchMap((loaded) => loaded.searchNow(endpoints.origins)),
        map(() => endpoints.addresses),
      ),
    setEndpoints: (origins) => {
      search?.restart();
      release(endpoints.setGiven(origins));
    },
    close: async () => {
      closed.error(new EtcdError('ClientClosed', 'the client is closed'));
      await wire.close();
      diagnostics.end();
      for (const end of secrets) end();
      tokens.stopRedacting();
    },
  };
}

/** Keeps the headers of a call out of error messages while the call runs. */
function keepingSecrets<T>({ headers }: CallOptions, response: Observable<T>): Observable<T> {
  if (headers === undefined) return response;
  return defer(() => {
    const ends = Object.values(headers).map(keepSecret);
    return response.pipe(finalize(() => ends.forEach((end) => end())));
  });
}

/** Reports that a write ended without a response: with an error, or because its subscriber unsubscribed. */
function untilEnded<T>(response: Observable<T>, call: Call, pending: PendingWrite): Observable<T> {
  return response.pipe(
    tap({ error: (error: unknown) => pending.ended(hasReason(error, 'AmbiguousWrite')) }),
    finalize(() => pending.ended(call.sent || call.resentWrite)),
  );
}

/**
 * The path of the health check. The alarm `NOSPACE` is excluded, as a store that is out of space still serves reads.
 */
const HEALTH = '/health?exclude=NOSPACE';

/** Returns the secrets that requests contain. Tokens are added later, when they arrive. */
function secretsIn({ auth, headers }: CallerSettings): readonly string[] {
  const given = Object.entries(headers).flatMap(([name, value]) => (PUBLIC_HEADERS.has(name) ? [] : [value]));
  return auth !== undefined && 'password' in auth ? [...given, auth.password] : given;
}

/** The headers that rxetcd sets itself. They contain no secrets. */
const PUBLIC_HEADERS: ReadonlySet<string> = new Set(['user-agent', 'content-type']);

/** Receives the writes of a client. A response is reported before the caller receives it. */
export interface WriteListener {
  /**
   * Called when a write begins.
   *
   * @param newest the newest revision that the client has seen; 0 before it has seen any
   * @returns an object that is notified when the write ends without a response; undefined if this is not needed
   */
  begun<In>(rpc: Rpc<In, unknown>, request: In, newest: number): PendingWrite | undefined;
  /** Called when the response to a write has arrived. */
  responded<In, A>(rpc: Rpc<In, A>, request: In, response: A, pending: PendingWrite | undefined): void;
}

/** A write that has no response yet. */
export interface PendingWrite {
  /**
   * Records that the write ended without a response. `unknown` means that the server may have carried it out. Does
   * nothing after a response.
   */
  ended(unknown: boolean): void;
}
