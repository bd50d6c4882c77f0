/**
 * The parts of a browser that rxetcd uses. A page has all of them, a worker all but `document`. Bun and newer Nodes
 * have the first two. jsdom has no `fetch`.
 */
export interface BrowserHost {
  readonly fetch?: ((url: string, init: FetchInit) => Promise<FetchResponse>) | undefined;
  readonly WebSocket: new (url: string, protocols: string[]) => BrowserSocket;
  readonly location?: { readonly href: string; readonly origin: string } | undefined;
  readonly document?: Partial<EventSource> | undefined;
  readonly addEventListener?: EventSource['addEventListener'];
  readonly removeEventListener?: EventSource['removeEventListener'];
}

/** The options of a fetch. */
export interface FetchInit {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly signal: AbortSignal;
  readonly cache: 'no-store';
  readonly redirect: 'manual' | 'follow';
  readonly mode?: 'no-cors';
}

/** The response of a fetch, as far as it is read. */
export interface FetchResponse {
  readonly status: number;
  readonly type: string;
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

/** The host that this runs on. */
export const browserHost = globalThis as unknown as BrowserHost;
