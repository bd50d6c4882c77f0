import { concat, finalize, race, switchMap, timer, type Observable } from 'rxjs';
import { EtcdError } from '../../errors/index.js';
import type { Diagnostics } from '../../model/diagnostics.js';
import { CallActivity } from './activity.js';
import { Backoff, monotonicNow } from '../../util/time.js';
import type { RetryLimits } from '../retryPolicy.js';
import { multicast, shareUntilDone } from '../../util/rx.js';
import type { ServerVersion } from './version.js';

/** The endpoints of a cluster, picked in turn. One that failed is passed over while another works. */
export class EndpointPool {
  private all: readonly Endpoint[] = [];
  private next = 0;

  constructor(
    /** The endpoints that the user has given. They stay, so that there is always one to pick. */
    private given: readonly string[],
    private readonly questions: EndpointProbes,
    /** Called whenever an endpoint is picked. */
    private readonly onUse: () => void = () => undefined,
  ) {
    this.arrange([]);
  }

  get size(): number {
    return this.all.length;
  }

  get origins(): readonly string[] {
    return this.all.map(({ origin }) => origin);
  }

  /** The origins, each with its path if it has one. */
  get addresses(): readonly string[] {
    return this.all.map(({ address }) => address);
  }

  get anyAside(): boolean {
    return this.all.some(({ isAside }) => isAside);
  }

  /** Returns whether an endpoint is still one of the client's. */
  has(endpoint: Endpoint): boolean {
    return this.all.includes(endpoint);
  }

  /**
   * Uses these endpoints alone from now on, and keeps what is known of those that stay.
   * @returns those that do not stay
   */
  give(origins: readonly string[]): readonly Endpoint[] {
    this.given = origins;
    return this.arrange([]);
  }

  /**
   * Uses these endpoints beside those that were given.
   * @returns those that were found before, and are not any more
   */
  find(origins: readonly string[]): readonly Endpoint[] {
    return this.arrange(origins);
  }

  /**
   * Picks the next endpoint in turn that is not set aside. If all are, it picks the next that is not unresponsive, or
   * else the next of all. It also checks those that are set aside, in the background: a client that is not in use sends
   * no checks.
   *
   * @param waiting the endpoints at which the call waits already: picked only if no other is responsive
   */
  pick(waiting?: ReadonlySet<Endpoint>): Endpoint {
    this.onUse();
    const responsive = (waiting && this.talkingOf((endpoint) => !waiting.has(endpoint))) ?? this.talkingOf(() => true);
    // No endpoint is passed over: the calls find out themselves.
    if (responsive === undefined) return this.nextOfAll();
    for (const endpoint of this.all) endpoint.check();
    return responsive;
  }

  /**
   * Returns the endpoint at this address.
   * @throws EtcdError `InvalidArgument` if it is not one of the client's
   */
  at(address: string): Endpoint {
    const wanted = URL.canParse(address) ? addressOf(new URL(address)) : undefined;
    const found = this.all.find((endpoint) => endpoint.address === wanted);
    // The error does not repeat the address, which may have a password in it.
    if (found === undefined)
      throw new EtcdError('InvalidArgument', `option endpoint: expected one of ${this.addresses.join(', ')}, received another`);
    return found;
  }

  private arrange(found: readonly string[]): readonly Endpoint[] {
    const before = this.all;
    const addresses = [...new Set([...this.given, ...found])];
    this.all = addresses.map((address) => before.find((endpoint) => endpoint.address === address) ?? new Endpoint(address, this.questions));
    const gone = before.filter((endpoint) => !this.has(endpoint));
    for (const endpoint of gone) endpoint.remove();
    return gone;
  }

  private talkingOf(isRight: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    return (
      this.nextOf((endpoint) => !endpoint.isAside && isRight(endpoint)) ?? this.nextOf((endpoint) => !endpoint.isMute && isRight(endpoint))
    );
  }

  private nextOf(isRight: (endpoint: Endpoint) => boolean): Endpoint | undefined {
    const { all } = this;
    for (let step = 0; step < all.length; step++) {
      const index = (this.next + step) % all.length;
      const candidate = all[index];
      if (candidate === undefined || !isRight(candidate)) continue;
      this.next = (index + 1) % all.length;
      return candidate;
    }
    return undefined;
  }

