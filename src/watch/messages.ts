import { isAtLeast, type ServerVersion } from '../transport/endpoints/version.js';
import { CompactedError, type ErrorDetails, EtcdError, hasReason, serverError, UnsupportedServerVersionError } from '../errors/index.js';
import type { Channel, Caller } from '../transport/call.js';
import { carriesLongMessages } from '../transport/streams/transportSelector.js';
import { isPageLeft } from '../transport/wire.js';
import { ConsecutiveFailures } from './retryable.js';
import type { ClusterSnapshot, WatchNotification } from './cursor.js';
import type { Source } from './refCounted.js';
import type { Connected } from './streams/connectionState.js';
import type { ResponseOf, RequestOf } from '../codec/descriptors.js';
import { watchRpcs } from '../codec/watch.js';
import { BOOLEAN, type OptionKinds } from '../model/validate.js';
import { toKeyRange, type KeyRange, type Range, isEmpty, spanBetween } from '../model/range.js';
import { catchError, concat, defer, EMPTY, finalize, ignoreElements, map, Observable, share, throwError } from 'rxjs';
import { kvRpcs } from '../codec/kv.js';
import { multicast } from '../util/rx.js';
import { Pacer } from '../util/time.js';

/** Options for the content of a watch. */
export interface WatchFilter {
  /** Whether to add the previous key-value to each event. */
  readonly prevKv?: boolean;
  /** Whether to omit puts. */
  readonly noPut?: boolean;
  /** Whether to omit deletes. */
  readonly noDelete?: boolean;
  /**
   * Whether to request progress notifications for `watchBatches` every few seconds while there are no events. Servers
   * before etcd 3.4.25 and 3.5.8 send them only about every ten minutes.
   */
  readonly progressNotify?: boolean;
}

export const WATCH_FILTER: OptionKinds<WatchFilter> = { prevKv: BOOLEAN, noPut: BOOLEAN, noDelete: BOOLEAN, progressNotify: BOOLEAN };

/** The range and the filter of a watch. */
export interface WatchTarget extends KeyRange {
  readonly filter: WatchFilter;
}

/**
 * The two usual filters: that of most watches, and that of watches which wait for a delete. All these watches share the
 * two objects.
 */
const NOTHING: WatchFilter = {};
const DELETES: WatchFilter = { prevKv: false, noPut: true, noDelete: false, progressNotify: false };

/** Returns the target of a range and options. The target is a copy, as the caller may change the options. */
export function toWatchTarget(
  range: Range,
  { prevKv = false, noPut = false, noDelete = false, progressNotify = false }: WatchFilter = {},
): WatchTarget {
  const keys = toKeyRange(range);
  const { key, rangeEnd } = keys;
  // Only a range with `to` can be empty.
  if (typeof range === 'object' && 'to' in range && isEmpty(spanBetween(keys)))
    throw new EtcdError('InvalidArgument', 'range: expected { from, to } with from below to, received a range without keys', {
      rpc: watchRpcs.watch.name,
    });
  const isPlain = !prevKv && !noDelete && !progressNotify;
  const filter = isPlain ? (noPut ? DELETES : NOTHING) : { prevKv, noPut, noDelete, progressNotify };
  // The object is not built with a spread. V8 may then create a separate hidden class for each object, which takes more
  // memory than the object.
  return rangeEnd === undefined ? { key, filter } : { key, rangeEnd, filter };
}

type WatchRequest = RequestOf<typeof watchRpcs.watch>;

/** Options of a create request, each of which needs a server that supports it. */
interface CreateOptions {
  /** Lets the server split responses that are too long. */
  readonly fragment: boolean;
  /** The number that the watch should get. */
  readonly watchId?: number;
}

/**
 * Returns the request that creates a watch. Fields that are not set are left out, as an older server may not know them.
 */
