import type { WatchCreateRequest, WatchRequest, WatchResponse } from '../../codec/watch.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import type { WatchEvent } from '../../model/events.js';
import { contains, keyOf, keySpan, type KeySpan, spanOf } from './keys.js';
import type { Change, Mvcc } from './mvcc.js';
import { Refusal, refusal } from './refusal.js';
import type { Traits } from './traits.js';
import { WatchIndex } from './watchIndex.js';

export type Create = DecodedBy<typeof WatchCreateRequest>;
type Response = DecodedBy<typeof WatchResponse>;

/** The maximum number of revisions in a response with history. */
const MAX_REVISIONS = 1_000;
/** The number of bytes above which a response is split into fragments. */
const FRAGMENT_BYTES = 1.5 * 2 ** 20;
/** The watch id in a response that belongs to no watch. */
const NO_WATCH = -1;

/** Receives the changes of a span of keys. */
export interface Listener {
  readonly span: KeySpan;
  /** The first revision to report. */
  readonly from: number;
  /** Called with the changes of each transaction. */
  readonly notify: (events: readonly WatchEvent[]) => void;
}

/** A watch on a stream. */
interface Watch extends Listener {
  readonly id: number;
  readonly request: Create;
  /** Whether the watch has received events since the last progress notification was due. */
  active: boolean;
}

/** Delivers the changes of the store to all watches and waiting calls. */
export class Watches {
  readonly index = new WatchIndex<Listener>();
  private readonly streams = new Set<WatchStream>();
  /** The watches of the services for locks and elections. */
  private readonly listeners = new Set<Listener>();
  /** The number of events that were sent to watches so far. */
  sent = 0;

  /** Delivers the changes of a transaction. */
  publish(changes: readonly Change[]): void {
    const found = new Map<Listener, WatchEvent[]>();
    for (const { key, event } of changes) {
      this.index.forEach(key, (listener) => {
        if (event.revision < listener.from) return;
        const known = found.get(listener);
        if (known === undefined) found.set(listener, [event]);
        else known.push(event);
      });
    }
    for (const [{ notify }, events] of found) notify(events);
  }

  /** Calls a function with all later changes of a span, until the returned function is called. */
  listen(span: KeySpan, notify: Listener['notify']): () => void {
    const listener: Listener = { span, from: 0, notify };
    this.index.add(listener);
    this.listeners.add(listener);
    return () => {
      if (this.listeners.delete(listener)) this.index.delete(listener);
    };
  }

  /** The number of watches of all streams and services. */
  get count(): number {
    let count = this.listeners.size;
    for (const stream of this.streams) count += stream.size;
    return count;
  }

  get streamCount(): number {
    return this.streams.size;
  }

  add(stream: WatchStream): void {
    this.streams.add(stream);
  }

  remove(stream: WatchStream): void {
    this.streams.delete(stream);
  }

  notifyProgress(): void {
    for (const stream of this.streams) stream.notifyProgress();
  }
}

/** The call behind a stream of watches. */
export interface WatchCall {
  readonly send: (response: Response) => void;
  readonly header: (revision: number) => Response['header'];
  /**
   * Checks the permission to watch a span.
   *
   * @throws Refusal if the client may not read the range
   */
  readonly mayWatch: (span: KeySpan) => void;
}

/** A stream of watches. It creates and cancels watches, and writes their responses. */
export class WatchStream {
  private readonly watches = new Map<number, Watch>();
  private nextId = 0;

  constructor(
    private readonly all: Watches,
    private readonly mvcc: Mvcc,
    private readonly traits: Traits,
    private readonly call: WatchCall,
  ) {
    all.add(this);
  }

  get size(): number {
    return this.watches.size;
  }

  receive({ createRequest, cancelRequest, progressRequest }: DecodedBy<typeof WatchRequest>): void {
    if (createRequest !== undefined) this.create(createRequest);
    else if (cancelRequest !== undefined) this.cancel(cancelRequest.watchId);
    else if (progressRequest !== undefined && (this.watches.size > 0 || this.traits.progressWithoutWatch)) this.send(NO_WATCH);
  }

  /** Ends all watches. */
  close(): void {
    for (const watch of this.watches.values()) this.all.index.delete(watch);
    this.watches.clear();
    this.all.remove(this);
  }

  private deliver(watch: Watch, events: readonly WatchEvent[]): void {
    const { filters, prevKv } = watch.request;
    const wanted = events.filter(({ type }) => !filters.includes(type === 'put' ? 'NOPUT' : 'NODELETE'));
    if (wanted.length === 0) return;
    watch.active = true;
    this.all.sent += wanted.length;
    this.sendEvents(watch, prevKv ? wanted.map((event) => this.withPrevKv(event)) : wanted);
  }

  notifyProgress(): void {
    for (const watch of this.watches.values()) {
      if (watch.request.progressNotify && !watch.active) this.send(watch.id);
      watch.active = false;
    }
  }

