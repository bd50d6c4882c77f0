import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { monotonicNow } from '../util/time.js';
import type { BrowserHost, FetchInit, StreamSource } from './host.js';

/** A body in the form that a fetch takes. */
export type SentBody = Pick<FetchInit, 'body' | 'duplex'>;

/** The properties of a write request that decide how its body is sent. */
interface WriteRequest {
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The path of an RPC that only reads, to which a trial request is sent. */
  readonly readPath: string;
}

/**
 * How long an origin counts as one without HTTP/2, in milliseconds. After this time, another trial request is sent, as
 * the proxy may have been reconfigured.
 */
const WITHOUT_MS = 60_000;
/** The timeout of a trial request, in milliseconds. */
const TRIAL_MS = 5_000;

/**
 * Creates the bodies of writes. If a reused connection is lost before the response arrives, a browser automatically
 * repeats the request. A browser cannot repeat a request whose body is a stream, as it does not keep the data of the
 * stream. A stream as a body needs HTTP/2, and a page cannot see whether the server supports HTTP/2. So the first write
 * to an origin waits for a trial request.
 */
export class WriteBodies {
  /** Whether an origin accepts streams as bodies, and until when this result is valid. The keys are origins. */
  private readonly known = new Map<string, { readonly takes: boolean; readonly until: number }>();
  private readonly trials = new Map<string, Promise<boolean>>();
  private able: boolean | undefined;

  constructor(private readonly host: BrowserHost) {}

  /** Returns the body of a write; undefined if it depends on a trial request. In that case, use {@link tried}. */
  at(request: WriteRequest): SentBody | undefined {
    const { origin, body } = request;
    if (!(this.able ??= sendsStreams(this.host))) return { body };
    const known = this.known.get(origin);
    if (known === undefined || known.until < monotonicNow()) return undefined;
    return known.takes ? this.stream(body) : { body };
  }

  /**
   * Sends a trial request, unless one is in progress, and resolves with the body. Rejects with `Unreachable` if the
   * server does not respond. The write was not sent in that case.
   */
  async tried(request: WriteRequest, where: ErrorDetails): Promise<SentBody> {
    const { origin, body } = request;
    const trial = this.trials.get(origin) ?? this.start(request);
    const takes = await trial.catch((cause: unknown) => {
      throw new EtcdError('Unreachable', `the server does not respond: ${String(cause)}`, { ...where, cause });
    });
    return takes ? this.stream(body) : { body };
  }

  /**
   * Records that a write failed. The server may no longer support HTTP/2, so another trial request precedes the next
   * write.
   */
  failed(origin: string): void {
    this.known.delete(origin);
  }

  private start(request: WriteRequest): Promise<boolean> {
    const { origin } = request;
    const trial = this.takesStreams(request).finally(() => this.trials.delete(origin));
    this.trials.set(origin, trial);
    return trial;
  }

  private async takesStreams(request: WriteRequest): Promise<boolean> {
    const takes = await this.responds(request, this.stream('{}')).catch(() => false);
    // Either the server does not support HTTP/2, or it does not respond at all. A request without a stream shows which
    // of the two is true.
    if (!takes) await this.responds(request, { body: '{}' });
    this.known.set(request.origin, { takes, until: takes ? Infinity : monotonicNow() + WITHOUT_MS });
    return takes;
  }

  /** Resolves when any response arrives. The server rejects the request, as it has no key. */
  private async responds({ origin, readPath, headers }: WriteRequest, body: SentBody): Promise<true> {
    const { fetch } = this.host;
    const signal = AbortSignal.timeout(TRIAL_MS);
    const response = await fetch?.(origin + readPath, { method: 'POST', headers, ...body, signal, redirect: 'manual' });
    const reader = response?.body?.getReader();
    while (reader !== undefined && !(await reader.read()).done);
    return true;
  }

  private stream(text: string): SentBody {
    const { ReadableStream } = this.host;
    if (ReadableStream === undefined) return { body: text };
    const start: StreamSource['start'] = (controller) => {
      controller.enqueue(new TextEncoder().encode(text));
      controller.close();
    };
    return { body: new ReadableStream({ start }), duplex: 'half' };
  }
}

/**
 * Returns whether a browser can send a stream as a body. A browser that cannot do so sends the name of the stream's
 * class as text, with a content type. Such a browser never reads `duplex`.
 */
function sendsStreams({ Request, ReadableStream }: BrowserHost): boolean {
  if (Request === undefined || ReadableStream === undefined) return false;
  let read = false;
  const init = {
    method: 'POST',
    body: new ReadableStream({}),
    get duplex() {
      read = true;
      return 'half';
    },
  };
  try {
    return !new Request('data:,', init).headers.has('content-type') && read;
  } catch {
    return false;
  }
}