export function createRequest({ filter, ...keys }: WatchTarget, startRevision: number, { fragment, watchId }: CreateOptions): WatchRequest {
  const filters = [...(filter.noPut === true ? (['NOPUT'] as const) : []), ...(filter.noDelete === true ? (['NODELETE'] as const) : [])];
  return {
    createRequest: {
      ...keys,
      startRevision,
      ...(filters.length > 0 ? { filters } : {}),
      ...(filter.prevKv === true ? { prevKv: true } : {}),
      ...(filter.progressNotify === true ? { progressNotify: true } : {}),
      ...(fragment ? { fragment } : {}),
      ...(watchId === undefined ? {} : { watchId }),
    },
  };
}

/** Creates the message for the server's response to a create request. */
export function toCreated(
  { header }: ResponseOf<typeof watchRpcs.watch>,
  { lacksDeletes, connected }: Pick<CreatedWatch, 'lacksDeletes' | 'connected'>,
  clusterId = header.clusterId,
): WatchMessage {
  return { type: 'created', clusterId, revision: header.revision, lacksDeletes, connected };
}

type WatchResponse = ResponseOf<typeof watchRpcs.watch>;

/** Converts a response that ends a watch to the error with the reason. */
export function toWatchError({ compactRevision, cancelReason, created }: WatchResponse, where: ErrorDetails): EtcdError {
  if (compactRevision > 0) {
    return new CompactedError(`the history that the watch needs was compacted; the oldest revision still available is ${compactRevision}`, {
      ...where,
      compactRevision,
    });
  }
  if (cancelReason !== '') return serverError(cancelReason, 'Canceled', where);
  // etcd 3.3 sends no reason. It rejects a new watch only if the user lacks the permission.
  if (created) return new EtcdError('PermissionDenied', 'the watch was refused', where);
  return new EtcdError('WatchCanceled', 'the server ended the watch', where);
}

/** The store on which a watch was created. */
export interface CreatedWatch extends ClusterSnapshot {
  /** Whether a watch that starts at exactly the compacted revision may lack the deletes of that revision. */
  readonly lacksDeletes: boolean;
  /** The connection of the stream. All watches of the stream share one object. */
  readonly connected: Connected;
}

/** A message of the server about a watch. The first message says that the watch was created; notifications follow. */
export type WatchMessage = ({ readonly type: 'created' } & CreatedWatch) | ({ readonly type: 'notification' } & WatchNotification);

/** A stream on which watches can be created. */
export interface WatchStream {
  /**
   * Creates a watch; unsubscribing cancels it. Errors with an `EtcdError` if the server refuses or ends this watch. A
   * broken stream is reported as `StreamLostError`. If a stream carries many watches, this error is reported by the
   * stream instead of the watch.
   *
   * @param fragment lets the server split responses that are too long, if the server supports it
   */
  watch(target: WatchTarget, startRevision: number, fragment?: boolean): Source<WatchMessage>;
  /**
   * Requests progress notifications for all watches.
   *
   * @throws EtcdError `UnsupportedServerVersion` if the notifications could overtake events
   */
  requestProgress(): void;
}

/**
 * The kinds of messages that a server has sent on a stream so far. `responses` means that it has sent only responses to
 * create requests.
 */
export type Received = 'nothing' | 'responses' | 'notifications';

/**
 * The longest time between two consecutive ends of streams, in milliseconds. A message that is too long ends its stream
 * at once. If more time passes between two ends of streams, the ends have other causes.
 */
const LONGEST_GAP_MS = 60_000;

const TOO_LONG =
  'a message of more than 64 KiB is too long for the WebSocket of this server: use streams.transport "chunked", "auto", or "http2" over TLS';

/**
 * Detects streams that end because a message is too long. An old server closes a WebSocket without a reason on such a
 * message, and closes the next WebSocket in the same way. So the detector counts consecutive streams that ended between
 * the response to a create request and the next message. If the options allow another transport, the client has changed
 * to it before the limit is reached.
 */
export class LongMessageDetector {
  private readonly inARow = new ConsecutiveFailures(LONGEST_GAP_MS);

