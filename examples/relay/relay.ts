import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Feed } from './feed.js';

/** The options of a relay. */
export interface RelayOptions {
  /** The feeds, by the path under which a page reads them. A page can read nothing else. */
  readonly feeds: Readonly<Record<string, Feed>>;
  /** Returns whether the sender of a request may read a path: the auth of your site, as by a cookie of its session. */
  readonly mayRead: (request: IncomingMessage, path: string) => boolean;
}

/** How often a stream without updates gets a comment, so that proxies and browsers do not take it for dead. */
const HEARTBEAT_MS = 15_000;

/** Creates the handler of requests: it streams a feed by server-sent events. */
export function relay({ feeds, mayRead }: RelayOptions): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://relay');
    const feed = Object.hasOwn(feeds, pathname) ? feeds[pathname] : undefined;
    if (!mayRead(request, pathname)) response.writeHead(401).end();
    else if (feed === undefined) response.writeHead(404).end();
    else stream(feed, request, response);
  };
}

/** Streams a feed. A page that reads slowly skips states, and so never fills the memory of the relay. */
function stream(feed: Feed, request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
  response.flushHeaders();
  let known = Number(request.headers['last-event-id']) || 0;
  let lastHead: string | undefined;
  let isFull = false;
  const push = (): void => {
    if (isFull) return;
    const message = feed.messageSince(known);
    const { status, error, ...news } = message;
    const head = JSON.stringify({ status, error });
    if (head === lastHead && Object.keys(news).length === 0) return;
    lastHead = head;
    if (status !== 'loading') known = feed.revision;
    isFull = !response.write(`id: ${known}\ndata: ${JSON.stringify(message)}\n\n`);
  };
  response.on('drain', () => {
    isFull = false;
    push();
  });
  const following = feed.news.subscribe(push);
  push();
  const heartbeat = setInterval(() => isFull || response.write(':\n\n'), HEARTBEAT_MS);
  response.on('close', () => {
    clearInterval(heartbeat);
    following.unsubscribe();
  });
}
