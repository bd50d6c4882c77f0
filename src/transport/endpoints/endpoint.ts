import { concat, finalize, race, Subject, switchMap, timer, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { Diagnostics } from '../../model/diagnostics.js';
import { multicast, shareUntilDone } from '../../util/rx.js';
import { Backoff, monotonicNow } from '../../util/time.js';
import type { RetryLimits } from '../retryPolicy.js';
import type { ActivityChange } from './activity.js';
import type { ServerInfo } from './version.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/**
 * The first pause between two contacts with an endpoint that fails, in milliseconds, before jitter. The pause is short,
 * as calls wait for its end. Thousands of calls may wait, so all of them share one pause.
 */
const FIRST_CONTACT_PAUSE_MS = 100;
export const LONGEST_CONTACT_PAUSE_MS = 500;

/** The requests to a server that are not calls of the user. */
export interface EndpointProbes {
  /** Requests the version of the server at an endpoint. */
  readonly discover: (endpoint: Endpoint) => Observable<ServerInfo>;
  /** Checks whether the server serves requests. Errors if it does not. */
  readonly check: (endpoint: Endpoint) => Observable<unknown>;
  /** Makes later requests use new connections. An old connection is closed when its requests have ended. */
  readonly renew: (endpoint: Endpoint) => void;
  readonly diagnostics?: Diagnostics;
  /** The user's settings for the pauses between contacts. A setting that is omitted has its default. */
  readonly pauses?: RetryLimits | undefined;
}

/**
 * Matches a host with a port, or an IPv6 address in brackets with a port. A parser would read such a host as a scheme.
 */
const HOST_AND_PORT = /^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i;

/** Adds `http://` to a host and a port without a scheme. */
export const withScheme = (endpoint: string): string => (HOST_AND_PORT.test(endpoint) ? `http://${endpoint}` : endpoint);

/**
 * Returns the address by which endpoints are compared: the origin, and the path under which a proxy serves etcd. It has
 * no slash at its end.
 */
export const addressOf = ({ origin, pathname }: URL): string => origin + pathname.replace(/\/+$/, '');

/**
 * One endpoint of the cluster, with the known facts about it. It also decides whether calls should use the endpoint.
 */
export class Endpoint {
  /** The time at which data last arrived from the endpoint. */
  lastActivity = 0;
  /**
   * The time at which data last arrived on the connections that calls share. Streams, and calls that wait at the
   * server, use other connections.
   */
  callDataAt = 0;
  /**
   * The time at which the endpoint last completed or rejected a call on a shared connection. A waiting call can then
   * use this connection.
   */
  servedAt = 0;
  /** The number of calls, streams and version requests to which the endpoint has responded. */
  responses = 0;
  /**
   * Whether etcd has responded at this endpoint. If so, a response that is not from etcd was sent by a proxy in its
   * place.
   */
  knownEtcd = false;
  /** Whether the endpoint has reported its version. */
  knownVersion = false;
  /** Decides how often the streams at the endpoint are checked. */
  readonly activity = new CallActivity();
  private failedAt = 0;
  private readonly backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  /** The time at which the endpoint may be used again; 0 if it is not set aside. */
  private retryAt = 0;
  private readonly contactBackoff: Backoff;
  /** The time at which the endpoint may be contacted again. */
  private contactAt = 0;
  /** Ends when the next contact is allowed. All waiting calls and streams share one timer. */
  private readonly contactPause = shareUntilDone(
    () => timer(Math.max(0, this.contactAt - monotonicNow())),
    () => undefined,
  );
  private checking = false;
  private info: ServerInfo | undefined;
  private readonly discovery: Observable<ServerInfo>;
  private readonly removal = multicast<never>();
  private connectionLoss = multicast<never>();
  /** The time at which the connections were last renewed. */
  private renewedAt = 0;

  /** The origin, such as `https://a:2379`. */
  readonly origin: string;
  /** The path before all other paths at the origin: `/etcd`, or empty. */
  readonly basePath: string;

  constructor(
    /** The address, such as `https://a:2379` or `https://proxy/etcd`. */
    readonly address: string,
    private readonly probes: EndpointProbes,
  ) {
    const { initialBackoffMs = FIRST_CONTACT_PAUSE_MS, maxBackoffMs = LONGEST_CONTACT_PAUSE_MS, jitter } = probes.pauses ?? {};
    this.contactBackoff = new Backoff(initialBackoffMs, maxBackoffMs, jitter);
    this.origin = URL.canParse(address) ? new URL(address).origin : address;
    this.basePath = address.slice(this.origin.length);
    this.discovery = shareUntilDone(
      () => race(this.removal, probes.discover(this)),
      (info) => {
        this.info = info;
        this.responses += 1;
        if (info.version !== undefined) this.knownEtcd = this.knownVersion = true;
        // This response does not make the endpoint healthy, because a member without a leader sends it, too, but does
        // not respond to calls.
        this.lastActivity = monotonicNow();
      },
    );
  }

  /**
   * Returns the known facts about the server; undefined until its version has arrived, and after {@link invalidate}.
   */
  get known(): ServerInfo | undefined {
    return this.info;
  }

  /** Requests the version of the server. All waiting calls share one request. */
  discover(): Observable<ServerInfo> {
    return this.discovery;
  }

  /** Discards the version of the server, as the server may have been replaced. The next call requests it again. */
  invalidate(): void {
    this.info = undefined;
  }

  /** Whether the endpoint is set aside: it failed, and has not worked since then. */
  get isSetAside(): boolean {
    return this.retryAt > 0;
  }

  /** Whether the endpoint is unresponsive: it failed, and no data has arrived since then. */
  get isUnresponsive(): boolean {
    return this.lastActivity < this.failedAt;
  }

  /** Whether the next contact has to wait, because earlier contacts failed. */
  get isPaused(): boolean {
    return this.contactAt > 0 && monotonicNow() < this.contactAt;
  }

  /**
   * Runs a function that contacts the server, after the pause that follows a failure. All waiting calls continue in the
   * same turn of the event loop. The first call requests the version, and the other calls share the response. So only
   * one connection is opened after each pause, for any number of calls and streams.
   */
  afterPause<T>(contact: () => Observable<T>): Observable<T> {
    return this.isPaused ? this.contactPause.pipe(switchMap(contact)) : contact();
  }

  /**
   * Records a response to a call, or the first response on a stream. The backoff is reset, and later calls do not wait.
   */
  markHealthy(): void {
    this.responses += 1;
    this.knownEtcd = true;
    this.backoff.reset();
    this.contactBackoff.reset();
    this.back();
    this.contactAt = 0;
  }

  /** Allows calls to use the endpoint again. */
  private back(): void {
    const { diagnostics } = this.probes;
    if (diagnostics?.active === true && this.isSetAside) diagnostics.emit({ type: 'endpointBack', endpoint: this.address });
    this.retryAt = 0;
  }

  /**
   * Records a failure. The endpoint is set aside for a time that doubles with each failure. Its version is discarded,
   * as another server may respond there later.
   *
   * @param connectionLost whether a connection broke, as other connections may then be dead as well
   */
  markFailed(connectionLost = false): void {
    const now = monotonicNow();
    this.failedAt = now;
    this.invalidate();
    this.activity.suspect();
    // When a connection breaks, all its calls fail, but they count as one failure.
    if (now >= this.contactAt) {
      this.contactAt = now + this.contactBackoff.next();
      if (connectionLost) this.renewConnections(now);
    }
    if (now < this.retryAt) return;
    const pauseMs = this.backoff.next();
    const { diagnostics } = this.probes;
    if (diagnostics?.active === true) diagnostics.emit({ type: 'endpointQuarantined', endpoint: this.address, pauseMs });
    this.retryAt = now + pauseMs;
  }

  /**
   * Makes later requests use new connections if the current ones are older than the given time. A network may have
   * dropped the old connections without closing them.
   */
  renewConnections(olderThan: number): void {
    if (this.renewedAt > olderThan) return;
    this.renewedAt = monotonicNow();
    this.probes.renew(this);
  }

  /**
   * Ends chunked streams, as their connections are considered dead. Call it when a request on a new connection got a
   * response, while one on an old connection got none. No other sign shows that the connections of idle streams are
   * dead.
   */
  loseConnections(): void {
    const lost = this.connectionLoss;
    this.connectionLoss = multicast();
    lost.error(new EtcdError('ConnectionLost', 'other connections to the endpoint turned out to be dead', { endpoint: this.address }));
  }

  /** Errors when the connections that are open now are considered dead. */
  get connectionsLost(): Observable<never> {
    return this.connectionLoss;
  }

  /** Records that the endpoint was removed from the client. */
  remove(): void {
    this.removal.error(new EtcdError('Unreachable', 'the endpoint was removed from the client', { endpoint: this.address }));
  }

  /**
   * Errors when the endpoint is removed, or if it was removed already. Streams and waiting calls then use another
   * endpoint.
   */
  get removed(): Observable<never> {
    return this.removal;
  }

  /**
   * Checks whether an endpoint that was set aside works again, if its pause has ended. Without this check, only a call
   * could show whether the endpoint works, and the call might fail.
   */
  probeIfDue(): void {
    if (!this.isSetAside || this.checking || monotonicNow() < this.retryAt) return;
    this.checking = true;
    const begunAt = monotonicNow();
    const probed = (ok: boolean): void => {
      const { diagnostics } = this.probes;
      const elapsedMs = monotonicNow() - begunAt;
      if (diagnostics?.active === true) diagnostics.emit({ type: 'endpointProbed', endpoint: this.address, ok, elapsedMs });
    };
    concat(this.probes.check(this), this.discovery)
      .pipe(finalize(() => (this.checking = false)))
      .subscribe({
        error: () => {
          probed(false);
          this.markFailed();
        },
        // The backoff is reset only after a call has succeeded.
        complete: () => {
          probed(true);
          this.back();
        },
      });
  }
}

/** How long an endpoint counts as in use after its last response to a call, in milliseconds. */
const RECENT_MS = 5_000;
/**
 * How long an endpoint must have responded to calls until it counts as in use, in milliseconds. The few requests at the
 * start of a watch do not count as use.
 */
const LASTING_MS = 1_000;

/** Tracks whether an endpoint has responded to calls in the last seconds, and for at least {@link LASTING_MS}. */
export class CallActivity {
  private usedSince = -Infinity;
  private usedAt = -Infinity;
  private readonly begun = new Subject<ActivityChange>();

  get inUse(): boolean {
    return this.isLasting && monotonicNow() - this.usedAt < RECENT_MS;
  }

  get changes(): Observable<ActivityChange> {
    return this.begun;
  }

  /** Records that a part of a response arrived. */
  responded(now: number): void {
    if (now - this.usedAt >= RECENT_MS) this.usedSince = now;
    const wasLasting = this.usedAt > this.usedSince && this.isLasting;
    this.usedAt = now;
    if (!wasLasting && this.isLasting) this.begun.next('inUse');
  }

  /** Requests an immediate check of the streams. */
  suspect(): void {
    this.begun.next('suspected');
  }

  private get isLasting(): boolean {
    return this.usedAt - this.usedSince >= LASTING_MS;
  }
}
