import { EMPTY, Observable, type Observer, of, retry, type Subscriber, Subscription, switchMap, timer } from 'rxjs';
import { refreshRpc } from '../../codec/lease.js';
import type { LeaseService } from '../../services/lease.js';
import { LeaseActivity } from '../../transport/endpoints/activity.js';
import type { Caller, Channel, ChannelOf } from '../../transport/call.js';
import type { StreamTimeouts } from '../../watch/retryable.js';
import { type StreamCallbacks, StreamLostError, StreamManager } from '../../watch/streams/streamManager.js';
import { type TimerEntry, TimerQueue } from './refreshScheduler.js';
import { type LeaseId, leaseName } from '../../model/ids.js';
import { elapsedSince, now, type Timestamp } from '../../util/time.js';
import type { ResponseOf, RequestOf } from '../../codec/descriptors.js';
import { type ErrorDetails, EtcdError } from '../../errors/index.js';
import type { DuplexEvent } from '../../transport/wire.js';

/**
 * The result of a grant or keepalive. The lease is valid for `ttl` seconds from the time at which the request was sent.
 */
export interface KeepAliveResult {
  readonly ttl: number;
  readonly sentAt: Timestamp;
}

/** A lease that requests a keepalive, and receives its result. */
export interface KeepAliveRequest {
  readonly id: LeaseId;
  /**
   * The timeout of the response, in milliseconds. If no response arrives in this time, the keepalive fails, and its
   * stream is closed.
   */
  readonly timeoutMs: number;
  refreshed(result: KeepAliveResult): void;
  /** Called with the error of the keepalive: `LeaseNotFound` if the lease does not exist. */
  onFailed(error: unknown): void;
}

/**
 * A client that sends keepalives. It uses callbacks instead of Observables to save CPU time, as a thousand leases can
 * cause several hundred keepalives a second.
 */
export interface KeepAliveClient {
  /** Sends the keepalive of a lease, and reports its result once. */
  send(request: KeepAliveRequest): void;
  /** Cancels a pending keepalive, so that its result is ignored. */
  cancel(request: KeepAliveRequest): void;
}

/** The settings and functions for a stream of keepalives. */
export interface KeepAliveStreamContext {
  readonly timers: TimerQueue;
  /** The maximum timeout of a response, even if the TTL of the lease would allow more time. */
  readonly responseTimeoutMs: number;
  /** Called with each response of the server. */
  readonly onResponse: () => void;
  /**
   * Called before a result is reported. Returns false if the result must not be reported, because the keepalive is no
   * longer pending.
   */
  readonly settle: (request: KeepAliveRequest) => boolean;
}

type RefreshRequest = RequestOf<typeof refreshRpc>;
type Refreshed = ResponseOf<typeof refreshRpc>;

/** Opens a stream for the keepalives of all leases. Emits the stream when it is open, and errors when it is lost. */
export function duplexKeepAlives(
  events: Observable<DuplexEvent<RefreshRequest, Refreshed>>,
  { endpoint }: Channel,
  context: KeepAliveStreamContext,
): Observable<KeepAliveClient> {
  return new Observable((subscriber) => {
    const where = { rpc: refreshRpc.name, endpoint };
    let stream: DuplexKeepAlives | undefined;
    subscriber.add(() => stream?.close());
    subscriber.add(
      events.subscribe({
        next: (event) => {
          if (event.type === 'message') return stream?.receive(event.message);
          if (event.type === 'partial') return;
          stream = new DuplexKeepAlives(event.send, where, context, subscriber);
          subscriber.next(stream);
        },
        error: (error: unknown) => subscriber.error(error),
      }),
    );
  });
}

interface Pending {
  readonly request: KeepAliveRequest;
  readonly sentAt: Timestamp;
}

class DuplexKeepAlives implements KeepAliveClient {
  /** The pending requests by lease. For each lease, responses arrive in the order of the requests. */
  private readonly pending = new Map<LeaseId, Pending[]>();
  private readonly timeout: ResponseTimeout;

  constructor(
    private readonly write: (request: RefreshRequest) => void,
    private readonly where: ErrorDetails,
    private readonly context: KeepAliveStreamContext,
    private readonly subscriber: Subscriber<KeepAliveClient>,
  ) {
    this.timeout = new ResponseTimeout(context.timers);
  }

  send(request: KeepAliveRequest): void {
    const { id, timeoutMs } = request;
    const one = { request, sentAt: now() };
    const others = this.pending.get(id);
    if (others === undefined) this.pending.set(id, [one]);
    else others.push(one);
    this.timeout.requestSent(Math.min(timeoutMs, this.context.responseTimeoutMs), this.onTimeout);
    this.write({ id });
  }

