import type { Identity } from '../concurrency/context.js';
import type { OptionLimits, Settings, Platform } from '../options/clientOptions.js';
import { jsonWire } from '../transport/json/jsonWire.js';
import type { Wire } from '../transport/wire.js';
import { fetchTransport } from './fetchTransport.js';
import { type BrowserHost, browserHost } from './host.js';
import { lazyParts } from './lazyParts.js';

const BY_BROWSER = 'not in a browser or on Bun, which decide this by themselves';

/** The options that a browser does not support, each with the reason. */
const REFUSED: NonNullable<OptionLimits['refused']> = {
  tls: 'not in a browser, which has its own certificates; import the authority there',
  connectTimeoutMs: BY_BROWSER,
  maxConnections: BY_BROWSER,
  keepAliveMs: BY_BROWSER,
  userAgent: BY_BROWSER,
};

function limits(): OptionLimits {
  const baseUrl = baseUrlOf(browserHost.location);
  return {
    refused: REFUSED,
    noHttp2: 'browsers have no HTTP/2 streams both ways',
    ...(baseUrl === undefined ? {} : { baseUrl }),
  };
}

/**
 * Returns the base URL of relative endpoints. A worker that was created from text has a `blob:` URL. Such a URL cannot
 * be a base URL, but it contains the origin of the page that created the worker.
 */
export function baseUrlOf(location: BrowserHost['location']): string | undefined {
  return [location?.href, location?.origin].find((url) => url !== undefined && /^https?:/.test(url));
}

const wire = (settings: Settings): Wire => jsonWire(fetchTransport(settings), settings, lazyParts.messagesOf);

let known: Identity | undefined;

/**
 * Creates the identity of this page or worker. A page cannot detect its host and process, so all three names are the
 * same.
 */
function identity(): Identity {
  if (known === undefined) {
    const name = `browser/${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;
    known = { host: name, process: name, thread: name };
  }
  return known;
}

/** The platform of a page or a worker in a browser. */
export const browserPlatform: Platform = { identity, limits, wire, parts: lazyParts };
