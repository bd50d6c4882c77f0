import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import { connect, type Socket } from 'node:net';
import { listenSomewhere } from '../ports.js';

/** A POST on its way to the server. */
export interface PassingCall {
  /** Without the prefix of the version: `/kv/txn`. */
  readonly path: string;
  readonly body: string;
  /** Whether the body has these bytes somewhere, in the base64 that requests carry keys in. */
  has(key: string): boolean;
}

/** What happens to a call on its way. */
export interface Meddling {
  /** Runs before the server sees the call. */
  readonly before?: () => Promise<unknown>;
  /** Whether the server sees it; true by default. */
  readonly carried?: boolean;
  /** Runs when the server has answered, before the client hears of it. */
  readonly after?: () => Promise<unknown>;
  /** Whether the client gets the answer; by default its connection is cut. */
  readonly answered?: boolean;
}

/** An HTTP proxy that decides for each call what becomes of it. Streams on WebSockets pass untouched. */
export interface MeddlingProxy {
  readonly endpoint: string;
  /** The calls that came, in order. */
  readonly calls: readonly PassingCall[];
  /** Asked for each call; undefined lets it pass. May be changed. */
  meddle: (call: PassingCall) => Meddling | undefined;
  stop(): Promise<void>;
}

/** Meddles with the first call that it is for, and with no other. */
export function once(isFor: (call: PassingCall) => boolean, meddling: Meddling): MeddlingProxy['meddle'] {
  let done = false;
  return (call) => {
    if (done || !isFor(call)) return undefined;
    done = true;
    return meddling;
  };
}

/** Starts a proxy before a server. */
export async function startMeddlingProxy(target: string): Promise<MeddlingProxy> {
  const { hostname, port: targetPort } = new URL(target);
  const calls: PassingCall[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((incoming, outgoing) => {
    void receive(incoming).then(async (body) => {
      const call = toCall(incoming.url ?? '', body);
      if (incoming.method === 'POST') calls.push(call);
      const meddling = incoming.method === 'POST' ? proxy.meddle(call) : undefined;
      if (meddling === undefined) return pass(target, incoming, body, outgoing);
      await meddling.before?.();
      if (meddling.carried !== false) await swallow(target, incoming, body, meddling, outgoing);
      if (meddling.answered !== true) incoming.socket.destroy();
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
  const proxy: MeddlingProxy = {
    endpoint: `http://127.0.0.1:${port}`,
    calls,
    meddle: () => undefined,
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
  // What is before it in the base64 decides which of three forms a key has there.
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

/** The server does what was asked; the client hears of it when `after` is over, if at all. */
function swallow(
  target: string,
  incoming: IncomingMessage,
  body: string,
  { after, answered }: Meddling,
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
