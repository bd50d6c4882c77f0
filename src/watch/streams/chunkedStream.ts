import {
  asyncScheduler,
  catchError,
  concat,
  defer,
  exhaustMap,
  filter,
  ignoreElements,
  map,
  merge,
  Observable,
  type Observer,
  of,
  share,
  type Subscriber,
  Subscription,
  tap,
  throwError,
} from 'rxjs';
import type { ResponseOf } from '../../codec/descriptors.js';
import { watchRpcs } from '../../codec/watch.js';
import { monotonicNow } from '../../util/time.js';
import { EtcdError, hasReason, isEtcdError, type ErrorDetails } from '../../errors/index.js';
import { checksDue, IN_USE_CHECK_MS } from '../../transport/endpoints/activity.js';
import type { Caller, Channel } from '../../transport/call.js';
import { multicast, type Multicast } from '../../util/rx.js';
import { retryAction } from '../../transport/retryPolicy.js';
import { isAtLeast } from '../../transport/endpoints/version.js';
import { toNotification } from '../cursor.js';
import type { StreamTimeouts } from '../retryable.js';
import {
  toCreated,
  createRequest,
  mayLackDeletes,
  refusalOfProgress,
  toWatchError,
  type WatchMessage,
  type WatchStream,
  type WatchTarget,
} from '../messages.js';
import { NO_DATA, type StreamCallbacks } from './streamManager.js';

type WatchResponse = ResponseOf<typeof watchRpcs.watch>;

/**
 * Returns the time without a message after which the connection of a watch is renewed, because it may be dead. With the
 * default heartbeat of 12 s this time is 72 s.
 */
const renewalMs = (heartbeatMs: number): number => Math.max(6 * heartbeatMs, Math.min(60 * heartbeatMs, 60_000));
/**
 * The factor by which a watch with progress notifications is renewed sooner. If the server accepts a progress request
 * together with the create request, a renewal triggers a progress notification.
 */
const RENEWALS_FOR_PROGRESS = 6;

/**
 * The longest time without data on a live connection. By default a server sends a progress notification after ten
 * minutes without events. The notification may be late by a tenth of that time.
 */
const MAX_QUIET_MS = 12 * 60_000;

/**
 * The pause between a create request and a progress request. A server responds to a progress request only when no watch
 * is behind. A new watch counts as behind until the server's next check, which takes place every 100 ms.
 */
const CAUGHT_UP_MS = 400;

/** The type of {@link chunkedStream}, which a browser loads on demand. */
export type ChunkedStream = typeof chunkedStream;

/**
 * Creates watches, each as a separate POST with a chunked response. This works everywhere, but needs one connection per
 * watch.
 *
 * @param progressRequests the user's requests for progress notifications, which concern all watches of the client
 */
