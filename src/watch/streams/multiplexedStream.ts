import type { Observer, Unsubscribable } from 'rxjs';
import { requestText, type AnswerOf } from '../../codec/rpc.js';
import { watchRpcs } from '../../codec/watch.js';
import type { ErrorDetails, EtcdError } from '../../errors/index.js';
import type { ClusterId } from '../../model/ids.js';
import { readStreamMessage } from '../../transport/answers.js';
import { verdict } from '../../transport/retry.js';
import { createRequest, type WatchTarget } from '../messages.js';
import { refusalIn } from '../refusal.js';
import { createdIn, newsIn } from '../report.js';
import type { Source } from '../refCounted.js';
import type { WatchReport, WatchStream } from '../watchStream.js';

type WatchResponse = AnswerOf<typeof watchRpcs.watch>;

/** A watch on a stream. */
class StreamWatch implements Unsubscribable {
  /** So many bookmarks for the whole stream may yet come that were made before this watch was. */
  foreignBookmarks = 0;

  constructor(
    private readonly stream: MultiplexedStream,
    /** Its number: the one that was asked for, where the server takes that, and that of the server as soon as it has answered. */
    public id: number | undefined,
    /** Who hears of it; undefined when he has left. */
    private observer: Observer<WatchReport> | undefined,
  ) {}

  get left(): boolean {
    return this.observer === undefined;
  }

  report(report: WatchReport): void {
    this.observer?.next(report);
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

/** What a multiplexed stream needs of what carries it. */
export interface MultiplexedLink {
  readonly where: ErrorDetails;
  /** The server splits responses that are too long. */
  readonly fragments: boolean;
  /** The server numbers watches as it is told. */
  readonly takesIds: boolean;
  /** A bookmark that was asked for stands in its place among the events. Before 3.4.25 and 3.5.8 it may overtake them. */
  readonly orderedProgress: boolean;
  send(message: string): void;
  /** A create that has been sent is to be answered next, or (false) none is. */
  expect(answer: boolean): void;
  /** Asked before each create: false where it would be refused, and the stream is given up for another. */
  mayCreate?(): boolean;
}

const PROGRESS_ID = -1;

/** Measured on two busy cores: of a hundred answers etcd had mostly written none when it read the end, and once 96. */
const RINGS = 200;

/**
 * Many watches on one stream. An old server numbers watches as it likes, and one that refuses a watch may not number it at all: an answer to a create is known by its
 * turn alone, for creates are answered in the order in which they were sent, one each. Everything else goes by the number.
 */
export class MultiplexedStream implements WatchStream {
  /** Their creates have been sent, and the answers come in this order. */
  private readonly creating: StreamWatch[] = [];
  private readonly watchers = new Map<number, StreamWatch>();
  private lastWanted = 0;
  /** Whose it is, as one string for all watches: each holds it as long as it lives. */
  private cluster: ClusterId | undefined;
  /** Progress requests that have not been answered, and perhaps will not be. */
  private asked = 0;

  constructor(private readonly link: MultiplexedLink) {}

  watch(target: WatchTarget, startRevision: number): Source<WatchReport> {
    return { subscribe: (observer) => this.create(target, startRevision, observer) };
  }

  /** Whether anybody would hear of progress: a server answers a progress request only where there is a watch. */
  get watched(): boolean {
    return this.watchers.size > 0;
  }

  /** Asks the server to say something. */
  requestProgress(): void {
    this.asked += 1;
    this.link.send(requestText(watchRpcs.watch, { progressRequest: {} }));
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
   * Has the server say something when nobody listens any more, for when the stream is left: behind a WebSocket etcd 3.5 notices by that alone that it was, and would keep
   * the stream and its watches until their next event. One watch is made, the others are refused as they have its number: so many answers are not all written before etcd
   * has read the end, and were they, that watch speaks within ten minutes.
   */
  ring(): void {
    const bell = { createRequest: { key: '\0', watchId: ++this.lastWanted, progressNotify: true } };
    // In one message, or reading them would take as long as answering.
    this.link.send(requestText(watchRpcs.watch, bell).repeat(RINGS));
  }

  /** It is left. One whose create is under way is cancelled when it is answered: only then is its number known for sure. */
  leave(watch: StreamWatch): void {
    if (watch.id !== undefined && this.watchers.get(watch.id) === watch) this.cancel(watch.id);
  }

  private create(target: WatchTarget, startRevision: number, observer: Observer<WatchReport>): StreamWatch {
    // 0 would have the server choose.
    const wanted = this.link.takesIds ? ++this.lastWanted : undefined;
    const request = createRequest(target, startRevision, {
      fragment: this.link.fragments,
      ...(wanted === undefined ? {} : { watchId: wanted }),
    });
    const create = requestText(watchRpcs.watch, request);
    const watch = new StreamWatch(this, wanted, observer);
    if (this.link.mayCreate?.() === false) return watch;
    this.creating.push(watch);
    this.link.send(create);
    if (this.creating.length === 1) this.link.expect(true);
    return watch;
  }

  private onCreated(response: WatchResponse): void {
    const watch = this.creating.shift();
    this.link.expect(this.creating.length > 0);
    if (watch !== undefined && response.canceled) this.refuse(watch, response);
    else if (watch === undefined || watch.left) this.cancel(response.watchId);
    else {
      watch.id = response.watchId;
      watch.foreignBookmarks = this.asked;
      this.watchers.set(response.watchId, watch);
      if (this.cluster !== response.header.clusterId) this.cluster = response.header.clusterId;
      watch.report(createdIn(response, this.cluster));
    }
  }

  private refuse(watch: StreamWatch, response: WatchResponse): void {
    const refusal = refusalIn(response, this.link.where);
    // The token was shown when the stream was made: with another token it has to be another stream.
    if (verdict(refusal, 'read', true) === 'reauthenticate') throw refusal;
    watch.refuse(refusal);
  }

  /**
   * A bookmark for all. The server may send one that it made for the watches of before behind the answer to a create, and all that the new watch missed behind
   * both: a watch believes in the first bookmark that was asked for when it was there, or that comes after news of its own.
   */
  private onProgress({ header }: WatchResponse): void {
    this.asked = Math.max(0, this.asked - 1);
    if (!this.link.orderedProgress) return;
    for (const watch of [...this.watchers.values()]) {
      if (watch.foreignBookmarks > 0) watch.foreignBookmarks -= 1;
      else watch.report({ type: 'news', events: [], fragment: false, progress: header.revision });
    }
  }

  private onNews(response: WatchResponse): void {
    // One that was cancelled a moment ago may still be spoken to.
    const watch = this.watchers.get(response.watchId);
    if (watch === undefined) return;
    if (response.canceled) {
      this.watchers.delete(response.watchId);
      watch.refuse(refusalIn(response, this.link.where));
      return;
    }
    watch.foreignBookmarks = 0;
    watch.report(newsIn(response));
  }

  private cancel(id: number): void {
    this.watchers.delete(id);
    this.link.send(requestText(watchRpcs.watch, { cancelRequest: { watchId: id } }));
  }
}
