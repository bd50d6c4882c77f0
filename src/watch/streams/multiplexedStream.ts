import type { Observer, Unsubscribable } from 'rxjs';
import type { ResponseOf, RequestOf } from '../../codec/descriptors.js';
import type { watchRpcs } from '../../codec/watch.js';
import { EtcdError, type ErrorDetails, type UnsupportedServerVersionError } from '../../errors/index.js';
import type { ClusterId } from '../../model/ids.js';
import type { ResponseHeader } from '../../model/responses.js';
import { Queue } from '../../util/queue.js';
import { retryAction } from '../../transport/retryPolicy.js';
import { toNotification } from '../cursor.js';
import { toCreated, createRequest, toWatchError, type WatchMessage, type WatchStream, type WatchTarget } from '../messages.js';
import type { Source } from '../refCounted.js';
import type { Connected } from './connectionState.js';

type WatchRequest = RequestOf<typeof watchRpcs.watch>;
type WatchResponse = ResponseOf<typeof watchRpcs.watch>;

/** A watch on a multiplexed stream, with its watch id and its observer. */
class StreamWatch implements Unsubscribable {
  /**
   * The number of progress notifications for the whole stream that were requested before this watch was created, and
   * may still arrive.
   */
  staleProgressCount = 0;

  constructor(
    private readonly stream: MultiplexedStream,
    /**
     * The number of the watch. If the server accepts numbers, this is the requested number at first. After the server's
     * response it is the number in the response.
     */
    public id: number | undefined,
    /** The observer of the watch; undefined after it has unsubscribed. */
    private observer: Observer<WatchMessage> | undefined,
    /** The first revision that the watch reports. */
    readonly startRevision: number,
  ) {}

  get left(): boolean {
    return this.observer === undefined;
  }

  report(message: WatchMessage): void {
    this.observer?.next(message);
  }

  reportProgress(header: ResponseHeader, requested: boolean): void {
    this.report({ type: 'notification', events: [], fragment: false, progress: header.revision, header, requested });
  }

  refuse(error: EtcdError): void {
    const { observer } = this;
    this.observer = undefined;
    observer?.error(error);
  }

  unsubscribe(): void {
    this.observer = undefined;
    this.stream.leave(this);
  }
}

/** The parts of a connection that a multiplexed stream uses. */
export interface MultiplexedStreamDeps {
  readonly where: ErrorDetails;
  /** The state of the connection. */
  readonly connected: Connected;
  /** Whether the server can split responses that are too long. */
  readonly fragments: boolean;
  /** Whether the server accepts the client's numbers for watches. */
  readonly takesIds: boolean;
  /** The error with which a progress request fails, if the server may send the notification before earlier events. */
  readonly unorderedProgress?: UnsupportedServerVersionError | undefined;
  /** Whether a watch that starts at exactly the compacted revision may lack the deletes of that revision. */
  readonly lacksDeletes: boolean;
  send(request: WatchRequest): void;
  /** Called with true when the next response to a create request is expected, and with false when none is expected. */
  expect(response: boolean): void;
  /**
   * Called before each create request. Returns false if the server would refuse the request. Another stream then
   * replaces this one.
   */
  mayCreate?(): boolean;
  /** Called when the last watch has unsubscribed. */
  onUnwatched?(): void;
}

const PROGRESS_ID = -1;

/**
 * The number of create requests in `forceServerWrite`. In tests with 100 requests on two busy cores, etcd had usually
 * written no response when it read the end of the stream. In one test it had written 96.
 */
const FLUSH_CREATES = 200;

/**
 * Makes the server write to a stream that is about to be closed. Behind a WebSocket, some servers with etcd 3.5 detect
 * the end of a stream only when they write to it (see `CloseDetection`). Without a write they would keep the stream and
 * its watches until their next event. The first request creates a watch, and the server refuses the others, which have
 * the same number. Usually the server reads the end of the stream before it has written all these responses. If it has
 * written all of them, the progress notification of the created watch follows within ten minutes.
 */
export function forceServerWrite(send: (request: WatchRequest) => void, watchId = 1): void {
  const create = { createRequest: { key: '\0', watchId, progressNotify: true } };
  // All requests are sent in one turn. Otherwise the server would write its responses as fast as it reads the requests.
  for (let count = 0; count < FLUSH_CREATES; count++) send(create);
}

