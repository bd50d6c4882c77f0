import {
  catchError,
  defer,
  finalize,
  identity,
  Observable,
  type Observer,
  switchMap,
  takeWhile,
  tap,
  throwError,
  timeout,
  timer,
} from 'rxjs';
import { EtcdError, isEtcdError } from '../../errors/index.js';
import { type Backoff, monotonicNow, Pacer, SharedTimeout } from '../../util/time.js';
import type { Channel } from '../../transport/call.js';
import { type StreamTimeouts, isStreamRetryable, isTransient, ConsecutiveFailures, streamBackoff } from '../retryable.js';
import { RefCounted } from '../refCounted.js';
import {
  type Connected,
  type ConnectionState,
  isSameState,
  OrderedBehaviorSubject,
  type Reconnecting,
  reconnecting,
} from './connectionState.js';

/**
 * The part of the response timeout in which a stream has to open on a channel. An endpoint that works opens it at once.
 */
const OPENING_PART = 0.5;

/** Receives the outcomes of a stream over a channel. */
export interface StreamCallbacks {
  /** The state of the connection from the server's first response on. */
  readonly connected: Connected;
  /**
   * Returns how long a response may take on this stream. The timeout returns to its usual value when the stream has
   * delivered a notification.
   */
  readonly timeoutMs: () => number;
  /** Called when the stream is given up because no response arrived. */
  onTimeout(): void;
  /** Called when the stream has delivered a message other than the response to a create request. */
  onNotification(): void;
  /** Called when the server has responded. */
  readonly onResponse: () => void;
  /** Called when the stream of one user broke, while other users continue. Returns the error for that user. */
  readonly onLost: (error: EtcdError) => StreamLostError;
  /**
   * Called when neither the transport nor the endpoint has caused the end of a stream. Either the endpoint was removed,
   * or its connections are considered dead, or a message was too long. Such a message may arrive in fragments on
   * another stream. Returns the error for the users of the stream.
   */
  readonly onHarmlessEnd: (error: EtcdError) => StreamLostError;
}

/**
 * Keeps the streams of a client for one kind of work. One stream serves all users if the transport can do that. The
 * stream is opened when it is first needed, and closed after the last user has unsubscribed. When the stream breaks,
 * every user is notified. The error says whether another stream is opened. All users that need another stream share
 * the next one, which is opened after a pause. The pause grows until a server has responded. For the end of a single
 * watch, `Resumption` decides whether it continues.
 *
 * @typeParam S the type of a stream
 * @typeParam C the type of the channels that carry it
 */
export class StreamManager<S extends object, C extends Channel = Channel> {
  private readonly current = new OrderedBehaviorSubject<ConnectionState>({ status: 'idle' });
  private readonly backoff: Backoff;
  private readonly timeout: AdaptiveTimeout;
  /**
   * The timeout for opening a stream. It is separate from the timeout of responses: if one member responds slowly, the
   * next member may still respond fast.
   */
  private readonly opening: AdaptiveTimeout;
  /** Spreads the work of all users over turns of the event loop when a stream is opened or lost. */
  readonly pacer = new Pacer();
  private users = 0;
  /** Whether any user has been counted. Some kinds of users are never counted. */
  private tracked = false;
  private retryAt = 0;
  /** Counts refusals since the last response of a server. */
  private refusals: ConsecutiveFailures | undefined;
  /** Counts malformed messages since the last notification of a watch. */
  private garbled: ConsecutiveFailures | undefined;
  private readonly shared: SharedStream<S>;
  /** The number of failures since the last response of a server. Failures before `failedUntil` count as one failure. */
  private failures = 0;
  private failedUntil = -Infinity;

  constructor(
    private readonly findChannel: () => Observable<C>,
    settings: Omit<StreamTimeouts, 'heartbeatMs'>,
    /** Opens a stream over a channel. The stream errors when it breaks. */
    private readonly openStream: (channel: C, outcomes: StreamCallbacks) => Observable<S>,
    /** The maximum number of retries after consecutive failures. */
    private readonly maxRetries = Infinity,
  ) {
    this.backoff = streamBackoff(settings);
    this.timeout = new AdaptiveTimeout(settings.responseTimeoutMs);
    this.opening = new AdaptiveTimeout(settings.responseTimeoutMs);
    this.shared = new SharedStream(settings.lingerMs);
  }