  private create(request: Create): void {
    const span = spanOf({ ...request, key: request.key.length === 0 ? new Uint8Array(1) : request.key });
    try {
      const id = this.admit(request, span);
      const { revision } = this.mvcc;
      const from = request.startRevision === 0 ? revision + 1 : request.startRevision;
      const watch: Watch = { id, span, request, from, active: false, notify: (events) => this.deliver(watch, events) };
      this.watches.set(id, watch);
      this.send(id, { created: true });
      if (from <= revision) this.replay(watch);
      else this.all.index.add(watch);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const id = this.traits.refusedWatchHasOwnId ? request.watchId : NO_WATCH;
      this.send(id, { created: true, canceled: true, cancelReason: error.text });
    }
  }

  /** Checks the request of a new watch, and returns the id of the watch. */
  private admit({ watchId, startRevision }: Create, span: KeySpan): number {
    this.checkAccess(span);
    if (!span.single && span.to !== undefined && span.from >= span.to) {
      throw new Refusal(this.traits.emptyWatchHasReason ? 'mvcc: watcher range is empty' : '', 'Unknown');
    }
    if (startRevision < 0 && this.traits.refusesNegativeStart) throw refusal('Compacted');
    if (watchId !== 0 && this.traits.watchIdsOfClients) {
      if (this.watches.has(watchId)) throw new Refusal('mvcc: duplicate watch ID provided on the WatchStream', 'Unknown');
      return watchId;
    }
    while (this.watches.has(this.nextId)) this.nextId += 1;
    return this.nextId++;
  }

  /**
   * Checks that the client may watch a span. For a watch of all keys from one key on, etcd requires only the permission
   * to read that key. The text of the error contains its code.
   */
  private checkAccess(span: KeySpan): void {
    try {
      this.call.mayWatch(span.to === undefined ? keySpan(span.from) : span);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const { code, text } = this.traits.watchRefusalHasCause ? error : refusal('PermissionDenied');
      throw new Refusal(`rpc error: code = ${code} desc = ${text}`, code);
    }
  }

  /** Sends the history from the start revision on, in parts of at most 1 000 revisions. */
  private replay(watch: Watch): void {
    const { compactRevision } = this.mvcc;
    if (watch.from < compactRevision) {
      this.watches.delete(watch.id);
      this.call.send({ ...this.response(watch.id, 0), compactRevision, canceled: true });
      return;
    }
    let part: WatchEvent[] = [];
    let revisions = 0;
    const { span } = watch;
    this.mvcc.forEachChange(watch.from, ({ key, event }) => {
      if (!contains(span, key)) return;
      if (event.revision !== part.at(-1)?.revision) revisions += 1;
      if (revisions > MAX_REVISIONS) {
        this.deliver(watch, part);
        part = [];
        revisions = 1;
      }
      part.push(event);
    });
    this.deliver(watch, part);
    // The client may have cancelled the watch in response to the history.
    if (this.watches.get(watch.id) === watch) this.all.index.add(watch);
  }

  private cancel(id: number): void {
    const watch = this.watches.get(id);
    if (watch === undefined) return;
    this.watches.delete(id);
    this.all.index.delete(watch);
    this.send(id, { canceled: true });
  }

  /** Adds the previous key-value to an event, unless the key is new or its history was compacted. */
  private withPrevKv(event: WatchEvent): WatchEvent {
    if (event.type === 'put' && event.kv.createRevision === event.revision) return event;
    const prevKv = this.mvcc.getAt(keyOf(event.kv.keyBytes), event.revision - 1);
    return prevKv === undefined ? event : { ...event, prevKv };
  }

  private sendEvents({ id, request }: Watch, events: readonly WatchEvent[]): void {
    const parts = request.fragment && this.traits.fragments ? fragmentsOf(events) : [events];
    parts.forEach((part, index) => this.send(id, { events: part, fragment: index < parts.length - 1 }));
  }

  private send(id: number, fields: Partial<Response> = {}): void {
    this.call.send({ ...this.response(id, this.mvcc.revision), ...fields });
  }

  private response(watchId: number, revision: number): Response {
    return {
      header: this.call.header(revision),
      watchId,
      created: false,
      canceled: false,
      compactRevision: 0,
      cancelReason: '',
      fragment: false,
      events: [],
    };
  }
}

/** Splits events into parts that are below the size limit. An event that reaches the limit alone is a separate part. */
function fragmentsOf(events: readonly WatchEvent[]): readonly (readonly WatchEvent[])[] {
  const parts: WatchEvent[][] = [];
  let size = Infinity;
  for (const event of events) {
    const bytes = ((event.kv.base64Length + (event.prevKv?.base64Length ?? 0)) * 3) / 4;
    size += bytes;
    if (size < FRAGMENT_BYTES) parts.at(-1)?.push(event);
    else {
      parts.push([event]);
      size = bytes;
    }
  }
  return parts;
}
