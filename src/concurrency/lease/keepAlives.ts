import { EMPTY, type Observable, of, retry, Subscription, switchMap, timer, type Observer } from 'rxjs';
import { refreshRpc } from '../../codec/lease.js';
import type { LeaseService } from '../../services/lease.js';
import { LeaseActivity } from '../../transport/endpoints/activity.js';
import type { Caller, ChannelOf } from '../../transport/call.js';
import type { StreamTimeouts } from '../../watch/retryable.js';
import { StreamManager, StreamLostError, type StreamCallbacks } from '../../watch/streams/streamManager.js';
import { TimerQueue } from './refreshScheduler.js';
import { duplexKeepAlives, type KeepAliveClient, type KeepAliveRequest, unaryKeepAlives } from './keepAliveStream.js';

/**
 * Upper limits in milliseconds. A TTL may be two seconds, so the stream of keepalives must recover sooner than that of
 * watches.
 */
const MOST = { responseTimeoutMs: 1_000, maxBackoffMs: 500 };

/**
 * How long leases are held before a stream is opened for them, in milliseconds. A lock that is released before that
 * costs no stream. The first keepalive of the shortest TTL is due after 300 ms.
 */
const KEEP_AFTER_MS = 50;

/** Sends the keepalives of all leases of a client, on one stream if the transport supports that. */
export class KeepAlives implements KeepAliveClient, Observer<KeepAliveClient> {
  private readonly connections: StreamManager<KeepAliveClient, ChannelOf<typeof refreshRpc>>;
  private readonly timers = new TimerQueue();
  /** The leases that wait for a response. While there are any, a stream is requested. */
  private readonly pending = new Set<KeepAliveRequest>();
  private stream: KeepAliveClient | undefined;
  /** Replaces a stream that is lost, as long as it is subscribed to. */
  private readonly kept: Observable<unknown>;
  /** The number of leases that are held. They are counted, as a subscription of each would take 1 KB. */
  private holders = 0;
  /** The subscription to {@link kept} for all of them. */
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
        initialBackoffMs: Math.min(settings.initialBackoffMs, MOST.maxBackoffMs),
        maxBackoffMs: Math.min(settings.maxBackoffMs, MOST.maxBackoffMs),
        responseTimeoutMs: Math.min(settings.responseTimeoutMs, MOST.responseTimeoutMs),
      },
      (channel, callbacks) => this.open(channel, callbacks),
    );
    const stream = this.connections.stream().pipe(
      retry({
        delay: (failure: unknown) => {
          if (!(failure instanceof StreamLostError)) return EMPTY;
          // If another stream would not help, the keepalives still request one, and so does this, at long intervals.
          return failure.again ? of(undefined) : timer(settings.maxBackoffMs);
        },
      }),
    );
    this.kept = timer(KEEP_AFTER_MS).pipe(switchMap(() => stream));
  }

  /**
   * Sends a keepalive on the current stream. It fails when that stream is lost; the next attempt uses another one.
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
   * Keeps a stream open for one more lease, until {@link release} is called. Between two keepalives nothing else does.
   * Without bidirectional streams there is nothing to keep open, but the lease is still held.
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

  /** Fails the waiting keepalives, as the stream was lost or could not be opened. */
  error(failure: unknown): void {
    const requests = [...this.pending];
    this.pending.clear();
    this.stream = undefined;
    for (const request of requests) request.failed(failure instanceof StreamLostError ? failure.error : failure);
  }

  /** Does nothing: a stream ends only with an error. */
  complete(): void {}

  private open(channel: ChannelOf<typeof refreshRpc>, callbacks: StreamCallbacks): Observable<KeepAliveClient> {
    let responded = false;
    const context = {
      timers: this.timers,
      responseTimeoutMs: this.settings.responseTimeoutMs,
      onResponse: () => {
        // Only the first response shows that the stream works.
        if (responded) return;
        responded = true;
        callbacks.onResponse();
        callbacks.onNotification();
      },
      settle: (request: KeepAliveRequest) => this.settle(request),
    };
    return channel.duplex === undefined ? unaryKeepAlives(this.service, context) : duplexKeepAlives(channel.duplex, channel, context);
  }

  /**
   * Removes a lease that has its response, or that needs none any more.
   *
   * @returns false if it was removed before
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
