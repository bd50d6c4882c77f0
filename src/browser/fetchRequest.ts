import { firstValueFrom, type Subscriber, type Unsubscribable } from 'rxjs';
import { type ErrorDetails, EtcdError, isEtcdError } from '../errors/index.js';
import { Body, type HttpRequest, type Outcome, settle, type StreamPart } from '../transport/http/transport.js';
import { pageLeft } from '../transport/wire.js';
import { LazyModule } from '../util/rx.js';
import type { BrowserHost, ChunkReader, FetchResponse } from './host.js';
import type { SentBody, WriteBodies } from './writeBodies.js';

/** The header that requires a leader. etcd's CORS configuration does not allow it. */
const LEADER_HEADER = 'grpc-metadata-hasleader';

/** Returns the headers that a page may send. The browser sets `user-agent` itself. */
export function headersFor({ origin, headers }: Pick<HttpRequest, 'origin' | 'headers'>, page: string | undefined): Record<string, string> {
  const { 'user-agent': _, [LEADER_HEADER]: leader, ...rest } = headers;
  const isSameOrigin = page === undefined || page === origin;
  return isSameOrigin && leader !== undefined ? { ...rest, [LEADER_HEADER]: leader } : rest;
}

/**
 * Rejects the headers of a single call on another origin, as etcd's CORS configuration does not allow them. The
 * browser's own error would not name the reason.
 *
 * @throws EtcdError `InvalidArgument`
 */
function refuseOwnHeaders({ origin, hasOwnHeaders }: HttpRequest, page: string | undefined, where: ErrorDetails): void {
  if (hasOwnHeaders !== true || page === undefined || page === origin) return;
  const problem = "expected neither for another origin than the page's, as etcd's CORS rejects them";
  throw new EtcdError('InvalidArgument', `headers and requireLeader: ${problem}; let a proxy serve etcd at the page's origin`, where);
}

const NO_REASON =
  'the browser gives no reason; the server may be down, its certificate untrusted, or this page not allowed by its option --cors';

export const clientClosed = (where: ErrorDetails): EtcdError => new EtcdError('ClientClosed', 'the client is closed', where);

/** Returns the RPC and the endpoint of a request, for errors. */
export const whereOf = ({ rpc, origin, endpoint = origin }: Pick<HttpRequest, 'rpc' | 'origin' | 'endpoint'>): ErrorDetails => ({
  rpc,
  endpoint,
});

/** Loads the code for bodies of writes on demand. Many pages write nothing, or do not use TLS. */
const writeBodies = new LazyModule(() => import('./writeBodies.js'));

/** The state of a transport that all its requests share. */
export interface FetchDeps {
  readonly host: BrowserHost;
  /** Creates the bodies of writes over TLS; undefined until its code is loaded. */
  bodies?: WriteBodies;
  /** The longest response, in bytes. */
  readonly maxResponseBytes: number;
  /** The requests in progress. */
  readonly running: Set<FetchRequest>;
}

/** A request in progress, which uses `fetch`. */
export abstract class FetchRequest implements Unsubscribable {
  protected readonly where: ErrorDetails;
  /** Collects the body of the response. For a stream, it collects only the body of a rejected request. */
  protected readonly body: Body;
  // The field is private at run time as well. A log that shows a subscription must show neither the token nor the body.
  readonly #request: HttpRequest;
  readonly #controller = new AbortController();
  private responded = false;
  private ended = false;
  /** The headers of the response, as far as the browser shows them. */
  protected headers: Readonly<Record<string, string>> | undefined;

  constructor(
    request: HttpRequest,
    protected readonly deps: FetchDeps,
  ) {
    this.#request = request;
    this.where = whereOf(request);
    this.body = new Body(deps.maxResponseBytes, this.where);
  }

  /** Called with a part of the body. */
  protected abstract take(bytes: Uint8Array, status: number): void;
  /** Ends the request. Called when the response is complete. */
  protected abstract finish(status: number): void;
  protected abstract fail(failure: unknown): void;

  start(): this {
    this.deps.running.add(this);
    this.send().catch((error: unknown) => this.end(() => this.fail(this.failureOf(error))));
    return this;
  }

