import { asyncScheduler, firstValueFrom, Observable, race, type Subscriber, Subscription, timer, type Unsubscribable } from 'rxjs';
import { type ErrorDetails, EtcdError, isEtcdError } from '../errors/index.js';
import { type HttpRequest, type Outcome, responseTooLarge, type StreamPart, type Transport } from '../transport/http/transport.js';
import { browserHost, type BrowserHost, type ChunkReader, type FetchResponse, PagePresence } from './host.js';
import { webSocketDuplex } from './webSocket.js';
import { pageLeft } from '../transport/wire.js';
import { joinBytes, longText } from '../model/bytes.js';

/** A header that rxetcd adds, and that the CORS of etcd refuses. */
const LEADER_HEADER = 'grpc-metadata-hasleader';

/** Returns the headers that a page may send. A browser sets `user-agent` by itself. */
export function headersFor({ origin, headers }: Pick<HttpRequest, 'origin' | 'headers'>, page: string | undefined): Record<string, string> {
  const { 'user-agent': _, [LEADER_HEADER]: leader, ...rest } = headers;
  const isSameOrigin = page === undefined || page === origin;
  return isSameOrigin && leader !== undefined ? { ...rest, [LEADER_HEADER]: leader } : rest;
}

/**
 * Refuses headers that a caller has passed, as the CORS of etcd would. The browser would not give the reason of that.
 *
 * @throws EtcdError `InvalidArgument`
 */
function refuseOwnHeaders({ origin, hasOwnHeaders }: HttpRequest, page: string | undefined, where: ErrorDetails): void {
  if (hasOwnHeaders !== true || page === undefined || page === origin) return;
  const problem = "expected none to another origin than the page's, where etcd's CORS refuses them";
  throw new EtcdError('InvalidArgument', `headers and requireLeader: ${problem}; let a proxy serve etcd at the page's origin`, where);
}

const NO_REASON =
  'the browser gives no reason; the server is away, its certificate is not trusted, or its option --cors does not allow this page';

const clientClosed = (where: ErrorDetails): EtcdError => new EtcdError('ClientClosed', 'the client is closed', where);

/** A fetch in progress. */
export abstract class FetchRequest implements Unsubscribable {
  protected readonly where: ErrorDetails;
  // Truly private: a log that shows a subscription must show neither the token nor the body.
  readonly #request: HttpRequest;
  readonly #controller = new AbortController();
  private answered = false;
  private ended = false;
  /** The headers of the response that the browser shows. */
  protected headers: Readonly<Record<string, string>> | undefined;

  constructor(
    request: HttpRequest,
    private readonly running: Set<FetchRequest>,
  ) {
    this.#request = request;
    this.where = { rpc: request.rpc, endpoint: request.endpoint ?? request.origin };
  }

  /** Takes a part of the body. */
  protected abstract take(bytes: Uint8Array, status: number): void;
  /** Ends the request with its complete response. */
  protected abstract finish(status: number): void;
  protected abstract fail(failure: unknown): void;

  start(host: BrowserHost): this {
    this.running.add(this);
    this.send(host).catch((error: unknown) => this.end(() => this.fail(this.failureOf(error))));
    return this;
  }