export function chunkedStream(
  caller: Caller,
  channel: Channel,
  { heartbeatMs }: StreamTimeouts,
  callbacks: StreamCallbacks,
  progressRequests: Multicast<void> = multicast(),
): Observable<WatchStream> {
  const { endpoint, version, activity } = channel;
  const removed = channel.removed.pipe(
    catchError((error: unknown) => throwError(() => (isEtcdError(error) ? callbacks.onHarmlessEnd(error) : error))),
  );
  const rpc = watchRpcs.watch;
  const renewalRpc = { ...rpc, replaces: true } as const;
  const where = { rpc: rpc.name, endpoint };
  const fragments = version === undefined || isAtLeast(version, '3.4');
  const refusal = refusalOfProgress(version, where);
  const orderedProgress = refusal === undefined;
  const lacksDeletes = mayLackDeletes(version);
  // These streams carry no heartbeat. Instead, one separate request checks the endpoint for all watches.
  const inUseMs = Math.min(heartbeatMs, IN_USE_CHECK_MS);
  const checks = checksDue(activity, { idleMs: heartbeatMs, inUseMs }).pipe(
    exhaustMap(() => caller.get('/version', { endpoint, timeoutMs: callbacks.timeoutMs() })),
    ignoreElements(),
    share({ connector: () => multicast<never>() }),
  );

  /**
   * Opens a watch. The server sends no response until the request body has ended, and a body with a progress request
   * ends later. So only a renewal contains a progress request: the watch continues on the old connection until the new
   * one replaces it.
   */
  const post = (target: WatchTarget, fromRevision: number, fragment: boolean, isRenewal: boolean): Observable<WatchResponse> => {
    const withProgress = isRenewal && orderedProgress;
    const options = { endpoint, timeoutMs: callbacks.timeoutMs() + (withProgress ? CAUGHT_UP_MS : 0) };
    const later = withProgress ? { request: { progressRequest: {} }, afterMs: CAUGHT_UP_MS } : undefined;
    return concat(
      caller.stream(isRenewal ? renewalRpc : rpc, createRequest(target, fromRevision, { fragment: fragment && fragments }), options, later),
      throwError(() => new EtcdError('ConnectionLost', 'the server ended the stream', where)),
    );
  };

  const renewalOf = (target: WatchTarget): { readonly renewAfterMs: number; readonly maxQuietMs: number } => {
    const wanted = target.filter.progressNotify === true;
    const maxQuietMs = Math.max(MAX_QUIET_MS, renewalMs(heartbeatMs));
    // On these versions a renewal does not trigger a progress notification. The server sends the next one without a
    // request.
    if (wanted && !orderedProgress) return { renewAfterMs: maxQuietMs, maxQuietMs };
    return { renewAfterMs: renewalMs(heartbeatMs) / (wanted ? RENEWALS_FOR_PROGRESS : 1), maxQuietMs };
  };

  const responses = (target: WatchTarget, startRevision: number, fragment: boolean): Observable<WatchResponse> => {
    const notified = { ...target, filter: { ...target.filter, progressNotify: true } };
    return renewedWatch(startRevision, {
      ...renewalOf(target),
      // The first connection may be dead. So a renewal starts one revision earlier if the server may omit the deletes
      // of a compacted revision. If a revision arrives twice, the watch drops the second one.
      open: (fromRevision, isRenewal) =>
        post(notified, isRenewal && lacksDeletes ? Math.max(1, fromRevision - 1) : fromRevision, fragment, isRenewal),
      onRefused: (response) => {
        const refusal = toWatchError(response, where);
        // The next stream then uses another token.
        if (isForToken(refusal)) channel.failed(refusal);
      },
      ...(orderedProgress ? { renewals: progressRequests } : {}),
      tooQuiet: (ms) => new EtcdError('ConnectionLost', `no data received for ${Math.round(ms / 1000)} s, reconnecting`, where),
    });
  };

  return of({
    requestProgress: (): void => {
      if (refusal !== undefined) throw refusal;
      progressRequests.next();
    },
    watch: (target, startRevision, fragment = false): Observable<WatchMessage> =>
      defer(() => {
        let requested = false;
        const requests = progressRequests.pipe(
          filter(() => orderedProgress),
          tap(() => (requested = true)),
          ignoreElements(),
        );
        return merge(removed, requests, responses(target, startRevision, fragment), checks).pipe(
          catchError((error: unknown) => {
            if (fragments && !fragment && hasReason(error, 'ResponseTooLarge')) return throwError(() => callbacks.onHarmlessEnd(error));
            return throwError(() => (isEtcdError(error) ? callbacks.onLost(asLost(error, where, callbacks)) : error));
          }),
          map((response) => {
            const refused = response.canceled ? toWatchError(response, where) : undefined;
            // Another token needs another stream. A rejected token does not count as a response. If it did, a server
            // that rejects every token would be retried forever.
            if (refused !== undefined && isForToken(refused)) throw callbacks.onLost(refused);
            callbacks.onResponse();
            if (refused !== undefined) throw refused;
            if (response.created) return toCreated(response, { lacksDeletes, connected: callbacks.connected });
            callbacks.onNotification();
            const message = toNotification(response, requested);
            if (message.progress !== undefined) requested = false;
            return message;
          }),
        );
      }),
  });
}

const isForToken = (refusal: EtcdError): boolean => retryAction(refusal, 'read', true) === 'reauthenticate';

/** Converts a timeout to `ConnectionLost`, and returns other errors as they are. */
function asLost(error: EtcdError, where: ErrorDetails, callbacks: StreamCallbacks): EtcdError {
  if (error.reason !== 'DeadlineExceeded') return error;
  callbacks.onTimeout();
  // Only the error of the watch contains this advice. The responses to other requests are short, so that no proxy holds
  // them back.
  const message = error.rpc === watchRpcs.watch.name ? `${NO_DATA} (${error.message})` : error.message;
  return new EtcdError('ConnectionLost', message, { ...where, cause: error });
}

/**
 * The time without a refusal after which a new connection replaces the old one, in milliseconds. A server creates a
 * watch first, and checks only later whether its history is compacted. It checks the watches that are behind every 100
 * ms.
 */
const REFUSED_WITHIN_MS = 5_000;

/** The settings and functions for the renewal of a watch that receives nothing. */
export interface Renewal {
  /** Opens a connection for the watch from a revision on. */
  readonly open: (fromRevision: number, isRenewal: boolean) => Observable<WatchResponse>;
  /** The time without a response after which another connection is opened. */
  readonly renewAfterMs: number;
  /** The longest time without a response. */
  readonly maxQuietMs: number;
  /** Emits when another connection with a progress notification is requested at once. */
  readonly renewals?: Observable<void>;
  /** Called when the server rejected the watch on another connection. */
  readonly onRefused: (response: WatchResponse) => void;
  /** Returns the error of a watch that received nothing for too long. */
  readonly tooQuiet: (ms: number) => Error;
}