/**
 * Carries many watches on one stream. The server responds once to each create request, in the order of the requests. An
 * old server chooses the numbers of watches, and may send no number for a rejected watch. So the watch of a response to
 * a create request is found by the position of the response. The watch of every other message is found by its number.
 */
export class MultiplexedStream implements WatchStream {
  /** The watches whose create requests have been sent. The responses arrive in the same order. */
  private readonly creating = new Queue<StreamWatch>();
  private readonly watchers = new Map<number, StreamWatch>();
  private lastWanted = 0;
  /** The id of the store's cluster. The id is stored once here, so that all watches share one string. */
  private cluster: ClusterId | undefined;
  /** The number of progress requests without a response. The server may never respond to some of them. */
  private progressRequests = 0;
  private unsplit = false;
  /** The newest revision of the store that any message has shown. */
  private newest = 0;
  /**
   * The state of the user's request for progress notifications:
   * - `none`: no request is due
   * - `waiting`: the request is not sent yet
   * - `ignored`: the server would ignore the request, or has ignored it, so it is sent later
   */
  private progressRequest: 'none' | 'waiting' | 'ignored' = 'none';
  /** The watches that have not yet received the progress notification that the user has requested. */
  private readonly notifying = new Set<StreamWatch>();
  /** A placeholder in {@link creating} for a create request that {@link requestMessage} sent. */
  private readonly probe = new StreamWatch(this, undefined, undefined, 0);

  constructor(private readonly deps: MultiplexedStreamDeps) {}

  watch(target: WatchTarget, startRevision: number, fragment = false): Source<WatchMessage> {
    return { subscribe: (observer) => this.create(target, startRevision, fragment && this.deps.fragments, observer) };
  }

  /**
   * Returns whether a response that was too long may arrive in fragments on another stream. The server must support
   * fragments, and at least one watch must not have requested them.
   */
  get maySplit(): boolean {
    return this.unsplit && this.deps.fragments;
  }

  /** Returns whether the stream has a watch. Without a watch the server does not respond to a progress request. */
  get watched(): boolean {
    return this.watchers.size > 0;
  }

  /**
   * Requests a message from the server. Newer servers (measured: 3.5.30, not 3.5.16) ignore a progress request while
   * any watch starts at a future revision. While nothing is written, every new watch starts at a future revision. While
   * there is such a watch, a create request with the number of the watch is sent instead. The server always responds to
   * it with a rejection.
   */
  requestMessage(): void {
    const id = this.deps.takesIds ? this.idAhead() : undefined;
    if (id === undefined) return this.sendProgressRequest();
    if (this.notifying.size > 0) this.progressRequest = 'ignored';
    this.creating.add(this.probe);
    this.deps.send({ createRequest: { key: '\0', watchId: id } });
  }

  /** Requests a progress notification for the whole stream. */
  sendProgressRequest(): void {
    this.progressRequests += 1;
    this.deps.send({ progressRequest: {} });
  }

  requestProgress(): void {
    if (this.deps.unorderedProgress !== undefined) throw this.deps.unorderedProgress;
    this.progressRequest = 'waiting';
    if (this.creating.size > 0 || !this.watched) return;
    // If a watch starts at a future revision, a probe is sent first. Its response has the newest revision.
    if (this.idAhead() === undefined) this.sendDueRequest();
    else this.requestMessage();
  }

  /**
   * Sends a progress request if one is due. The server ignores the request while a watch starts at a future revision.
   * Meanwhile, such watches are notified here, as nothing has happened since their start. The request is sent when the
   * store has advanced. If the server does not respond for another reason, the next heartbeat requests a notification
   * as well.
   */
  private sendDueRequest(header?: ResponseHeader): void {
    if (this.progressRequest === 'none' || this.creating.size > 0) return;
    if (this.idAhead() === undefined) {
      this.progressRequest = 'none';
      for (const watch of this.watchers.values()) this.notifying.add(watch);
      this.sendProgressRequest();
    } else if (this.progressRequest === 'waiting' && header !== undefined) {
      this.progressRequest = 'ignored';
      for (const watch of [...this.watchers.values()]) if (watch.startRevision > header.revision) watch.reportProgress(header, true);
    }
  }

  /** Finds the number of a watch that starts after the newest known revision. */
  private idAhead(): number | undefined {
    for (const [id, { startRevision }] of this.watchers) if (startRevision > this.newest) return id;
    return undefined;
  }