  private async send(host: BrowserHost): Promise<void> {
    const { origin, path, method, body, onSent } = this.#request;
    if (host.fetch === undefined) throw new EtcdError('UnsupportedRuntime', 'there is no fetch here, which every call needs', this.where);
    refuseOwnHeaders(this.#request, host.location?.origin, this.where);
    // A browser does not say when the request leaves, nor whether it did.
    onSent?.();
    const headers = headersFor(this.#request, host.location?.origin);
    const response = await host.fetch(origin + path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      signal: this.#controller.signal,
      cache: 'no-store',
      redirect: 'manual',
    });
    await this.read(response);
  }

  /** Fails with `ClientClosed`. */
  close(): void {
    this.#controller.abort();
    this.end(() => this.fail(clientClosed(this.where)));
  }

  /** Fails with `ConnectionLost`, as the page goes away. */
  leave(): void {
    this.#controller.abort();
    this.end(() => this.fail(pageLeft(this.where)));
  }

  unsubscribe(): void {
    if (this.ended) return;
    this.end(() => undefined);
    this.#controller.abort();
  }

  private async read(response: FetchResponse): Promise<void> {
    const { onReceived } = this.#request;
    // A redirect that was not followed shows nothing, not even its status.
    const status = response.type === 'opaqueredirect' ? 302 : response.status;
    this.answered = true;
    this.headers = Object.fromEntries(response.headers ?? []);
    if (!this.ended) onReceived?.();
    const reader: ChunkReader | undefined = response.body?.getReader();
    while (reader !== undefined && !this.ended) {
      const { done, value } = await reader.read();
      // It may have been unsubscribed meanwhile, and must report nothing any more.
      if (done || this.isOver()) break;
      onReceived?.();
      if (value !== undefined) this.take(value, status);
    }
    this.end(() => this.finish(status));
  }

  private isOver(): boolean {
    return this.ended;
  }

  private failureOf(error: unknown): EtcdError {
    this.#controller.abort();
    if (isEtcdError(error)) return error;
    const why = error instanceof Error ? error.message : String(error);
    const message = this.answered ? `the answer was cut off: ${why}` : `no answer: ${why} (${NO_REASON})`;
    return new EtcdError('ConnectionLost', message, { ...this.where, cause: error });
  }

  private end(report: () => void): void {
    if (this.ended) return;
    this.ended = true;
    this.running.delete(this);
    report();
  }
}

/** A request with one response. */
export class FetchExchange<A> extends FetchRequest {
  private readonly chunks: Uint8Array[] = [];
  private bytes = 0;

  constructor(
    request: HttpRequest,
    running: Set<FetchRequest>,
    private readonly maxBytes: number,
    private readonly outcome: Outcome<A>,
    private readonly subscriber: Subscriber<A>,
  ) {
    super(request, running);
  }

  protected take(chunk: Uint8Array, status: number): void {
    this.bytes += chunk.length;
    if (this.bytes > this.maxBytes) throw responseTooLarge(this.where);
    const { parts } = this.outcome;
    if (parts === undefined || status !== 200) this.chunks.push(chunk);
    else parts.push(chunk);
  }

  protected finish(status: number): void {
    const { parts } = this.outcome;
    let answer: A;
    try {
      const body = parts === undefined || status !== 200 ? longText(joinBytes(this.chunks)) : parts.text;
      answer = this.outcome.read({ status, body, headers: this.headers });
    } catch (failure) {
      return this.fail(failure);
    }
    this.subscriber.next(answer);
    this.subscriber.complete();
  }

  protected fail(failure: unknown): void {
    this.outcome.recover(failure).subscribe(this.subscriber);
  }
}

/** A request whose response is emitted as it arrives. */
export class FetchStream extends FetchRequest {
  private readonly refusal: Uint8Array[] = [];
  private refusalBytes = 0;

  constructor(
    request: HttpRequest,
    running: Set<FetchRequest>,
    private readonly maxBytes: number,
    private readonly subscriber: Subscriber<StreamPart>,
  ) {
    super(request, running);
  }

  protected take(bytes: Uint8Array, status: number): void {
    if (status === 200) return this.subscriber.next({ type: 'chunk', bytes });
    this.refusalBytes += bytes.length;
    if (this.refusalBytes > this.maxBytes) throw responseTooLarge(this.where);
    this.refusal.push(bytes);
  }

  protected finish(status: number): void {
    const { subscriber } = this;
    if (status !== 200) subscriber.next({ type: 'refused', response: { status, body: longText(joinBytes(this.refusal)) } });
    subscriber.complete();
  }

  protected fail(failure: unknown): void {
    this.subscriber.error(failure);
  }
}

/**
 * The most streams to a host over HTTP/1.1. A browser has six connections to a host, and two are left for calls. Over
 * TLS etcd speaks HTTP/2, which has no such limit.
 */
const MOST_STREAMS = 4;
/** One more is allowed while it replaces another. A stream that had to wait for its turn could not be replaced. */
const MOST_WITH_REPLACEMENTS = MOST_STREAMS + 1;

/** How long a stream waits for another to end, in milliseconds: less than the timeout of its first response. */
const WAIT_MS = 1_000;

/** Limits the streams to each host, and the calls that wait at the server, so that other calls have connections. */
export class StreamSlots {
  private readonly hosts = new Map<string, { open: number; readonly waiting: Set<() => void> }>();

