import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { listenSomewhere } from '../../support/ports.js';
import { startBrowser } from '../support.js';
import type { TestResult } from './jestGlobals.js';
import { ServerControl, type ControlCall } from './serverControl.js';

/** A file to run in a page, and the beginnings of the titles that are left out. */
export interface PageFile {
  readonly file: string;
  readonly leftOut: readonly string[];
}

/** The tests that ran, by their titles, each with its error if it failed. */
type Outcomes = ReadonlyMap<string, string | undefined>;

/** Runs bundled test files in Chromium. Each has a separate page, and a few run at a time. */
export class SuitePages {
  private readonly outcomes = new Map<string, Promise<Outcomes>>();

  private constructor(
    private readonly browser: Browser,
    private readonly origin: string,
    readonly close: () => Promise<void>,
  ) {}

  /** Starts Chromium and a site with the bundled files. */
  static async start(folder: string): Promise<SuitePages> {
    const control = new ServerControl();
    const server = createServer((request, response) => void respond(folder, control, request, response));
    const browser = await startBrowser();
    const origin = `http://127.0.0.1:${await listenSomewhere(server)}`;
    return new SuitePages(browser, origin, async () => {
      await browser.close();
      server.closeAllConnections();
      server.close();
      await control.close();
    });
  }

  /** Begins to run files in their order, with a limited number at a time. */
  begin(files: readonly PageFile[], atOnce: number): void {
    const running: Promise<unknown>[] = [];
    for (const [index, each] of files.entries()) {
      // Pages run in parallel lanes: each file waits for the one that many places before it.
      const before = running[index - atOnce] ?? Promise.resolve();
      const outcomes = before.then(() => this.run(each));
      this.outcomes.set(each.file, outcomes);
      running.push(outcomes.catch(() => undefined));
    }
  }

  /** Resolves with the outcomes of a file when its page has ended. */
  outcomesOf(file: string): Promise<Outcomes> {
    return this.outcomes.get(file) ?? Promise.reject(new Error(`no such file: ${file}`));
  }

  private async run({ file, leftOut }: PageFile): Promise<Outcomes> {
    const page = await this.browser.newPage();
    const results = new Map<string, string | undefined>();
    page.on('pageerror', ({ message }) => results.set(`an error that nobody handled: ${message}`, message));
    await page.exposeFunction('report', ({ title, error }: TestResult) => void results.set(title, error));
    await page.goto(`${this.origin}/?${file}`);
    await page.waitForFunction('globalThis.suite !== undefined');
    await page.evaluate(`suite.run(report, ${JSON.stringify(leftOut)})`);
    await page.close();
    return results;
  }
}

/** Responds to a page: with its HTML, with a script, or with the result of its request to a server. */
async function respond(folder: string, control: ServerControl, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { pathname, search } = new URL(request.url ?? '/', 'http://site');
  try {
    if (pathname === '/control') {
      let body = '';
      for await (const chunk of request.setEncoding('utf8')) body += String(chunk);
      const answer = await control.answer(JSON.parse(body) as ControlCall);
      response.end(answer === undefined ? '' : JSON.stringify(answer));
    } else if (pathname === '/') {
      response.setHeader('content-type', 'text/html');
      response.end(`<!doctype html><script type="module" src="/${search.slice(1)}.mjs"></script>`);
    } else {
      response.setHeader('content-type', 'text/javascript');
      response.end(readFileSync(join(folder, pathname)));
    }
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
}
