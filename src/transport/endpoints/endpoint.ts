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
 * The pause between two contacts with an endpoint that fails, in milliseconds. The pause is short, as calls wait for
 * it. It is shared, as thousands of calls may wait.
 */
const FIRST_CONTACT_PAUSE_MS = 100;
export const LONGEST_CONTACT_PAUSE_MS = 500;

/** The requests to a server that are not calls. */
export interface EndpointProbes {
  /** Requests the version of the server. */
  readonly discover: (endpoint: Endpoint) => Observable<ServerInfo>;
  /** Checks whether the server serves requests, and errors if it does not. */
  readonly check: (endpoint: Endpoint) => Observable<unknown>;
  /** Makes later requests use new connections. An old connection closes once its requests have ended. */
  readonly renew: (endpoint: Endpoint) => void;
  readonly diagnostics?: Diagnostics;
  /** The pauses between contacts that differ from the defaults. */
  readonly pauses?: RetryLimits | undefined;
}

/** A host with a port, or an IPv6 address in brackets with a port. A parser reads its host as a scheme. */
const HOST_AND_PORT = /^([\w.-]+|\[[\da-f:.]+\]):\d{1,5}$/i;

/** Adds `http://` to a host and port without a scheme. */
export const withScheme = (endpoint: string): string => (HOST_AND_PORT.test(endpoint) ? `http://${endpoint}` : endpoint);

/**
 * Returns the address by which endpoints are compared. It is the origin and the path under which a proxy serves etcd,
 * without a slash at its end.
 */
export const addressOf = ({ origin, pathname }: URL): string => origin + pathname.replace(/\/+$/, '');

/** One endpoint of the cluster: what is known about it, and whether calls should use it. */
export class Endpoint {
  /** The time at which the endpoint last sent anything. */
  lastActivity = 0;
  /** The time at which the endpoint last completed or rejected a call. A waiting call then gets the connection. */
  servedAt = 0;
  /** Counts the calls and version requests to which it has responded. */
  answers = 0;
  /** Whether etcd has responded at this endpoint. If so, any other response comes from something else in its place. */
  knownEtcd = false;
  /** Whether the endpoint has reported its version. */
  knownVersion = false;
  /** Decides how often its streams are checked. */
  readonly activity = new CallActivity();
  private failedAt = 0;
  private readonly backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  /** The time at which the endpoint may be used again; 0 if it works. */
  private retryAt = 0;
  private readonly contactBackoff: Backoff;
  /** The time at which the endpoint may be contacted again. */
  private contactAt = 0;
  /** The rest of the pause before the next contact. One timer serves all waiting calls and streams. */
  private readonly contactPause = shareUntilDone(
    () => timer(Math.max(0, this.contactAt - monotonicNow())),
    () => undefined,
  );
  private checking = false;
  private info: ServerInfo | undefined;
  private readonly discovery: Observable<ServerInfo>;
  private readonly removal = multicast<never>();
  private connectionLoss = multicast<never>();
  /** The time at which its connections were last renewed. */
  private renewedAt = 0;

  /** `https://a:2379`. */
  readonly origin: string;
  /** The prefix of all paths at the origin: `/etcd`, or empty. */
  readonly basePath: string;

  constructor(
    /** `https://a:2379`, or `https://proxy/etcd`. */
    readonly address: string,
    private readonly questions: EndpointProbes,
  ) {
    const { initialBackoffMs = FIRST_CONTACT_PAUSE_MS, maxBackoffMs = LONGEST_CONTACT_PAUSE_MS, jitter } = questions.pauses ?? {};
    this.contactBackoff = new Backoff(initialBackoffMs, maxBackoffMs, jitter);
    this.origin = URL.canParse(address) ? new URL(address).origin : address;
    this.basePath = address.slice(this.origin.length);
    this.discovery = shareUntilDone(
      () => race(this.removal, questions.discover(this)),
      (info) => {
        this.info = info;
        this.answers += 1;
        if (info.version !== undefined) this.knownEtcd = this.knownVersion = true;
        // A member without a leader responds to this request, but not to calls.
        this.lastActivity = monotonicNow();
      },
    );
  }

  /** Returns the known facts about the server. All calls after the first use them. */
  get known(): ServerInfo | undefined {
    return this.info;
  }

  /** Requests the version of the server; all calls that wait share one request. */
  discover(): Observable<ServerInfo> {
    return this.discovery;
  }

  /** Discards the version of the server, which may have been replaced. The next call requests it again. */
  invalidate(): void {
    this.info = undefined;
  }

  /** Whether the endpoint is set aside: it failed, and has not worked since. */
  get isSetAside(): boolean {
    return this.retryAt > 0;
  }