  /**
   * Runs `start` when the host may have one more stream, or `refuse` when none has ended for a while. The slot is free
   * again when the Subscription that is returned ends.
   */
  take(request: HttpRequest, start: () => void, refuse: (error: EtcdError) => void): Subscription {
    const { origin, replaces = false } = request;
    const taken = new Subscription();
    const host = this.hosts.get(origin) ?? { open: 0, waiting: new Set() };
    this.hosts.set(origin, host);
    const begin = (): void => {
      host.open += 1;
      taken.add(() => {
        host.open -= 1;
        if (host.open >= MOST_STREAMS) return;
        const [next] = host.waiting;
        next?.();
      });
      start();
    };
    if (!origin.startsWith('http:') || host.open < (replaces ? MOST_WITH_REPLACEMENTS : MOST_STREAMS)) {
      begin();
      return taken;
    }
    const patience = asyncScheduler.schedule(() => {
      host.waiting.delete(proceed);
      refuse(tooMany(host.open, whereOf(request)));
    }, WAIT_MS);
    const proceed = (): void => {
      host.waiting.delete(proceed);
      patience.unsubscribe();
      begin();
    };
    host.waiting.add(proceed);
    taken.add(patience);
    taken.add(() => host.waiting.delete(proceed));
    return taken;
  }
}

type Place = Pick<HttpRequest, 'rpc' | 'origin' | 'endpoint'>;

const whereOf = ({ rpc, origin, endpoint = origin }: Place): ErrorDetails => ({ rpc, endpoint });

const tooMany = (open: number, where: ErrorDetails): EtcdError =>
  new EtcdError(
    'TooManyPending',
    `${open} streams or waiting calls are open, of a browser's six connections over HTTP/1.1; use https, or WebSocket, or fewer of them`,
    where,
  );

/** How long closing waits for the sockets, in milliseconds. */
const FAREWELL_MS = 1_000;

/** Shared by all clients of a page or worker, as the browser counts their connections together. */
const slots = new StreamSlots();

/** Makes the transport for browsers, over `fetch` and `WebSocket`. */
export function fetchTransport({ maxResponseBytes }: { readonly maxResponseBytes: number }, host: BrowserHost = browserHost): Transport {
  const running = new Set<FetchRequest>();
  const leaving = new Set<Promise<void>>();
  const page = new PagePresence(host);
  const failedSockets = new Map<string, number>();
  let closed = false;

  return {
    exchange: (request, outcome) =>
      new Observable((subscriber) => {
        const refuse = (error: EtcdError): void => subscriber.add(outcome.recover(error).subscribe(subscriber));
        const start = (): void => {
          if (closed) return refuse(clientClosed(whereOf(request)));
          subscriber.add(new FetchExchange(request, running, maxResponseBytes, outcome, subscriber).start(host));
        };
        // A call that waits at the server, as for a lock, holds its connection as a stream does.
        if (request.patient === true) subscriber.add(slots.take(request, start, refuse));
        else start();
      }),

    stream: (request) =>
      new Observable((subscriber) => {
        if (closed) return subscriber.error(clientClosed(whereOf(request)));
        const start = (): void => {
          if (closed) return subscriber.error(clientClosed(whereOf(request)));
          const stream = new FetchStream(request, running, maxResponseBytes, subscriber);
          subscriber.add(page.onLeave(() => stream.leave()));
          subscriber.add(stream.start(host));
        };
        // The slot may be that of a stream which has just ended because the page was left, or the client closed.
        const startWhenHere = (): void => subscriber.add(page.whenHere(start));
        subscriber.add(slots.take(request, startWhenHere, (error) => subscriber.error(error)));
      }),

    duplex: (request) =>
      new Observable((subscriber) => {
        subscriber.add(
          page.whenHere(() => {
            if (closed) return subscriber.error(clientClosed(whereOf(request)));
            webSocketDuplex(request, { host, page, maxResponseBytes, leaving, failedSockets }).subscribe(subscriber);
          }),
        );
      }),

    // The browser keeps the connections.
    release: () => undefined,

    close: async () => {
      closed = true;
      page.close();
      for (const request of [...running]) request.close();
      await firstValueFrom(race(Promise.all(leaving), timer(FAREWELL_MS)));
    },
  };
}
