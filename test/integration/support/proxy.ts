import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { inMemory } from '../../support/memory/mode.js';
import type { CountingProxy, Passed } from '../../support/faultProxies/types.js';
import { listenSomewhere } from '../../support/ports.js';

export type { CountingProxy } from '../../support/faultProxies/types.js';

/** Options of a client whose calls are counted: it sends no second attempt while the machine is busy. */
export const UNHEDGED = { attemptTimeoutMs: 30_000 };

/** Starts a proxy in front of a server. */
export async function startProxy(target: string): Promise<CountingProxy> {
  if (inMemory) return (await import('../../support/memory/proxies.js')).memoryCountingProxy(target);
  const calls: Passed[] = [];
  const server = createServer((incoming, outgoing) => {
    void bodyOf(incoming).then((body) => {
      if (incoming.method === 'POST') calls.push({ path: incoming.url ?? '', body });
      pass(target, incoming, body, outgoing);
    });
  });
  const port = await listenSomewhere(server);
  return {
    endpoint: `http://127.0.0.1:${port}`,
    calls,
    forget: () => void calls.splice(0),
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function bodyOf(incoming: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of incoming.setEncoding('utf8')) body += String(chunk);
  return body;
}

function pass(target: string, incoming: IncomingMessage, body: string, outgoing: ServerResponse): void {
  const onward = request(`${target}${incoming.url ?? ''}`, { method: incoming.method ?? 'GET', headers: incoming.headers }, (answer) => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
  });
  onward.on('error', () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
  onward.end(body);
}
