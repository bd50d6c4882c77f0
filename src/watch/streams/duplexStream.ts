import { EMPTY, filter, Observable, Subscription, switchMap, tap, timer } from 'rxjs';
import type { Caller, Channel, ChannelOf } from '../../transport/call.js';
import { isAtLeast } from '../../transport/endpoints/version.js';
import { watchRpcs } from '../../codec/watch.js';
import type { ChunkedStream } from './chunkedStream.js';
import { LongMessageDetector, mayLackDeletes, refusalOfProgress, type Received, type WatchStream } from '../messages.js';
import type { StreamTimeouts } from '../retryable.js';
import { NO_DATA, StreamManager, type StreamCallbacks } from './streamManager.js';
import { EtcdError, hasReason } from '../../errors/index.js';
import { IN_USE_CHECK_MS } from '../../transport/endpoints/activity.js';
import { forceServerWrite, MultiplexedStream } from './multiplexedStream.js';
import { multicast, type Multicast } from '../../util/rx.js';
import { scheduleTimeout, monotonicNow } from '../../util/time.js';

/** Settings and functions for the heartbeat of a stream. */
export interface HeartbeatSettings {
  /** Returns the current interval, which is the time without a message after which a heartbeat is sent. */
  readonly intervalMs: () => number;
  /** Returns the longest time for the response to a heartbeat or a create request. */
  readonly timeoutMs: () => number;
  /** Sends a heartbeat. Returns false if the stream has no watch, as the server would then not respond. */
  readonly sendHeartbeat: () => boolean;
  /** Called when no response arrived in time. */
  readonly onLost: (what: string) => void;
}

/**
 * The longest time for the response to a create request, as a multiple of the usual timeout. While other messages
 * arrive, the response may be queued behind many of them. But a server may also ignore new watches, and continue to
 * send events of the old ones.
 */
const MAX_CREATE_TIMEOUTS = 12;

/**
 * The part of the interval by which a heartbeat may be sent early. This lets all streams of a process send in the same
 * turn. It costs several times more to wake the process and the server than to send a heartbeat.
 */
const SLACK = 0.1;

/** The time after a message, in milliseconds, during which a failure elsewhere does not trigger a heartbeat. */
const RECENT_MESSAGE_MS = 200;

/**
 * Detects a dead stream that was not closed. A healthy stream also carries no messages while no key is written. So a
 * heartbeat is sent from time to time, and any message counts as its response. A message sets no timer: only its time
 * is recorded.
 */
export class Heartbeat {
  private lastMessageAt = monotonicNow();
  private heartbeatSentAt = -Infinity;
  /** The timeout that applies to the last heartbeat. */
  private dueWithinMs = 0;
  /** The time at which a heartbeat was last due and could not be sent. */
  private skippedAt = -Infinity;
  private timer: Subscription | undefined;
  /** The timer for the response to a create request; undefined if none is pending. */
  private createTimer: Subscription | undefined;
  /** The time at which the last create request was sent. */
  private createSentAt = -Infinity;

  constructor(private readonly settings: HeartbeatSettings) {
    this.scheduleCheck();
  }

  /** Records that a message arrived. */
  hear(): void {
    this.lastMessageAt = monotonicNow();
  }

  /** Starts to wait for the response to a create request if `response` is true, and stops waiting if it is false. */
  expect(response: boolean): void {
    if (response) {
      this.createSentAt = monotonicNow();
      // A timer that is set already is kept. When it fires, the time of the newest request decides how much longer to
      // wait.
      if (this.createTimer === undefined) this.awaitCreate();
      return;
    }
    this.createTimer?.unsubscribe();
    this.createTimer = undefined;
  }

  /** Sends a heartbeat at once, as another request to the same endpoint has failed or is late. */
  suspect(): void {
    if (monotonicNow() - this.lastMessageAt < RECENT_MESSAGE_MS || this.isAwaitingResponse) return;
    this.sendHeartbeat();
    this.scheduleCheck();
  }

  /** Sets the timer again, as the interval is shorter now. */
  hurry(): void {
    this.scheduleCheck();
  }

  stop(): void {
    this.timer?.unsubscribe();
    this.createTimer?.unsubscribe();
  }

  private get isAwaitingResponse(): boolean {
    return this.lastMessageAt < this.heartbeatSentAt;
  }