  /**
   * Does nothing, as the response to the request still arrives. If the request were removed from the queue, its
   * response would be matched with a later request.
   */
  cancel(): void {}

  close(): void {
    this.timeout.cancel();
  }

  receive({ id, ttl }: Refreshed): void {
    const { context, pending, where } = this;
    context.onResponse();
    const requests = pending.get(id);
    const first = requests?.shift();
    if (first === undefined) return;
    this.timeout.responseReceived();
    if (requests?.length === 0) pending.delete(id);
    const { request, sentAt } = first;
    if (!context.settle(request)) return;
    if (ttl > 0) request.refreshed({ ttl, sentAt });
    else request.onFailed(new EtcdError('LeaseNotFound', `${leaseName(id)} no longer exists`, where));
  }

  /**
   * Ends the stream of all leases with `ConnectionLost`. A server normally responds at once, so the connection is
   * considered lost.
   */
  private readonly onTimeout = (ms: number): void =>
    this.subscriber.error(new EtcdError('ConnectionLost', `no response to a keepalive within ${Math.round(ms)} ms`, this.where));
}

/** Refreshes each lease with a separate call, for a transport without bidirectional streams. */
export function unaryKeepAlives(
  service: LeaseService,
  { responseTimeoutMs, onResponse, settle }: KeepAliveStreamContext,
): Observable<KeepAliveClient> {
  const calls = new Map<KeepAliveRequest, Subscription>();
  const cancel = (request: KeepAliveRequest): void => {
    calls.get(request)?.unsubscribe();
    calls.delete(request);
  };
  const send = (request: KeepAliveRequest): void => {
    const sentAt = now();
    const call = new Subscription();
    calls.set(request, call);
    call.add(
      service.keepAliveOnce(request.id, { timeoutMs: Math.min(request.timeoutMs, responseTimeoutMs) }).subscribe({
        next: ({ ttl }) => {
          calls.delete(request);
          onResponse();
          if (settle(request)) request.refreshed({ ttl, sentAt });
        },
        error: (error: unknown) => {
          calls.delete(request);
          if (settle(request)) request.onFailed(error);
        },
      }),
    );
  };
  return of({ send, cancel });
}

/**
 * The timeout of a stream with pending requests. It passes only if no response at all arrives, so a slow stream is not
 * affected. All requests share one timer, and a response only records its time. With thousands of responses, a timer
 * for each would cost more than the rest of the work for the responses.
 */
class ResponseTimeout {
  private pending = 0;
  /** The shortest timeout of all requests that were sent since the last moment without pending requests. */
  private timeoutMs = Infinity;
  /** The time from which the timeout counts: the time of the last response, or of the request that set the timeout. */
  private waitingSince = now();
  private timer: TimerEntry | undefined;
  private onTimeout: (ms: number) => void = () => undefined;

  constructor(private readonly timers: TimerQueue) {}

  /** Records a request. A response to this request or to any other pending request must arrive within the timeout. */
  requestSent(timeoutMs: number, onTimeout: (ms: number) => void): void {
    this.pending += 1;
    this.onTimeout = onTimeout;
    if (timeoutMs >= this.timeoutMs) return;
    this.timeoutMs = timeoutMs;
    this.waitingSince = now();
    this.setTimer(timeoutMs);
  }

  responseReceived(): void {
    this.pending -= 1;
    this.waitingSince = now();
    if (this.pending === 0) this.cancel();
  }

  /** Stops the timer, as no response is expected any more. */
  cancel(): void {
    this.timer?.cancel();
    this.pending = 0;
    this.timeoutMs = Infinity;
  }

  private setTimer(ms: number): void {
    this.timer?.cancel();
    this.timer = this.timers.in(ms, () => {
      const leftMs = this.timeoutMs - elapsedSince(this.waitingSince);
      if (leftMs > 0) this.setTimer(leftMs);
      else this.onTimeout(this.timeoutMs);
    });
  }
}

/**
 * The maximum timeout and backoff of a keepalive stream, in milliseconds. As a TTL may be only two seconds, this stream
 * must recover sooner than a watch stream.
 */
const MAX_TIMES = { responseTimeoutMs: 1_000, maxBackoffMs: 500 };

/**
 * The time for which leases are held before a stream is opened for them, in milliseconds. A lock that is released
 * earlier needs no stream. The stream is still opened in time: with the shortest TTL of one second, the first keepalive
 * is due after 300 ms.
 */
const KEEP_AFTER_MS = 50;