  /**
   * Handles a message of the server.
   *
   * @throws EtcdError if the message ends the stream
   */
  receive(response: WatchResponse): 'created' | 'notification' {
    const { revision } = response.header;
    if (revision > this.newest) this.newest = revision;
    if (response.created) this.onCreated(response);
    else if (response.watchId === PROGRESS_ID && !response.canceled) this.onProgress(response);
    else this.onNotification(response);
    this.sendDueRequest(response.header);
    return response.created ? 'created' : 'notification';
  }

  /** Prepares the end of the stream. {@link forceServerWrite} describes why. */
  forceServerWrite(): void {
    forceServerWrite((request) => this.deps.send(request), ++this.lastWanted);
  }

  /**
   * Cancels a watch. If the server has not responded to its create request yet, the watch is cancelled after the
   * response, when its number is certain.
   */
  leave(watch: StreamWatch): void {
    if (watch.id !== undefined && this.watchers.get(watch.id) === watch) this.cancel(watch.id);
  }

  private create(target: WatchTarget, startRevision: number, fragment: boolean, observer: Observer<WatchMessage>): StreamWatch {
    // The numbers begin at 1. For 0 the server would choose a number.
    const wanted = this.deps.takesIds ? ++this.lastWanted : undefined;
    const request = createRequest(target, startRevision, {
      fragment,
      ...(wanted === undefined ? {} : { watchId: wanted }),
    });
    const watch = new StreamWatch(this, wanted, observer, startRevision);
    if (this.deps.mayCreate?.() === false) return watch;
    this.deps.send(request);
    this.creating.add(watch);
    this.unsplit ||= !fragment;
    if (this.creating.size === 1) this.deps.expect(true);
    return watch;
  }

  private onCreated(response: WatchResponse): void {
    // The number already belongs to another watch, so a cancel request for the new watch would end the other one.
    if (!response.canceled && this.watchers.has(response.watchId))
      throw new EtcdError(
        'MalformedResponse',
        `the server created a watch under the number ${response.watchId}, which is in use`,
        this.deps.where,
      );
    const watch = this.creating.take();
    this.deps.expect(this.creating.size > 0);
    if (watch === this.probe && response.canceled) return;
    if (watch !== undefined && response.canceled) this.refuse(watch, response);
    else if (watch === undefined || watch.left) this.cancel(response.watchId);
    else {
      watch.id = response.watchId;
      watch.staleProgressCount = this.progressRequests;
      this.watchers.set(response.watchId, watch);
      if (this.cluster !== response.header.clusterId) this.cluster = response.header.clusterId;
      watch.report(toCreated(response, this.deps, this.cluster));
    }
  }

  private refuse(watch: StreamWatch, response: WatchResponse): void {
    const refusal = toWatchError(response, this.deps.where);
    // The stream sent its token when it was opened, so another token needs another stream.
    if (retryAction(refusal, 'read', true) === 'reauthenticate') throw refusal;
    watch.refuse(refusal);
  }

  /**
   * Handles a progress notification for the whole stream. The server may create a watch, and then send a notification
   * that it made before for the older watches. The first events of the new watch may arrive later. So a watch accepts
   * only notifications that were requested after its creation, or that follow its own events.
   */
  private onProgress({ header }: WatchResponse): void {
    this.progressRequests = Math.max(0, this.progressRequests - 1);
    if (this.deps.unorderedProgress !== undefined) return;
    for (const watch of [...this.watchers.values()]) {
      if (watch.staleProgressCount > 0) watch.staleProgressCount -= 1;
      else watch.reportProgress(header, this.notifying.delete(watch));
    }
  }

  private onNotification(response: WatchResponse): void {
    // Messages may still arrive for a watch that was cancelled a moment ago.
    const watch = this.watchers.get(response.watchId);
    if (watch === undefined) return;
    if (response.canceled) {
      this.watchers.delete(response.watchId);
      this.notifying.delete(watch);
      watch.refuse(toWatchError(response, this.deps.where));
      return;
    }
    watch.staleProgressCount = 0;
    watch.report(toNotification(response));
  }

  private cancel(id: number): void {
    const watch = this.watchers.get(id);
    if (watch !== undefined) this.notifying.delete(watch);
    this.watchers.delete(id);
    this.deps.send({ cancelRequest: { watchId: id } });
    if (!this.watched && this.creating.size === 0) this.deps.onUnwatched?.();
  }
}