  /** Whether the endpoint is unresponsive: it failed, and has sent nothing since. */
  get isUnresponsive(): boolean {
    return this.lastActivity < this.failedAt;
  }

  /** Whether a contact has to wait, because the previous contacts failed. */
  get isPaused(): boolean {
    return this.contactAt > 0 && monotonicNow() < this.contactAt;
  }

  /**
   * Runs a contact with the server after the pause that follows a failure. All waiting calls continue in the same turn.
   * The first call requests the version, and the other calls share the response. An endpoint that fails therefore gets
   * one connection per pause, for any number of calls and streams.
   */
  afterPause<T>(contact: () => Observable<T>): Observable<T> {
    return this.isPaused ? this.contactPause.pipe(switchMap(contact)) : contact();
  }

  /** Records a response. The backoff starts over, and calls that begin now do not wait. */
  markHealthy(): void {
    this.answers += 1;
    this.servedAt = this.lastActivity;
    this.knownEtcd = true;
    this.backoff.reset();
    this.contactBackoff.reset();
    this.back();
    this.contactAt = 0;
  }

  /** Uses the endpoint again. */
  private back(): void {
    const { diagnostics } = this.questions;
    if (diagnostics?.active === true && this.isSetAside) diagnostics.emit({ type: 'endpointBack', endpoint: this.address });
    this.retryAt = 0;
  }

  /**
   * Records a failure. The endpoint is set aside for a time that doubles with each failure, and may be another server
   * afterwards.
   *
   * @param connectionLost whether a connection broke, so that others may be dead as well
   */
  markFailed(connectionLost = false): void {
    const now = monotonicNow();
    this.failedAt = now;
    this.invalidate();
    this.activity.suspect();
    // All the calls on a connection that breaks count as one failure.
    if (now >= this.contactAt) {
      this.contactAt = now + this.contactBackoff.next();
      if (connectionLost) this.renewConnections(now);
    }
    if (now < this.retryAt) return;
    const pauseMs = this.backoff.next();
    const { diagnostics } = this.questions;
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
    this.questions.renew(this);
  }

  /**
   * Ends idle streams after a request on a new connection got a response, and a request on an old connection did not.
   * Nothing else shows whether the connections of such streams are alive.
   */
  loseConnections(): void {
    const lost = this.connectionLoss;
    this.connectionLoss = multicast();
    lost.error(new EtcdError('ConnectionLost', 'other connections to the endpoint turned out to be dead', { endpoint: this.address }));
  }

  /** Errors when connections that are open now turn out to be dead. */
  get connectionsLost(): Observable<never> {
    return this.connectionLoss;
  }

  /** Records that the endpoint was removed from the client. */
  remove(): void {
    this.removal.error(new EtcdError('Unreachable', 'the endpoint was removed from the client', { endpoint: this.address }));
  }

  /** Errors when the endpoint is removed, or if it is removed already. Streams and waiting calls then leave it. */
  get removed(): Observable<never> {
    return this.removal;
  }

  /**
   * Checks whether the endpoint works again, if it is set aside and its pause is over. So no call has to fail first.
   */
  probeIfDue(): void {
    if (!this.isSetAside || this.checking || monotonicNow() < this.retryAt) return;
    this.checking = true;
    const begunAt = monotonicNow();
    const probed = (ok: boolean): void => {
      const { diagnostics } = this.questions;
      const elapsedMs = monotonicNow() - begunAt;
      if (diagnostics?.active === true) diagnostics.emit({ type: 'endpointProbed', endpoint: this.address, ok, elapsedMs });
    };
    concat(this.questions.check(this), this.discovery)
      .pipe(finalize(() => (this.checking = false)))
      .subscribe({
        error: () => {
          probed(false);
          this.markFailed();
        },
        // The backoff does not start over until a call has succeeded as well.
        complete: () => {
          probed(true);
          this.back();
        },
      });
  }
}

/** How long an endpoint counts as in use after it has responded to a call, in milliseconds. */
const RECENT_MS = 5_000;
/**
 * How long an endpoint must have responded to calls before it counts as in use, in milliseconds. The requests at the
 * beginning of a watch do not make it count as in use.
 */
const LASTING_MS = 1_000;

/** Tracks whether an endpoint is responding to calls. */
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
  answered(now: number): void {
    if (now - this.usedAt >= RECENT_MS) this.usedSince = now;
    const wasLasting = this.usedAt > this.usedSince && this.isLasting;
    this.usedAt = now;
    if (!wasLasting && this.isLasting) this.begun.next('inUse');
  }

  /** Requests a check of the streams at once. */
  suspect(): void {
    this.begun.next('suspected');
  }

  private get isLasting(): boolean {
    return this.usedAt - this.usedSince >= LASTING_MS;
  }
}