  /**
   * Emits the current state of the connection and each later state, and never errors. After the client was closed, a
   * subscriber still receives the last state, `closed`.
   */
  get state(): Observable<ConnectionState> {
    return this.current.changes.pipe(takeWhile(({ status }) => status !== 'closed', true));
  }

  /** The current state of the connection. */
  get stateNow(): ConnectionState {
    return this.current.value;
  }

  /** Emits a stream to work on. Errors with {@link StreamLostError} when the stream breaks. */
  stream(): Observable<S> {
    return new Observable((subscriber) => {
      this.attach(subscriber);
      return () => this.detach(subscriber);
    });
  }

  /**
   * Subscribes `user` to the shared stream, as {@link stream} does for its subscribers, but without an RxJS
   * subscription.
   */
  attach(user: Observer<S>): void {
    this.shared.attach(user, () => this.open());
  }

  detach(user: Observer<S>): void {
    this.shared.detach(user);
  }

  /** Runs a user of the streams, and counts it while it runs. */
  track<T>(user: Observable<T>): Observable<T> {
    return defer(() => {
      this.retain();
      return user.pipe(finalize(() => this.release()));
    });
  }

  /** Counts a user that is not an Observable. For an Observable, {@link track} does the same. */
  retain(): void {
    this.users += 1;
    this.tracked = true;
  }

  release(): void {
    this.users -= 1;
    if (this.users > 0) return;
    this.failures = 0;
    this.setState({ status: 'idle' });
  }

  /**
   * Reports that a step before a stream failed, and is retried after a pause. The state does not change if there is a
   * connection.
   * @throws EtcdError `RetriesExhausted`
   */
  readonly reportRetry = (cause: EtcdError, retryInMs: number): void => {
    this.count(retryInMs);
    if (this.failures > this.maxRetries) throw this.exhausted(cause);
    if (this.current.value.status !== 'connected') this.setState(reconnecting(cause, retryInMs));
  };

  close(): void {
    this.setState({ status: 'closed' });
    this.shared.close();
  }

  private open(): Observable<S> {
    const waitMs = this.retryAt - monotonicNow();
    if (this.current.value.status === 'idle') this.setState({ status: 'connecting' });
    let used: Channel | undefined;
    const made = defer(() => {
      this.timeout.start();
      this.opening.start();
      // The requests before the stream (for the version or a token) may use a connection that is dead but was not
      // closed. So these requests have a timeout as well.
      return this.inTime(this.findChannel(), this.opening.ms).pipe(
        switchMap((found) => {
          used = found;
          return this.inTime(this.streamOver(found), this.opening.ms * OPENING_PART);
        }),
        tap(() => this.opening.reset()),
      );
    });
    return (waitMs > 0 ? timer(waitMs).pipe(switchMap(() => made)) : made).pipe(
      catchError((error: unknown) => throwError(() => (isEtcdError(error) ? this.onStreamLost(error, used) : error))),
    );
  }

  private inTime<T>(step: Observable<T>, ms: number): Observable<T> {
    const tooLate = (): Observable<never> => {
      this.opening.onTimeout();
      return throwError(() => new EtcdError('Unreachable', `no response within ${ms} ms`));
    };
    return step.pipe(timeout({ first: ms, with: tooLate }));
  }

  private streamOver(channel: C): Observable<S> {
    const connected = { status: 'connected', endpoint: channel.endpoint, transport: channel.transport } as const;
    const onResponse = (): void => {
      this.backoff.reset();
      this.refusals = undefined;
      this.failures = 0;
      channel.responded();
      this.setState(connected);
    };
    return this.openStream(channel, {
      connected,
      timeoutMs: () => this.timeout.ms,
      onTimeout: () => this.timeout.onTimeout(),
      onNotification: () => {
        this.garbled = undefined;
        this.timeout.reset();
      },
      onResponse,
      onLost: (error) => this.onStreamLost(error, channel),
      onHarmlessEnd: (error) => this.onStreamLost(error, undefined),
    });
  }

