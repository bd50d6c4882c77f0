import { build } from 'esbuild';
import { existsSync } from 'node:fs';
import { createServer, request as httpRequest, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { chromium, type Browser, type Page } from 'playwright-core';
import type { ClientOptions } from '../../src/index.js';
import { listenSomewhere } from '../support/ports.js';
import type { PageFunctions } from './page.js';

/** The names under which Debian and others install Chromium. */
const PATHS = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts Chromium. Rejects with the way to get it where there is none. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = [process.env['CHROMIUM'] ?? '', ...PATHS].find((path) => path !== '' && existsSync(path));
  if (executablePath === undefined)
    throw new Error('there is no Chromium for the tests in test/browser: run apt-get install chromium, or set CHROMIUM to its path');
  // Root needs the first. The others keep it from looking for things that a machine without a screen lacks.
  return chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'] });
}

/** A web server with one page, which has the functions of page.ts, and passes `/etcd/…` on to an etcd. */
export interface Site {
  readonly origin: string;
  close(): Promise<void>;
}

/** Serves the page, for an etcd that is reached through it. */
export async function startSite(etcd: string): Promise<Site> {
  const { outputFiles } = await build({
    entryPoints: [join(__dirname, 'page.ts')],
    ...{ bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'error' },
    tsconfigRaw: '{}',
  });
  const [script] = outputFiles;
  const upstream = (request: IncomingMessage) => ({
    host: '127.0.0.1',
    port: new URL(etcd).port,
    method: request.method,
    path: request.url?.replace(/^\/etcd/, ''),
    headers: request.headers,
  });
  const server: Server = createServer((request, response) => {
    if (request.url?.startsWith('/etcd/') === true) {
      const onward = httpRequest(upstream(request), (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
        response.on('close', () => answer.destroy());
      });
      onward.on('error', () => response.destroy());
      request.pipe(onward);
    } else if (request.url === '/page.js') response.writeHead(200, { 'content-type': 'text/javascript' }).end(script?.contents);
    else
      response
        .writeHead(200, { 'content-type': 'text/html' })
        .end('<!doctype html><title></title><script type="module" src="/page.js"></script>');
  });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const onward = httpRequest(upstream(request));
    socket.on('error', () => onward.destroy());
    onward.on('error', () => socket.destroy());
    onward.on('response', (answer) => socket.end(`HTTP/1.1 ${answer.statusCode} no\r\nconnection: close\r\n\r\n`));
    onward.on('upgrade', (answer: IncomingMessage, other: Socket, rest: Buffer) => {
      const lines = Object.entries(answer.headers).map(([name, value]) => `${name}: ${String(value)}`);
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${lines.join('\r\n')}\r\n\r\n`);
      socket.write(rest);
      other.on('error', () => socket.destroy()).on('close', () => socket.destroy());
      socket.on('close', () => other.destroy());
      other.pipe(socket).pipe(other);
    });
    onward.end(head);
  });
  const origin = `http://127.0.0.1:${await listenSomewhere(server)}`;
  return {
    origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** A page with a client. */
export class ClientPage {
  constructor(readonly page: Page) {}

  /** Opens the page of a site. */
  static async open(browser: Browser, site: Site, options: ClientOptions): Promise<ClientPage> {
    const opened = new ClientPage(await browser.newPage());
    await opened.page.goto(site.origin);
    await opened.page.waitForFunction('globalThis.page !== undefined');
    const refused = await opened.call('open', options);
    if (refused !== undefined) throw new Error(refused);
    return opened;
  }

  /** Closes the client, if the page is still there, and the page. Without the first, etcd 3.5 may keep watches of it. */
  async close(): Promise<void> {
    await this.page.evaluate('globalThis.page?.close().then(() => undefined)');
    await this.page.close();
  }

  /** Calls a function of page.ts in the page. */
  call<N extends keyof PageFunctions>(name: N, ...args: Parameters<PageFunctions[N]>): Promise<Awaited<ReturnType<PageFunctions[N]>>> {
    return this.page.evaluate(`globalThis.page[${JSON.stringify(name)}](...${JSON.stringify(args)})`);
  }
}