  /**
   * Picks from all endpoints in turn. The one that was set aside last may be down, while the others are back without
   * having been checked.
   */
  private nextOfAll(): Endpoint {
    const index = this.next % this.all.length;
    const endpoint = this.all[index];
    if (endpoint === undefined) throw new EtcdError('Unreachable', 'there is no endpoint');
    this.next = index + 1;
    return endpoint;
  }
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;
/**
 * The pause between two contacts with an endpoint that fails, in milliseconds. It is short, as calls wait for it, and
 * shared, as there may be thousands of them.
 */
const FIRST_CONTACT_PAUSE_MS = 100;
export const LONGEST_CONTACT_PAUSE_MS = 500;

/**
 * Facts about the server behind an endpoint. The version is undefined if an `apiPrefix` is set and the server hides its
 * version.
 */
export interface ServerInfo {
  readonly version: ServerVersion | undefined;
  /** The path prefix of its RPCs: `/v3`. */
  readonly prefix: string;
}

/** Requests to a server besides calls. */
export interface EndpointProbes {
  /** Requests its version. */
  readonly discover: (endpoint: Endpoint) => Observable<ServerInfo>;
  /** Checks whether it serves, and errors if it does not. */
  readonly check: (endpoint: Endpoint) => Observable<unknown>;
  /** Closes the connections to it, each once its requests have ended; later requests get new ones. */
  readonly renew: (endpoint: Endpoint) => void;
  readonly diagnostics?: Diagnostics;
  /** The pauses between contacts that differ from the defaults. */
  readonly pauses?: RetryLimits | undefined;
}

/**
 * Returns the address by which endpoints are compared. It is the origin and the path under which a proxy has etcd,
 * without a slash at its end.
 */
export const addressOf = ({ origin, pathname }: URL): string => origin + pathname.replace(/\/+$/, '');

/** One endpoint of the cluster: what is known about it, and whether calls should use it. */
export class Endpoint {
  /** When it last sent anything. */
  heardAt = 0;
  /** When it last completed a call, or refused one by itself. Calls that wait for its connections then get one. */
  servedAt = 0;
  /** Counts the calls and version requests to which it has responded. */
  answers = 0;
  /** Whether it has responded as etcd. Any other response from then on comes from something in its place. */
  knownEtcd = false;
  /** Whether it has reported its version. */
  knownVersion = false;
  /** Decides how closely its streams are checked. */
  readonly activity = new CallActivity();
  private failedAt = 0;
  private readonly backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  /** When it may be used again; 0 if it works. */
  private retryAt = 0;
  private readonly contactBackoff: Backoff;
  /** When it may be contacted again. */
  private contactAt = 0;
  /** The rest of the pause before the next contact. One timer serves all that wait. */
  private readonly contactPause = shareUntilDone(
    () => timer(Math.max(0, this.contactAt - monotonicNow())),
    () => undefined,
  );
  private checking = false;
  private info: ServerInfo | undefined;
  private readonly discovery: Observable<ServerInfo>;
  private readonly removal = multicast<never>();
  private connectionLoss = multicast<never>();
  /** When its connections were last renewed. */
  private renewedAt = 0;

  /** `https://a:2379`. */
  readonly origin: string;
  /** The path before all others at the origin: `/etcd`, or empty. */
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
        // A member without a leader responds to this, although it responds to no call.
        this.heardAt = monotonicNow();
      },
    );
  }

  /** Returns what is known of the server. Every call but the first takes it from here. */
  get known(): ServerInfo | undefined {
    return this.info;
  }

  /** Requests the version of the server; all calls that wait share one request. */
  discover(): Observable<ServerInfo> {
    return this.discovery;
  }

  /** Forgets the server, which may have been replaced. The next call requests its version again. */
  forget(): void {
    this.info = undefined;
  }

  /** Whether it is set aside: it failed, and has not been seen to work since. */
  get isAside(): boolean {
    return this.retryAt > 0;
  }

  /** Whether it is unresponsive: it failed, and has sent nothing since. */
  get isMute(): boolean {
    return this.heardAt < this.failedAt;
  }

  /** Whether a contact has to wait, because the last ones failed. */
  get isPaused(): boolean {
    return this.contactAt > 0 && monotonicNow() < this.contactAt;
  }

  /**
   * Runs a contact with the server after the pause that follows a failure. All that wait continue in the same turn: the
   * first requests the version, and the others share the response. An endpoint that fails thus sees one connection a
   * pause, however many calls and streams there are.
   */
  afterPause<T>(contact: () => Observable<T>): Observable<T> {
    return this.isPaused ? this.contactPause.pipe(switchMap(contact)) : contact();
  }

  /** Records a response. The backoff starts over, and calls that begin now do not wait. */
  succeeded(): void {
    this.answers += 1;
    this.servedAt = this.heardAt;
    this.knownEtcd = true;
    this.backoff.reset();
    this.contactBackoff.reset();
    this.back();
    this.contactAt = 0;
  }

  /** Uses the endpoint again. */
  private back(): void {
    const { diagnostics } = this.questions;
    if (diagnostics?.active === true && this.isAside) diagnostics.emit({ type: 'endpointBack', endpoint: this.address });
    this.retryAt = 0;
  }

  /**
   * Records a failure. The endpoint is set aside for a time that doubles with each failure, and may be another server
   * afterwards.
   *
   * @param connectionLost whether a connection broke, so that others may be dead as well
   */
  failed(connectionLost = false): void {
    const now = monotonicNow();
    this.failedAt = now;
    this.forget();
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
   * Makes later requests use new connections if the present ones are older than the given time. A network may have
   * dropped those without closing them.
   */
  renewConnections(olderThan: number): void {
    if (this.renewedAt > olderThan) return;
    this.renewedAt = monotonicNow();
    this.questions.renew(this);
  }

  /**
   * Ends streams that may rightly be silent, after a request on a new connection got a response and one on an old
   * connection did not. Nothing else shows whether the connections of such streams are alive.
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

  /** Records that it was removed from the client. */
  remove(): void {
    this.removal.error(new EtcdError('Unreachable', "this endpoint is no longer one of the client's", { endpoint: this.address }));
  }

  /** Errors when it is removed, or if it is removed already: for what would stay with it otherwise. */
  get removed(): Observable<never> {
    return this.removal;
  }

  /**
   * Checks whether it works again, if it is set aside and its pause is over. No call has to find that out by failing.
   */
  check(): void {
    if (!this.isAside || this.checking || monotonicNow() < this.retryAt) return;
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
          this.failed();
        },
        // The backoff continues where it was, until a call has succeeded as well.
        complete: () => {
          probed(true);
          this.back();
        },
      });
  }
}
