import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { monotonicNow } from '../util/time.js';
import type { BrowserHost, FetchInit, StreamSource } from './host.js';

/** A body in the form that a fetch takes. */
export type SentBody = Pick<FetchInit, 'body' | 'duplex'>;

/** The parts of a write request that decide how its body is sent. */
interface WriteRequest {
  readonly origin: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** The path of an RPC that changes nothing, for the trial. */
  readonly readPath: string;
}

/**
 * The time for which an origin counts as one without HTTP/2, in milliseconds. After that time, the proxy may have been
 * reconfigured.
 */
const WITHOUT_MS = 60_000;
/** How long a trial may take, in milliseconds. */
const TRIAL_MS = 5_000;

/**
 * Makes the bodies of writes. A browser repeats a request by itself if a connection that was used before is lost before
 * the response. A browser cannot repeat a request whose body is a stream, as it does not keep the data that it has
 * read. A stream as a body needs HTTP/2, and a page cannot see whether the server supports it. So the first write to an
 * origin waits for a trial.
 */
export class WriteBodies {
  /** Whether each origin accepts streams, and until when this result is valid. */
  private readonly known = new Map<string, { readonly takes: boolean; readonly until: number }>();
  private readonly trials = new Map<string, Promise<boolean>>();
  private able: boolean | undefined;

  constructor(private readonly host: BrowserHost) {}

  /**
   * Returns the body of a write at once if the result for its origin is known. Returns undefined if {@link tried} has
   * to determine the result.
   */
  at(request: WriteRequest): SentBody | undefined {
    const { origin, body } = request;
    if (!(this.able ??= sendsStreams(this.host))) return { body };
    const known = this.known.get(origin);
    if (known === undefined || known.until < monotonicNow()) return undefined;
    return known.takes ? this.stream(body) : { body };
  }

  /**
   * Tries the server, and resolves with the body. Rejects with `Unreachable` if the server does not respond. In that
   * case the write was not sent.
   */
  async tried(request: WriteRequest, where: ErrorDetails): Promise<SentBody> {
    const { origin, body } = request;
    const trial = this.trials.get(origin) ?? this.start(request);
    const takes = await trial.catch((cause: unknown) => {
      throw new EtcdError('Unreachable', `the server does not respond: ${String(cause)}`, { ...where, cause });
    });
    return takes ? this.stream(body) : { body };
  }

  /** Records that a write failed. The server may no longer support HTTP/2, so the next write tries it again. */
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
    // Either the server has no HTTP/2, or it does not respond at all.
    if (!takes) await this.responds(request, { body: '{}' });
    this.known.set(request.origin, { takes, until: takes ? Infinity : monotonicNow() + WITHOUT_MS });
    return takes;
  }

  /** Resolves when there is any response. The server refuses the request, which lacks a key. */
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
 * Tells whether a browser sends bodies that are streams. A browser without support sends the name of the stream's class
 * as text, with a content type; it never reads `duplex`.
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
