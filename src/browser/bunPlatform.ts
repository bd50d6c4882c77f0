import type { OptionLimits, Platform, Settings } from '../options/clientOptions.js';
import type { TlsSettings } from '../options/connectionOptions.js';
import { nodeOptions } from '../options/nodeOptions.js';
import { jsonWire } from '../transport/json/jsonWire.js';
import type { Wire } from '../transport/wire.js';
import { browserPlatform } from './browserPlatform.js';
import { fetchTransport } from './fetchTransport.js';
import { browserHost, type BrowserHost, type BrowserSocket, type FetchInit, type FetchResponse } from './host.js';

/** The functions of Bun that take TLS options. The names in these options are those of rxetcd's `tls`. */
interface Bun {
  fetch(url: string, init: FetchInit & { readonly tls: TlsSettings }): Promise<FetchResponse>;
  readonly WebSocket: new (url: string, options: { readonly protocols: string[]; readonly tls: TlsSettings }) => BrowserSocket;
}

/** Returns a host whose requests and WebSockets use these TLS options. */
export function hostWith(tls: TlsSettings, host: BrowserHost = browserHost): BrowserHost {
  const { Request, ReadableStream } = host;
  const bun = host as unknown as Bun;
  return {
    Request,
    ReadableStream,
    fetch: (url, init) => bun.fetch(url, { ...init, tls }),
    WebSocket: class extends bun.WebSocket {
      constructor(url: string, protocols: string[]) {
        super(url, { protocols, tls });
      }
    },
  };
}

function limits(): OptionLimits {
  const { refused: { tls: _, ...refused } = {}, ...others } = browserPlatform.limits({});
  return { ...others, ...nodeOptions, refused };
}

const wire = (settings: Settings): Wire =>
  jsonWire(fetchTransport(settings, hostWith(settings.tls)), settings, browserPlatform.parts.messagesOf);

/**
 * The platform of Bun. It has the parts of the browser's platform, but its `fetch` and `WebSocket` take TLS options.
 */
export const bunPlatform: Platform = { ...browserPlatform, limits, wire };
