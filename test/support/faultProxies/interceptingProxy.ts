import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { listenSomewhere } from '../ports.js';

/** A POST on its way to the server. */
export interface PassingCall {
  /** The path without the prefix of the version: `/kv/txn`. */
  readonly path: string;
  readonly body: string;
  /** Returns whether the body contains these bytes, in the base64 of keys. */
  has(key: string): boolean;
}

/** The fault of a call. */
export interface Interception {
  /** Runs before the request is passed to the server. */
  readonly before?: () => Promise<unknown>;
  /** Whether the request is passed to the server; true by default. */
  readonly carried?: boolean;
  /** Runs when the server has responded, before the response is passed on. */
  readonly after?: () => Promise<unknown>;
  /** Whether the client gets the response; by default its connection is cut. */
  readonly answered?: boolean;
}

/** An HTTP proxy that decides for each call what happens to it. Streams on WebSockets pass unchanged. */
export interface InterceptingProxy {
  readonly endpoint: string;
  /** The calls that arrived, in order. */
  readonly calls: readonly PassingCall[];
  /** Returns the fault of a call; undefined lets it pass. May be changed. */
  intercept: (call: PassingCall) => Interception | undefined;
  stop(): Promise<void>;
}

/** Intercepts the first matching call, and no other. */
export function once(isFor: (call: PassingCall) => boolean, interception: Interception): InterceptingProxy['intercept'] {
  let done = false;
  return (call) => {
    if (done || !isFor(call)) return undefined;
    done = true;
    return interception;
  };
}

/** Starts a proxy in front of a server. */
export async function startInterceptingProxy(target: string): Promise<InterceptingProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const calls: PassingCall[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, outgoing) => {
    void receive(incoming).then(async (body) => {
      const call = toCall(incoming.url ?? '', body);
      if (incoming.method === 'POST') calls.push(call);
      const interception = incoming.method === 'POST' ? proxy.intercept(call) : undefined;
      if (interception === undefined) return pass(target, incoming, body, outgoing);
      await interception.before?.();
      if (interception.carried !== false) await swallow(target, incoming, body, interception, outgoing);
      if (interception.answered !== true) incoming.socket.destroy();
    });
  });
  server.on('upgrade', (incoming, socket: Socket) => {
    const upstream = connect({ host: hostname, port: Number(targetPort) });
    for (const [one, other] of [
      [socket, upstream],
      [upstream, socket],
    ] as const) {
      sockets.add(one);
      one.on('error', () => one.destroy());
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    const head = incoming.rawHeaders.flatMap((name, index, all) => (index % 2 === 0 ? [`${name}: ${all[index + 1] ?? ''}`] : []));
    upstream.write(`${incoming.method ?? 'GET'} ${incoming.url ?? '/'} HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n`);
    upstream.pipe(socket);
    socket.pipe(upstream);
  });
  const port = await listenSomewhere(server);
  const proxy: InterceptingProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    calls,
    intercept: () => undefined,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
        for (const socket of sockets) socket.destroy();
      }),
  };
  return proxy;
}

function toCall(url: string, body: string): PassingCall {
  // The base64 of a key has one of three forms, by the number of bytes before it.
  const forms = (key: string): string[] =>
    [0, 1, 2].map((before) => {
      const text = Buffer.from('.'.repeat(before) + key).toString('base64');
      return text.slice(Math.ceil((before * 4) / 3), Math.floor(((before + key.length) * 4) / 3));
    });
  return { path: url.replace(/^\/v3\w*/, ''), body, has: (key) => forms(key).some((form) => body.includes(form)) };
}

async function receive(incoming: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of incoming.setEncoding('utf8')) body += String(chunk);
  return body;
}

function forward(
  target: string,
  incoming: IncomingMessage,
  body: string,
  onAnswer: (answer: IncomingMessage) => void,
  onError: () => void,
) {
  const { method = 'GET', url = '', headers } = incoming;
  const onward = request(`${target}${url}`, { method, headers }, onAnswer);
  onward.on('error', onError);
  onward.end(body);
  return onward;
}

function pass(target: string, incoming: IncomingMessage, body: string, outgoing: ServerResponse): void {
  const onAnswer = (answer: IncomingMessage): void => {
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.pipe(outgoing);
    answer.on('error', () => outgoing.destroy());
  };
  const onward = forward(target, incoming, body, onAnswer, () => outgoing.destroy());
  outgoing.on('close', () => onward.destroy());
}

/** Passes the request to the server; the client gets the response, if at all, after `after` has completed. */
function swallow(
  target: string,
  incoming: IncomingMessage,
  body: string,
  { after, answered }: Interception,
  outgoing: ServerResponse,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAnswer = (answer: IncomingMessage): void => {
      void receive(answer).then(async (text) => {
        await after?.();
        if (answered === true) {
          outgoing.writeHead(answer.statusCode ?? 502, { 'content-type': answer.headers['content-type'] ?? 'application/json' });
          outgoing.end(text);
        }
        resolve();
      }, reject);
    };
    forward(target, incoming, body, onAnswer, () => resolve());
  });
}