  private awaitCreate(): void {
    const sentAt = this.createSentAt;
    const timeoutMs = this.settings.timeoutMs();
    const dueAt = Math.min(Math.max(this.lastMessageAt, sentAt) + timeoutMs, sentAt + MAX_CREATE_TIMEOUTS * timeoutMs);
    const restMs = dueAt - monotonicNow();
    if (restMs > 0) this.createTimer = scheduleTimeout(restMs, () => this.awaitCreate());
    else this.settings.onLost(`no response to a create request within ${timeoutMs} ms`);
  }

  private check(): void {
    if (this.dueAt() <= monotonicNow()) {
      if (this.isAwaitingResponse) return this.settings.onLost(`no response to a heartbeat within ${this.dueWithinMs} ms`);
      this.sendHeartbeat();
    }
    this.scheduleCheck();
  }

  private dueAt(): number {
    if (this.isAwaitingResponse) return this.heartbeatSentAt + this.dueWithinMs;
    const intervalMs = this.settings.intervalMs();
    const slackMs = intervalMs * SLACK;
    return Math.floor((Math.max(this.lastMessageAt, this.skippedAt) + intervalMs) / slackMs) * slackMs;
  }

  private scheduleCheck(): void {
    this.timer?.unsubscribe();
    const restMs = Math.max(0, Math.ceil(this.dueAt() - monotonicNow()));
    // A response does not reset the timer, so the timer is set to one interval at most.
    this.timer = scheduleTimeout(this.isAwaitingResponse ? Math.min(restMs, this.settings.intervalMs()) : restMs, () => this.check());
  }

  private sendHeartbeat(): void {
    const now = monotonicNow();
    // No heartbeat is sent while a create request is pending. A busy server handles requests one by one, and the
    // client's other requests would wait behind the heartbeat.
    if (this.createTimer === undefined && this.settings.sendHeartbeat()) {
      this.heartbeatSentAt = now;
      this.dueWithinMs = this.settings.timeoutMs();
    } else {
      this.skippedAt = now;
    }
  }
}

type WatchChannel = ChannelOf<typeof watchRpcs.watch>;

/**
 * Opens a stream of many watches over a bidirectional transport. Emits the stream when it is open, and errors when it
 * breaks.
 */
export function duplexStream(
  open: NonNullable<WatchChannel['duplex']>,
  channel: Channel,
  { heartbeatMs, lingerMs = 0 }: StreamTimeouts,
  callbacks: StreamCallbacks,
  { longMessages, closeDetection }: { readonly longMessages: LongMessageDetector; readonly closeDetection: CloseDetection },
): Observable<WatchStream> {
  const { endpoint, version, outdated, activity } = channel;
  return new Observable((subscriber) => {
    const where = { rpc: watchRpcs.watch.name, endpoint };
    let stream: MultiplexedStream | undefined;
    let received: Received = 'nothing';
    const fail = (error: unknown): void => {
      const splits = hasReason(error, 'ResponseTooLarge') && stream?.maySplit === true;
      subscriber.error(splits ? callbacks.onHarmlessEnd(error) : error);
    };
    let heard = false;
    const heartbeat = new Heartbeat({
      intervalMs: () => (activity.inUse() ? Math.min(heartbeatMs, IN_USE_CHECK_MS) : heartbeatMs),
      timeoutMs: callbacks.timeoutMs,
      sendHeartbeat: () => {
        if (stream?.watched !== true) return false;
        stream.requestMessage();
        return true;
      },
      onLost: (what) => {
        callbacks.onTimeout();
        subscriber.error(new EtcdError('ConnectionLost', heard ? what : `${NO_DATA} (${what})`, where));
      },
    });
    subscriber.add(() => heartbeat.stop());
    let probing = Subscription.EMPTY;
    const onUnwatched = (): void => {
      probing.unsubscribe();
      // The watches of a lost stream unsubscribe after the stream has ended.
      if (subscriber.closed) return;
      // The request is delayed, as it may be unnecessary. A client that often starts and stops watches may have another
      // watch by then. A client that is being closed needs no request.
      probing = closeDetection.probeAfter(lingerMs / 2, channel).subscribe();
    };
    // This teardown runs before the connection is closed.
    subscriber.add(() => {
      probing.unsubscribe();
      if (closeDetection.isMissing(channel)) stream?.forceServerWrite();
    });
    subscriber.add(
      activity.changes.subscribe({
        next: (change) => (change === 'suspected' ? heartbeat.suspect() : heartbeat.hurry()),
        error: (error: unknown) => subscriber.error(error),
      }),
    );
    subscriber.add(
      open((send) => {
        if (closeDetection.isMissing(channel)) forceServerWrite(send);
      }).subscribe({
        next: (event) => {
          if (event.type === 'open') {
            stream = new MultiplexedStream({
              where,
              connected: callbacks.connected,
              fragments: version === undefined || isAtLeast(version, '3.4'),
              takesIds: version === undefined || isAtLeast(version, '3.4'),
              unorderedProgress: refusalOfProgress(version, where),
              lacksDeletes: mayLackDeletes(version),
              send: event.send,
              expect: (response) => heartbeat.expect(response),
              onUnwatched,
              mayCreate: () => {
                const refused = outdated?.() === true;
                if (refused) subscriber.error(new EtcdError('InvalidAuthToken', 'the token of the stream was replaced', where));
                return !refused;
              },
            });
            subscriber.next(stream);
            return;
          }
          heard = true;
          heartbeat.hear();
          if (event.type === 'partial') return;
          try {
            const message = stream?.receive(event.message);
            // The call follows `receive`, which throws if the token is rejected. If `onResponse` were called first, a
            // server that rejects every token would be retried forever.
            callbacks.onResponse();
            if (message === 'notification') callbacks.onNotification();
            if (received !== 'notifications') received = message === 'created' ? 'responses' : 'notifications';
          } catch (error) {
            fail(error);
          }
        },
        error: (error: unknown) => fail(longMessages.errorOf(error, received, channel)),
      }),
    );
  });
}

