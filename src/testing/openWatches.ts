import { isRecord } from '../codec/message.js';
import { textFromBase64 } from '../model/bytes.js';
import type { CallObserver, ServerCall } from './store/index.js';

/** A watch that is open at the server. */
export interface OpenWatch {
  /** The key, or the first key of the range. */
  readonly key: string;
  /** The end of the range in etcd's form, which is the first key after the range; undefined for one key. */
  readonly rangeEnd: string | undefined;
  /** The start revision in the request; undefined if the watch began with the next change. */
  readonly startRevision: number | undefined;
  /** The endpoint of its stream. */
  readonly endpoint: string;
}

/** Follows the streams of watches, and records which watches are open. */
export class OpenWatches {
  private readonly streams = new Set<ReadonlyMap<unknown, OpenWatch>>();

  /** Returns all open watches, the oldest stream first. */
  get all(): readonly OpenWatch[] {
    return [...this.streams].flatMap((watches) => [...watches.values()]);
  }

  /** Opens a stream, and records its watches. */
  follow<A>(open: (observer: CallObserver<A>) => ServerCall, observer: CallObserver<A>, endpoint: string): ServerCall {
    const requested: OpenWatch[] = [];
    const watches = new Map<unknown, OpenWatch>();
    this.streams.add(watches);
    const ended = (): void => void this.streams.delete(watches);
    const call = open({
      next: (response) => {
        recordResponse(response, requested, watches);
        observer.next(response);
      },
      error: (error, refused) => {
        ended();
        observer.error(error, refused);
      },
      complete: () => {
        ended();
        observer.complete();
      },
    });
    return {
      send: (body) => {
        const watch = watchIn(JSON.parse(body), endpoint);
        if (watch !== undefined) requested.push(watch);
        call.send(body);
      },
      end: () => call.end(),
      cancel: () => {
        ended();
        call.cancel();
      },
    };
  }
}

/** Returns the watch that a request in etcd's JSON format creates; undefined for any other request. */
function watchIn(request: unknown, endpoint: string): OpenWatch | undefined {
  const create = isRecord(request) ? request['create_request'] : undefined;
  if (!isRecord(create)) return undefined;
  const { key, range_end: end, start_revision: start } = create;
  return {
    key: typeof key === 'string' ? textFromBase64(key) : '',
    rangeEnd: typeof end === 'string' ? textFromBase64(end) : undefined,
    startRevision: start === undefined ? undefined : Number(start),
    endpoint,
  };
}

/**
 * Updates the open watches of a stream after a response. The responses to create requests arrive in the order of these
 * requests.
 */
function recordResponse(response: unknown, requested: OpenWatch[], watches: Map<unknown, OpenWatch>): void {
  if (!isRecord(response)) return;
  const { watchId, created, canceled } = response;
  const watch = created === true ? requested.shift() : undefined;
  if (canceled === true) watches.delete(watchId);
  else if (watch !== undefined) watches.set(watchId, watch);
}