  private onStreamLost(error: EtcdError, channel: Channel | undefined): StreamLostError {
    const hopeless = channel?.failed(error) === false || !isStreamRetryable(error);
    const now = monotonicNow();
    // Many watches with their own connections may be lost at the same time. Such simultaneous losses count as one
    // failure.
    if (now >= this.retryAt) {
      this.failedUntil = -Infinity;
      this.retryAt = now + this.backoff.next();
      // Only consecutive refusals show that the cause is permanent. Shortly after an outage, a server may reject even a
      // valid token.
      if (isTransient(error)) this.refusals = undefined;
      else (this.refusals ??= new ConsecutiveFailures()).add(error);
      // The server may send a malformed message after the response to every create request. So a response does not
      // reset this counter.
      if (error.reason === 'MalformedResponse') (this.garbled ??= new ConsecutiveFailures()).add(error);
    }
    const again = !hopeless && (isTransient(error) || !(this.refusals?.exceeded === true || this.garbled?.exceeded === true));
    this.count(this.retryAt - now);
    if (again && this.failures > this.maxRetries) return new StreamLostError(this.exhausted(error));
    if (!again) return new StreamLostError(error);
    const state = reconnecting(error, this.retryAt - now);
    this.setState(state);
    return new StreamLostError(error, state);
  }

  /** Counts a failure, unless another one was counted shortly before. */
  private count(pauseMs: number): void {
    const now = monotonicNow();
    if (now < this.failedUntil) return;
    this.failures += 1;
    this.failedUntil = now + pauseMs;
  }

  private exhausted(cause: EtcdError): EtcdError {
    const { rpc = 'Watch.Watch', endpoint } = cause;
    const problem = `the watches failed: ${this.failures} attempts in a row, more than streams.maxRetries; subscribe again`;
    return new EtcdError('RetriesExhausted', problem, { rpc, endpoint, cause });
  }

  private setState(state: ConnectionState): void {
    const { value } = this.current;
    // Without users the state stays `idle`, even if a stream is kept open for the next user.
    if (this.users === 0 && this.tracked && (state.status === 'connected' || state.status === 'reconnecting')) return;
    if (value !== state && value.status !== 'closed' && !isSameState(value, state)) this.current.next(state);
  }
}

/**
 * The stream that all current users share. It is kept open for a time after the last user has unsubscribed, unless it
 * is still being opened.
 */
class SharedStream<S extends object> extends RefCounted<S> {
  protected readonly options;
  private closed = false;

  constructor(lingerMs: number | undefined) {
    super();
    const linger = lingerMs === undefined ? undefined : new SharedTimeout(lingerMs);
    this.options = { linger, replay: { keep: identity<S>, toFirst: identity<S> } };
  }

  /** Ends the stream as soon as it has no user. */
  close(): void {
    this.closed = true;
    this.endUnused();
  }

  protected override get linger(): SharedTimeout | undefined {
    return this.closed || this.kept === undefined ? undefined : super.linger;
  }
}

/** The maximum number of doublings. The longest timeout is 32 times the usual one. */
const MAX_DOUBLINGS = 5;

/**
 * Adapts the timeout of responses to the server. A server sends nothing while it reads a long history for a watch, and
 * begins again on each stream. With a fixed timeout, the server might never finish. So each stream that was given up as
 * unresponsive doubles the timeout, until a stream delivers a notification of a watch. The timeout for opening a stream
 * is restored when a stream opens.
 */
export class AdaptiveTimeout {
  private doublings = 0;
  private exhausted = false;

  constructor(private readonly usualMs: number) {}

  get ms(): number {
    return this.usualMs * 2 ** this.doublings;
  }

  /** Called when another stream is about to be opened. */
  start(): void {
    this.exhausted = false;
  }

  /**
   * Doubles the timeout, as a stream was unresponsive. Streams that are given up at the same time count as one failure.
   */
  onTimeout(): void {
    if (!this.exhausted) this.doublings = Math.min(MAX_DOUBLINGS, this.doublings + 1);
    this.exhausted = true;
  }

  /** Restores the usual timeout, as the server has responded in time. */
  reset(): void {
    this.doublings = 0;
  }
}

/**
 * The message for a stream that was opened and delivered no data. A proxy may hold back the beginning of a request or a
 * response until the proxy has received all of it.
 */
export const NO_DATA = 'no data since the stream was opened; is a proxy buffering?';

/**
 * The error of a watch whose stream broke, or could not be opened. Only the stream and its watches use this error. A
 * user of the client never receives it.
 */
export class StreamLostError extends Error {
  constructor(
    readonly error: EtcdError,
    /** The state until the next stream; undefined if no other stream can succeed. */
    readonly state?: Reconnecting,
  ) {
    super('the stream was lost', { cause: error });
  }

  /** Whether another stream may succeed. */
  get again(): boolean {
    return this.state !== undefined;
  }
}