/**
 * Emits the responses of a watch that has its own connection. A connection without data may be dead, although it was
 * not closed. So a second connection is opened from time to time, from the same revision on. When the watch continues
 * on the second connection, the first one is closed.
 *
 * If the server refuses the watch on the second connection, the first one stays in use. The server keeps an existing
 * watch whose history is compacted, but would not create it again. The first connection also stays in use if it
 * receives a response meanwhile.
 */
export function renewedWatch(startRevision: number, renewal: Renewal): Observable<WatchResponse> {
  return new Observable((subscriber) => new RenewedWatch(startRevision, renewal, subscriber));
}

class RenewedWatch extends Subscription {
  /** The connection that carries the watch, and the connection that may replace it. */
  private connection = new Subscription();
  private successor: Subscription | undefined;
  private timer: Subscription | undefined;
  private lastResponseAt = monotonicNow();
  /** Whether more parts of a response follow. They arrive only on the connection of the first parts. */
  private withinResponse = false;

  constructor(
    private nextRevision: number,
    private readonly renewal: Renewal,
    private readonly subscriber: Subscriber<WatchResponse>,
  ) {
    super(() => this.end());
    this.checkAfter(renewal.renewAfterMs);
    this.add(renewal.renewals?.subscribe({ next: () => this.renewNow(), error: (error: unknown) => subscriber.error(error) }));
    this.connection.add(renewal.open(nextRevision, false).subscribe(this.observer()));
  }

  /** Returns an observer that passes on the responses of the connection in use. */
  private observer(): Observer<WatchResponse> {
    const { subscriber } = this;
    return {
      next: (response) => this.onResponse(response),
      error: (error: unknown) => subscriber.error(error),
      complete: () => subscriber.complete(),
    };
  }

  private onResponse(response: WatchResponse): void {
    const { created, canceled, events, header, fragment } = response;
    this.lastResponseAt = monotonicNow();
    // The connection is alive, so the second one is closed. Parts of one response must not arrive over two connections,
    // as events would be repeated.
    this.dropSuccessor();
    this.withinResponse = fragment;
    if (!created && !canceled && !fragment)
      this.nextRevision = Math.max(this.nextRevision, (events.at(-1)?.revision ?? header.revision) + 1);
    this.subscriber.next(response);
  }

  private check(): void {
    const { renewAfterMs, maxQuietMs, tooQuiet } = this.renewal;
    const quietMs = monotonicNow() - this.lastResponseAt;
    if (quietMs >= maxQuietMs || (quietMs >= renewAfterMs && this.withinResponse)) return this.subscriber.error(tooQuiet(quietMs));
    if (quietMs >= renewAfterMs && this.successor === undefined) this.renew();
    const leftMs = Math.min(quietMs >= renewAfterMs ? renewAfterMs : renewAfterMs - quietMs, maxQuietMs - quietMs);
    this.checkAfter(Math.max(1, leftMs));
  }

  private checkAfter(ms: number): void {
    this.timer = asyncScheduler.schedule(() => this.check(), ms);
  }

  private renewNow(): void {
    // The rest of the current response arrives only on this connection. Its end serves as a progress notification.
    if (this.withinResponse) return;
    this.dropSuccessor();
    this.renew(true);
  }

  private renew(isRequested = false): void {
    const successor = (this.successor = new Subscription());
    const observer = this.observer();
    let created: WatchResponse | undefined;
    let refusalTimer: Subscription | undefined;
    let isInUse = false;
    const replaceConnection = (): void => {
      isInUse = true;
      refusalTimer?.unsubscribe();
      this.connection.unsubscribe();
      this.connection = successor;
      this.successor = undefined;
      if (created !== undefined) observer.next(created);
    };
    const onResponse = (response: WatchResponse): void => {
      if (isInUse) return observer.next(response);
      if (response.canceled) {
        this.renewal.onRefused(response);
        this.dropSuccessor();
      } else if (created === undefined) {
        created = response;
        // No event was missed, as the store has no newer revision. Newer servers send no progress notification in this
        // case, so this response serves as one.
        if (isRequested && response.header.revision < this.nextRevision) {
          replaceConnection();
          return observer.next({ ...response, created: false });
        }
        refusalTimer = asyncScheduler.schedule(replaceConnection, REFUSED_WITHIN_MS);
        successor.add(refusalTimer);
      } else {
        replaceConnection();
        observer.next(response);
      }
    };
    successor.add(
      this.renewal.open(this.nextRevision, true).subscribe({
        next: onResponse,
        error: (error: unknown) => (isInUse ? observer.error(error) : this.dropSuccessor()),
        complete: () => (isInUse ? observer.complete() : this.dropSuccessor()),
      }),
    );
  }

  private dropSuccessor(): void {
    this.successor?.unsubscribe();
    this.successor = undefined;
  }

  private end(): void {
    this.timer?.unsubscribe();
    this.successor?.unsubscribe();
    this.connection.unsubscribe();
  }
}
