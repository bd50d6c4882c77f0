import { Observable, type Subscriber } from 'rxjs';
import type { AnswerOf } from '../codec/rpc.js';
import type { Json } from '../codec/wire.js';
import { watchRpcs } from '../codec/watch.js';
import type { ErrorDetails } from '../errors/index.js';
import { readStreamMessage } from '../transport/answers.js';
import { verdict } from '../transport/retry.js';
import { createRequest, type WatchTarget } from './request.js';
import { refusalIn } from './refusal.js';
import { createdIn, newsIn } from './report.js';
import type { WatchReport, WatchStream } from './watchStream.js';

type WatchResponse = AnswerOf<typeof watchRpcs.watch>;

interface Watcher {
  readonly subscriber: Subscriber<WatchReport>;
  /** The number that was asked for, where the server takes that. */
  readonly wanted: number | undefined;
  /** By the server's count, as soon as it has answered. */
  id?: number;
  /** So many bookmarks for the whole stream may yet come that were made before this watch was. */
  foreignBookmarks: number;
}

/** What a multiplexed stream needs of what carries it. */
export interface MultiplexedLink {
  readonly where: ErrorDetails;
  /** The server splits responses that are too long. */
  readonly fragments: boolean;
  /** The server numbers watches as it is told. */
  readonly takesIds: boolean;
  /** A bookmark that was asked for stands in its place among the events. Before 3.4.25 and 3.5.8 it may overtake them. */
  readonly orderedProgress: boolean;
  send(message: Json): void;
  /** A create that has been sent is to be answered next, or (false) none is. */
  expect(answer: boolean): void;
  /** Asked before each create: false where it would be refused, and the stream is given up for another. */
  mayCreate?(): boolean;
}

const PROGRESS_ID = -1;

/**
 * Many watches on one stream. An old server numbers watches as it likes, and one that refuses a watch may not number it at all: an answer to a create is known by its
 * turn alone, for creates are answered in the order in which they were sent, one each. Everything else goes by the number.
 */
export class MultiplexedStream implements WatchStream {
  /** Their creates have been sent, and the answers come in this order. */
  private readonly creating: Watcher[] = [];
  private readonly watchers = new Map<number, Watcher>();
  private lastWanted = 0;
  /** Progress requests that have not been answered, and perhaps will not be. */
  private asked = 0;

  constructor(private readonly link: MultiplexedLink) {}

  watch(target: WatchTarget, startRevision: number): Observable<WatchReport> {
    return new Observable((subscriber) => {
      // 0 would have the server choose.
      const wanted = this.link.takesIds ? ++this.lastWanted : undefined;
      const request = createRequest(target, startRevision, {
        fragment: this.link.fragments,
        ...(wanted === undefined ? {} : { watchId: wanted }),
      });
      const create = watchRpcs.watch.request.write(request) as Json;
      const watcher: Watcher = { wanted, subscriber, foreignBookmarks: 0 };
      subscriber.add(() => this.leave(watcher));
      if (this.link.mayCreate?.() === false) return;
      this.creating.push(watcher);
      this.link.send(create);
      if (this.creating.length === 1) this.link.expect(true);
    });
  }

  /** Whether anybody would hear of progress: a server answers a progress request only where there is a watch. */
  get watched(): boolean {
    return this.watchers.size > 0;
  }

  /** Asks the server to say something. */
  requestProgress(): void {
    this.asked += 1;
    this.link.send({ progress_request: {} });
  }

  /** Takes a message of the server. @throws EtcdError where it is the end of the stream, or not what etcd's API says */
  receive(json: unknown): 'created' | 'news' {
    const response = readStreamMessage(watchRpcs.watch.response, json, this.link.where);
    if (response.created) {
      this.onCreated(response);
      return 'created';
    }
    if (response.watchId === PROGRESS_ID && !response.canceled) this.onProgress(response);
    else this.onNews(response);
    return 'news';
  }

  /**
   * Cancels every watch, for when the stream is left: etcd 3.5 does not notice the end of a WebSocket, and would keep them until their next event. Those that it has not
   * answered yet, too, where their numbers are known: it takes requests in turn.
   */
  cancelAll(): void {
    for (const { wanted } of this.creating) if (wanted !== undefined) this.cancel(wanted);
    for (const id of [...this.watchers.keys()]) this.cancel(id);
  }

  private onCreated(response: WatchResponse): void {
    const watcher = this.creating.shift();
    this.link.expect(this.creating.length > 0);
    if (watcher !== undefined && response.canceled) this.refuse(watcher, response);
    else if (watcher === undefined || watcher.subscriber.closed) this.cancel(response.watchId);
    else {
      watcher.id = response.watchId;
      watcher.foreignBookmarks = this.asked;
      this.watchers.set(response.watchId, watcher);
      watcher.subscriber.next(createdIn(response));
    }
  }

  private refuse(watcher: Watcher, response: WatchResponse): void {
    const refusal = refusalIn(response, this.link.where);
    // The token was shown when the stream was made: with another token it has to be another stream.
    if (verdict(refusal, 'read', true) === 'reauthenticate') throw refusal;
    watcher.subscriber.error(refusal);
  }

  /**
   * A bookmark for all. The server may send one that it made for the watches of before behind the answer to a create, and all that the new watch missed behind
   * both: a watch believes in the first bookmark that was asked for when it was there, or that comes after news of its own.
   */
  private onProgress({ header }: WatchResponse): void {
    this.asked = Math.max(0, this.asked - 1);
    if (!this.link.orderedProgress) return;
    for (const watcher of [...this.watchers.values()]) {
      if (watcher.foreignBookmarks > 0) watcher.foreignBookmarks -= 1;
      else watcher.subscriber.next({ type: 'news', events: [], fragment: false, progress: header.revision });
    }
  }

  private onNews(response: WatchResponse): void {
    // One that was cancelled a moment ago may still be spoken to.
    const watcher = this.watchers.get(response.watchId);
    if (watcher === undefined) return;
    if (response.canceled) {
      this.watchers.delete(response.watchId);
      watcher.subscriber.error(refusalIn(response, this.link.where));
      return;
    }
    watcher.foreignBookmarks = 0;
    watcher.subscriber.next(newsIn(response));
  }

  private leave(watcher: Watcher): void {
    // One whose create is under way is cancelled when it is answered: only then is its number known.
    if (watcher.id !== undefined && this.watchers.has(watcher.id)) this.cancel(watcher.id);
  }

  private cancel(id: number): void {
    this.watchers.delete(id);
    this.link.send({ cancel_request: { watch_id: String(id) } });
  }
}