/** The manager of the streams that carry the watches of a client. */
export type WatchStreams = StreamManager<WatchStream, WatchChannel>;

/**
 * Creates the manager of a client's watch streams. Without a bidirectional transport, each watch is a separate call.
 */
export function createWatchStreams(
  caller: Caller,
  timeouts: StreamTimeouts & { readonly maxRetries?: number },
  chunkedStream: ChunkedStream,
): WatchStreams {
  const shared = { longMessages: new LongMessageDetector(), closeDetection: new CloseDetection() };
  const progressRequests: Multicast<void> = multicast();
  return new StreamManager(
    () => caller.channel(watchRpcs.watch),
    timeouts,
    (channel, callbacks) =>
      channel.duplex === undefined
        ? chunkedStream(caller, channel, timeouts, callbacks, progressRequests)
        : duplexStream(channel.duplex, channel, timeouts, callbacks, shared),
    timeouts.maxRetries,
  );
}

/**
 * Decides which servers detect by themselves that a WebSocket was closed. Debian's etcd 3.5 has a gateway of the second
 * generation, which keeps the watches of a closed WebSocket. The 3.5 of the etcd project has a gateway of the first
 * generation, which detects that a WebSocket was closed. The versions before 3.5 and from 3.6 on detect it as well.
 */
export class CloseDetection {
  /** The servers that are known to have a gateway of the first generation. */
  private readonly detecting = new Set<string>();

  /** Returns whether the server may keep the watches of a closed stream until it writes to that stream. */
  isMissing(channel: Channel): boolean {
    const { transport, version } = channel;
    if (transport !== 'websocket' || this.detecting.has(nameOf(channel))) return false;
    return version === undefined || (isAtLeast(version, '3.5') && !isAtLeast(version, '3.6'));
  }

  /**
   * Requests the generation of a server's gateway after `ms` milliseconds, if the generation matters and is unknown.
   * Emits nothing.
   */
  probeAfter(ms: number, channel: Channel): Observable<unknown> {
    const { gateway } = channel;
    if (gateway === undefined || !this.isMissing(channel)) return EMPTY;
    return timer(ms).pipe(
      switchMap(() => gateway),
      tap((generation) => {
        if (generation === 1) this.detecting.add(nameOf(channel));
      }),
      filter(() => false),
    );
  }
}

const nameOf = ({ endpoint, version }: Channel): string => `${endpoint} ${version?.text ?? ''}`;