  private async send(): Promise<void> {
    const { host } = this.deps;
    const { origin, path, method, onSent } = this.#request;
    if (host.fetch === undefined) throw new EtcdError('UnsupportedRuntime', 'this runtime has no fetch, which rxetcd requires', this.where);
    refuseOwnHeaders(this.#request, host.location?.origin, this.where);
    const headers = headersFor(this.#request, host.location?.origin);
    const body = this.bodyNow(headers) ?? (await this.bodyLater(headers));
    if (this.isOver()) return;
    // The browser does not report when the request is sent, or whether it was sent.
    onSent?.();
    const response = await host.fetch(origin + path, {
      method,
      headers,
      ...body,
      signal: this.#controller.signal,
      // `cache` is set only for GET, as no cache keeps the response to a POST. For a POST, the browser would also send
      // a CORS preflight request because of this option.
      ...(method === 'GET' ? { cache: 'no-store' } : {}),
      redirect: 'manual',
    });
    await this.read(response);
  }

  /** Returns the body; undefined if the body of a write must be created first. */
  private bodyNow(headers: HttpRequest['headers']): SentBody | undefined {
    const { body, origin, readPath } = this.#request;
    if (body === undefined) return {};
    // A body can be a stream only over HTTP/2, which a browser does not use without TLS.
    if (readPath === undefined || !origin.startsWith('https:')) return { body };
    return this.deps.bodies?.at({ origin, headers, body, readPath });
  }

  private async bodyLater(headers: HttpRequest['headers']): Promise<SentBody> {
    const { body = '', origin, readPath = '' } = this.#request;
    const module = await firstValueFrom(writeBodies.module$);
    const bodies = (this.deps.bodies ??= new module.WriteBodies(this.deps.host));
    const write = { origin, headers, body, readPath };
    return bodies.at(write) ?? bodies.tried(write, this.where);
  }

  /** Ends the request with `ClientClosed`. */
  close(): void {
    this.#controller.abort();
    this.end(() => this.fail(clientClosed(this.where)));
  }

  /** Ends the request with `ConnectionLost`, as the user leaves the page. */
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
    // If a redirect was not followed, the browser hides the whole response, even its status.
    const status = response.type === 'opaqueredirect' ? 302 : response.status;
    this.responded = true;
    this.headers = Object.fromEntries(response.headers ?? []);
    if (!this.ended) onReceived?.();
    const reader: ChunkReader | undefined = response.body?.getReader();
    while (reader !== undefined && !this.ended) {
      const { done, value } = await reader.read();
      // If the subscriber has unsubscribed meanwhile, it must not be notified.
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
    this.deps.bodies?.failed(this.#request.origin);
    if (isEtcdError(error)) return error;
    const why = error instanceof Error ? error.message : String(error);
    // Bun reports the cause as a code, so its errors need no advice.
    const advice = (error as { code?: unknown } | null)?.code === undefined ? ` (${NO_REASON})` : '';
    const message = this.responded ? `the response was cut off: ${why}` : `no response: ${why}${advice}`;
    return new EtcdError('ConnectionLost', message, { ...this.where, cause: error });
  }

  private end(report: () => void): void {
    if (this.ended) return;
    this.ended = true;
    this.deps.running.delete(this);
    report();
  }
}

/** A request with one response. */
export class FetchExchange<A> extends FetchRequest {
  constructor(
    request: HttpRequest,
    deps: FetchDeps,
    private readonly outcome: Outcome<A>,
    private readonly subscriber: Subscriber<A>,
  ) {
    super(request, deps);
  }

  protected take(chunk: Uint8Array, status: number): void {
    const { parts } = this.outcome;
    if (parts === undefined || status !== 200) return this.body.push(chunk);
    this.body.count(chunk);
    parts.push(chunk);
  }

  protected finish(status: number): void {
    const { body, headers } = this;
    const { parts } = this.outcome;
    const text = (): string => (parts === undefined || status !== 200 ? body : parts).text;
    settle(this.outcome, () => ({ status, body: text(), headers }), this.subscriber);
  }

  protected fail(failure: unknown): void {
    this.outcome.recover(failure).subscribe(this.subscriber);
  }
}

/** A request whose response is emitted as it arrives. */
export class FetchStream extends FetchRequest {
  constructor(
    request: HttpRequest,
    deps: FetchDeps,
    private readonly subscriber: Subscriber<StreamPart>,
  ) {
    super(request, deps);
  }

  protected take(bytes: Uint8Array, status: number): void {
    if (status === 200) this.subscriber.next({ type: 'chunk', bytes });
    else this.body.push(bytes);
  }

  protected finish(status: number): void {
    const { body, subscriber } = this;
    if (status !== 200) subscriber.next({ type: 'refused', response: { status, body: body.text } });
    subscriber.complete();
  }

  protected fail(failure: unknown): void {
    this.subscriber.error(failure);
  }
}