  /** Returns the error for the watches of a stream that has ended. */
  errorOf(error: unknown, received: Received, { transport, version, endpoint }: Channel): unknown {
    if (!hasReason(error, 'ConnectionLost') || isPageLeft(error) || carriesLongMessages(transport, version)) return error;
    if (received === 'responses') this.inARow.add(error);
    else this.inARow.reset();
    if (!this.inARow.exceeded) return error;
    this.inARow.reset();
    return new EtcdError('ResponseTooLarge', TOO_LONG, { ...(error.rpc === undefined ? {} : { rpc: error.rpc }), endpoint, cause: error });
  }
}

/**
 * Returns whether the server sends a requested progress notification only after all events up to its revision. In older
 * versions the notification could overtake events (etcd issue 15220).
 */
export function hasOrderedProgress(version: ServerVersion | undefined): boolean {
  if (version === undefined || isAtLeast(version, '3.6')) return true;
  return isAtLeast(version, '3.5') ? isAtLeast(version, '3.5.8') : isAtLeast(version, '3.4.25');
}

/** Returns the error for a request for progress notifications; undefined if the server sends them after the events. */
export function refusalOfProgress(version: ServerVersion | undefined, where: ErrorDetails): UnsupportedServerVersionError | undefined {
  if (version === undefined || hasOrderedProgress(version)) return undefined;
  const required = isAtLeast(version, '3.5') ? '3.5.8' : '3.4.25';
  return new UnsupportedServerVersionError('a requested progress notification', { ...where, required, found: version.text });
}

/**
 * Returns whether a compaction may remove the deletes of the compacted revision itself. Returns true if the version is
 * unknown.
 */
export const mayLackDeletes = (version: ServerVersion | undefined): boolean => version === undefined || !isAtLeast(version, '3.5.16');

/**
 * Requests the store's revision by a read of the first key of the range. Only this key is counted, as counting a large
 * range would be expensive. A user who may read the range may also read its first key.
 */
export function readRevision(caller: Caller, { key }: WatchTarget): Observable<number> {
  return caller.unary(kvRpcs.range, { key, countOnly: true }).pipe(map(({ header }) => header.revision));
}

/**
 * Requests the store's revision for many subscribers at a time. A request that was sent before a subscription is too
 * old for it: the watch would also report changes from before the subscription. So all subscribers that arrive during a
 * request share the next request.
 */
export class RevisionReader {
  private underWay: Observable<number> | undefined;
  private waiting: Observable<number> | undefined;
  private readonly pacer = new Pacer();

  constructor(private readonly read: (target: WatchTarget) => Observable<number>) {}

  /** Emits the revision at the time of the subscription, or a later one. */
  of(target: WatchTarget): Observable<number> {
    return defer(() => {
      if (this.waiting === undefined) return this.paced((this.waiting = this.after(this.underWay, target)));
      // The shared request reads the key of another watch. If that read is denied, this watch may still be allowed to
      // read its own key.
      const alone = (error: unknown): Observable<number> =>
        hasReason(error, 'PermissionDenied') ? this.read(target) : throwError(() => error);
      return this.paced(this.waiting).pipe(catchError(alone));
    });
  }

  private after(before: Observable<number> | undefined, target: WatchTarget): Observable<number> {
    // prettier-ignore
    const previous = before === undefined ? EMPTY : before.pipe(ignoreElements(), catchError(() => EMPTY));
    const next = defer(() => {
      this.waiting = undefined;
      this.underWay = request;
      return this.read(target);
    });
    const request: Observable<number> = concat(previous, next).pipe(
      finalize(() => {
        if (this.waiting === request) this.waiting = undefined;
        if (this.underWay === request) this.underWay = undefined;
      }),
      share({ connector: () => multicast<number>() }),
    );
    return request;
  }

  /** Passes on the revision. If there are many subscribers, they receive it over several turns of the event loop. */
  private paced(request: Observable<number>): Observable<number> {
    return new Observable((subscriber) => {
      let response: number | undefined;
      return request.subscribe({
        next: (revision) => (response = revision),
        error: (error: unknown) => this.pacer.run(() => subscriber.error(error)),
        complete: () =>
          this.pacer.run(() => {
            if (response !== undefined) subscriber.next(response);
            subscriber.complete();
          }),
      });
    });
  }
}