/** The sender of all keepalives of a client. It uses one stream if the transport supports bidirectional streams. */
export class KeepAlives implements KeepAliveClient, Observer<KeepAliveClient> {
  private readonly connections: StreamManager<KeepAliveClient, ChannelOf<typeof refreshRpc>>;
  private readonly timers = new TimerQueue();
  /** The leases whose keepalives are pending. While this set is not empty, a stream is in use. */
  private readonly pending = new Set<KeepAliveRequest>();
  private stream: KeepAliveClient | undefined;
  /** An Observable that keeps a stream open while it is subscribed to. If the stream is lost, another one is opened. */
  private readonly kept: Observable<unknown>;
  /** The number of leases that are held. It is a counter, as a subscription for each lease would take 1 KB. */
  private holders = 0;
  /** The subscription to {@link kept} for all held leases. */
  private keeping = Subscription.EMPTY;

  constructor(
    caller: Caller,
    private readonly service: LeaseService,
    private readonly settings: StreamTimeouts,
    private readonly leases = new LeaseActivity(),
  ) {
    this.connections = new StreamManager(
      () => caller.channel(refreshRpc),
      {
        initialBackoffMs: Math.min(settings.initialBackoffMs, MAX_TIMES.maxBackoffMs),
        maxBackoffMs: Math.min(settings.maxBackoffMs, MAX_TIMES.maxBackoffMs),
        responseTimeoutMs: Math.min(settings.responseTimeoutMs, MAX_TIMES.responseTimeoutMs),
        ...(settings.jitter === undefined ? {} : { jitter: settings.jitter }),
      },
      (channel, callbacks) => this.open(channel, callbacks),
    );
    const stream = this.connections.stream().pipe(
      retry({
        delay: (failure: unknown) => {
          if (!(failure instanceof StreamLostError)) return EMPTY;
          // Held leases always need a stream, so another one is opened. If this attempt is unlikely to succeed, it is
          // made after a longer pause.
          return failure.again ? of(undefined) : timer(settings.maxBackoffMs);
        },
      }),
    );
    this.kept = timer(KEEP_AFTER_MS).pipe(switchMap(() => stream));
  }

  /**
   * Sends a keepalive on the current stream. If the stream is lost, the keepalive fails, and the next attempt uses
   * another stream.
   */
  send(request: KeepAliveRequest): void {
    this.pending.add(request);
    if (this.pending.size === 1) this.connections.attach(this);
    else this.stream?.send(request);
  }

  cancel(request: KeepAliveRequest): void {
    const { stream } = this;
    if (this.settle(request)) stream?.cancel(request);
  }

  /**
   * Keeps a stream open for one more lease, until {@link release} is called. Without this call, the stream would be
   * closed between two keepalives. If the transport has no bidirectional streams, the lease is only counted.
   */
  retain(): void {
    this.leases.begin();
    this.holders += 1;
    if (this.keeping.closed) this.keeping = this.kept.subscribe();
  }

  release(): void {
    this.leases.end();
    this.holders -= 1;
    if (this.holders === 0) this.keeping.unsubscribe();
  }

  /** Sends the waiting keepalives on a new stream. */
  next(stream: KeepAliveClient): void {
    this.stream = stream;
    for (const request of [...this.pending]) stream.send(request);
  }

  /** Reports to the waiting leases that their keepalives failed, as the stream was lost or could not be opened. */
  error(failure: unknown): void {
    const requests = [...this.pending];
    this.pending.clear();
    this.stream = undefined;
    for (const request of requests) request.onFailed(failure instanceof StreamLostError ? failure.error : failure);
  }

  /** Does nothing: a stream ends only with an error. */
  complete(): void {}

  private open(channel: ChannelOf<typeof refreshRpc>, callbacks: StreamCallbacks): Observable<KeepAliveClient> {
    let responded = false;
    const context = {
      timers: this.timers,
      responseTimeoutMs: this.settings.responseTimeoutMs,
      onResponse: () => {
        // The first response shows that the stream works. Later responses show nothing new.
        if (responded) return;
        responded = true;
        callbacks.onResponse();
        callbacks.onNotification();
      },
      settle: (request: KeepAliveRequest) => this.settle(request),
    };
    return channel.duplex === undefined ? unaryKeepAlives(this.service, context) : duplexKeepAlives(channel.duplex(), channel, context);
  }

  /**
   * Removes a lease from the pending ones, as its response has arrived or is no longer needed.
   *
   * @returns false if the lease was removed before
   */
  private settle(request: KeepAliveRequest): boolean {
    if (!this.pending.delete(request)) return false;
    if (this.pending.size === 0) {
      this.stream = undefined;
      this.connections.detach(this);
    }
    return true;
  }
}
