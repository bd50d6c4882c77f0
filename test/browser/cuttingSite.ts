import { createServer, request as httpRequest, type IncomingMessage, type RequestListener, type ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:net';
import { listenSomewhere } from '../support/ports.js';
import type { Site, SiteFile } from './site.js';

/** The protocol between a browser and a site. */
export type Speech = 'HTTP/2' | 'HTTP/1.1 over TLS' | 'HTTP/1.1' | 'HTTP/1.1 without keep-alive';

/** A site that can cut a connection after etcd has carried out a call, and before the page has its response. */
export interface CuttingSite extends Site {
  /** The calls that were passed on to etcd. */
  readonly calls: readonly string[];
  /** Cuts the connection of the next call of this path, once. */
  cutNext(path: string): void;
}

/** Serves what `fileAt` returns for a path, and passes `/etcd/…` on to an etcd. */
export async function serveCuttingSite(
  etcd: string,
  fileAt: (path: string) => SiteFile,
  { speech, identity }: { readonly speech: Speech; readonly identity: { readonly cert: string; readonly key: string } },
): Promise<CuttingSite> {
  const calls: string[] = [];
  let due: string | undefined;
  const listener: RequestListener = (incoming, outgoing) => {
    const { url = '/', method } = incoming;
    if (speech === 'HTTP/1.1 without keep-alive') outgoing.setHeader('connection', 'close');
    if (!url.startsWith('/etcd/')) {
      const { type, body } = fileAt(url);
      return void outgoing.writeHead(200, { 'content-type': type }).end(body);
    }
    const path = url.slice('/etcd'.length);
    calls.push(path);
    const onward = httpRequest(etcd + path, { method, headers: { 'content-type': 'application/json' } }, (answer) => {
      const cut = path === due;
      if (cut) due = undefined;
      answer.on('data', (chunk: Buffer) => (cut ? incoming.socket.destroy() : outgoing.write(chunk)));
      answer.on('end', () => outgoing.end());
      outgoing.statusCode = answer.statusCode ?? 502;
    });
    onward.on('error', () => incoming.socket.destroy());
    incoming.on('error', () => onward.destroy());
    incoming.pipe(onward);
  };
  const server = serverFor(speech, identity, listener);
  const scheme = speech === 'HTTP/2' || speech === 'HTTP/1.1 over TLS' ? 'https' : 'http';
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  return {
    origin: `${scheme}://127.0.0.1:${await listenSomewhere(server)}`,
    calls,
    cutNext: (path) => (due = path),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

function serverFor(speech: Speech, identity: { readonly cert: string; readonly key: string }, listener: RequestListener): Server {
  // Both have the same types, as far as the listener uses them.
  if (speech === 'HTTP/2')
    return createSecureServer(identity, (incoming, outgoing) =>
      listener(incoming as unknown as IncomingMessage, outgoing as unknown as ServerResponse & { req: IncomingMessage }),
    );
  return speech === 'HTTP/1.1 over TLS' ? createTlsServer(identity, listener) : createServer(listener);
}
