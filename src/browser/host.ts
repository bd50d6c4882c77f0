import { Observable } from 'rxjs';
/**
 * The parts of a browser that rxetcd uses. A page has all of them, and a worker has all except `document`. Bun and
 * newer versions of Node have `fetch`, `Request`, `ReadableStream` and `WebSocket`. jsdom has no `fetch`.
 */
export interface BrowserHost {
  readonly fetch?: ((url: string, init: FetchInit) => Promise<FetchResponse>) | undefined;
  /** The class of requests, which shows whether a body can be a stream. */
  readonly Request?: (new (url: string, init: object) => { readonly headers: { has(name: string): boolean } }) | undefined;
  readonly ReadableStream?: (new (source: StreamSource) => object) | undefined;
  readonly WebSocket: new (url: string, protocols: string[]) => BrowserSocket;
  readonly location?: { readonly href: string; readonly origin: string } | undefined;
  readonly document?: Partial<EventSource> | undefined;
  readonly addEventListener?: EventSource['addEventListener'];
  readonly removeEventListener?: EventSource['removeEventListener'];
}

/** The source of a stream, which fills the stream when it is created. */
export interface StreamSource {
  start?(controller: { enqueue(bytes: Uint8Array): void; close(): void }): void;
}

/** The options of a fetch. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | object;
  /** The value that a browser requires if the body is a stream. */
  readonly duplex?: 'half';
  readonly signal: AbortSignal;
  readonly cache?: 'no-store';
  readonly redirect: 'manual' | 'follow';
  readonly mode?: 'no-cors';
}

/** The parts of a response that are used. */
export interface FetchResponse {
  readonly status: number;
  readonly type: string;
  readonly headers?: Iterable<readonly [string, string]>;
  readonly body: { getReader(): ChunkReader } | null;
}

/** Reads the chunks of a response. */
export interface ChunkReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>;
}

/** The WebSocket of a browser. */
export interface BrowserSocket {
  onopen: (() => void) | null;
  onmessage: ((event: { readonly data: unknown }) => void) | null;
  onclose: ((event: { readonly code: number }) => void) | null;
  send(text: string): void;
  close(): void;
}

interface EventSource {
  addEventListener(type: string, listener: () => void): void;
  removeEventListener(type: string, listener: () => void): void;
}

/** The host on which this code runs. */
export const browserHost = globalThis as unknown as BrowserHost;

/** The events of a window and of a document after which a page may run no code for a long time. */
const AWAY = { window: 'pagehide', document: 'freeze' } as const;
/** The events after which the page runs code again. */
const BACK = { window: 'pageshow', document: 'resume' } as const;

/**
 * Tracks whether a page can run. A page that the user leaves may be kept in the back/forward cache, and a hidden page
 * may be frozen. The streams are closed before that, so that none of them remains at the server. They are opened again
 * afterwards.
 */
export class PagePresence {
  private away = false;
  private readonly streams = new Set<() => void>();
  private readonly waiting = new Set<() => void>();

  constructor(private readonly host: BrowserHost) {
    host.addEventListener?.(AWAY.window, this.leave);
    host.addEventListener?.(BACK.window, this.comeBack);
    host.document?.addEventListener?.(AWAY.document, this.leave);
    host.document?.addEventListener?.(BACK.document, this.comeBack);
  }

  /** Runs `open` now, or when the user is back on the page. Returns a function that cancels it. */
  whenHere(open: () => void): () => void {
    if (!this.away) {
      open();
      return () => undefined;
    }
    this.waiting.add(open);
    return () => this.waiting.delete(open);
  }

  /** Runs `end` when the user leaves the page, or the browser freezes it. Returns a function that cancels it. */
  onLeave(end: () => void): () => void {
    this.streams.add(end);
    return () => this.streams.delete(end);
  }

  /** Stops listening to the events of the page. */
  close(): void {
    const { host } = this;
    host.removeEventListener?.(AWAY.window, this.leave);
    host.removeEventListener?.(BACK.window, this.comeBack);
    host.document?.removeEventListener?.(AWAY.document, this.leave);
    host.document?.removeEventListener?.(BACK.document, this.comeBack);
    this.comeBack();
  }

  private readonly leave = (): void => {
    this.away = true;
    for (const end of this.streams) end();
  };

  private readonly comeBack = (): void => {
    this.away = false;
    for (const open of this.waiting) {
      this.waiting.delete(open);
      open();
    }
  };
}

/**
 * Emits when a page is hidden or shown. Timers of a hidden page run late. So leases are refreshed when the page is
 * hidden, and again when it is shown.
 */
export const visibility$ = new Observable<void>((subscriber) => {
  const { document } = browserHost;
  const changed = (): void => subscriber.next();
  document?.addEventListener?.('visibilitychange', changed);
  return () => document?.removeEventListener?.('visibilitychange', changed);
});
