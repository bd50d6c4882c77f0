import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';
import type { StreamOptions } from '../../../src/index.js';
import { makeTls, type Tls } from '../tls.js';
import { listenSomewhere } from '../ports.js';

export type FakeTransport = Exclude<NonNullable<StreamOptions['transport']>, 'auto'>;

/** A stream of a client, seen from the server's side. */
export interface FakeStream {
  /** Sends a frame, or a part of the response. */
  send(data: string | Uint8Array): void;
  /** Ends the stream as a server does that has sent everything. */
  end(): void;
  /** Ends the connection without a message. */
  cut(): void;
  /** The bare connection, for data that no server would send. */
  readonly socket: Socket;
}

/** Decides what happens to a message of a client; the first of its stream has number 1. */
export type StreamScript = (stream: FakeStream, message: string, number: number) => void;

/** A scripted server of streams, over one transport. */
export interface FakeStreams {
  readonly endpoint: string;
  readonly transport: FakeTransport;
  /** The trusted certificate, if the transport needs TLS. */
  readonly tls: Tls | undefined;
  /** The number of streams that were opened, and of connections that are open. */
  readonly opened: number;
  readonly open: number;
  script: StreamScript;
  /** The handshake of a WebSocket, if it differs from the usual one. */
  handshake: ((socket: Socket) => void) | undefined;
  close(): Promise<void>;
}

const HEADER = { cluster_id: '1', member_id: '1', revision: '7', raft_term: '1' };
const STREAMS = ['/v3/watch', '/v3/lease/keepalive'];

export async function startFakeStreams(transport: FakeTransport, script: StreamScript = () => undefined): Promise<FakeStreams> {
  const tls = transport === 'http2' ? await makeTls() : undefined;
  const sockets = new Set<Socket>();
  let opened = 0;
  const onStream = (stream: FakeStream): ((message: string) => void) => {
    opened += 1;
    let number = 0;
    return (message) => fake.script(stream, message, ++number);
  };
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      if (STREAMS.includes(request.url ?? '')) return onStream(chunkedStream(response, request.socket))(body);
      const answer = request.url === '/version' ? { etcdserver: '3.5.0', etcdcluster: '3.5.0' } : { header: HEADER };
      response.end(JSON.stringify(answer));
    });
  };
  const server: Server | Http2SecureServer =
    tls === undefined
      ? createServer(onRequest)
      : createSecureServer({ key: tls.server.key, cert: tls.server.cert, allowHTTP1: true }).on('stream', (stream: ServerHttp2Stream) => {
          stream.on('error', () => undefined);
          stream.respond({ ':status': 200, 'content-type': 'application/json' });
          const receive = onStream(http2Stream(stream));
          stream.on('data', (chunk: Buffer) => receive(chunk.toString()));
        });
  if (tls !== undefined) {
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.httpVersionMajor === 1) onRequest(request, response);
    });
  }
  if (transport === 'websocket') {
    server.on('upgrade', (request: IncomingMessage, socket: Socket) => {
      if (fake.handshake !== undefined) return fake.handshake(socket);
      shakeHands(request, socket);
      const receive = onStream(webSocketStream(socket));
      socket.on('data', (chunk: Buffer) => textsIn(chunk).forEach(receive));
    });
  }
  server.on(tls === undefined ? 'connection' : 'secureConnection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('end', () => socket.end());
    socket.on('error', () => socket.destroy());
  });
  const port = await listenSomewhere(server);
  const fake: FakeStreams = {
    endpoint: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    transport,
    tls,
    get opened() {
      return opened;
    },
    get open() {
      return sockets.size;
    },
    script,
    handshake: undefined,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await tls?.remove();
    },
  };
  return fake;
}

function chunkedStream(response: ServerResponse, socket: Socket): FakeStream {
  response.writeHead(200, { 'content-type': 'application/json' });
  return {
    send: (data) => void (response.writableEnded || response.write(data)),
    end: () => void response.end(),
    cut: () => socket.destroy(),
    socket,
  };
}

function http2Stream(stream: ServerHttp2Stream): FakeStream {
  const { socket } = stream.session ?? {};
  if (socket === undefined) throw new Error('an HTTP/2 stream without a connection');
  return { send: (data) => void stream.write(data), end: () => void stream.end(), cut: () => void stream.session?.destroy(), socket };
}

function webSocketStream(socket: Socket): FakeStream {
  return {
    send: (data) => void socket.write(frame(TEXT, Buffer.from(data))),
    end: () => void socket.end(frame(CLOSE, Buffer.of(0x03, 0xe8))),
    cut: () => socket.destroy(),
    socket,
  };
}

const TEXT = 1;
const CLOSE = 8;
const MASK_BYTES = 4;

/** A frame of a server, not masked. */
export function frame(opcode: number, payload: Uint8Array, declared = payload.length): Buffer {
  const head = Buffer.alloc(10);
  head[0] = 0x80 | opcode;
  head[1] = 127;
  head.writeBigUInt64BE(BigInt(declared), 2);
  return Buffer.concat([head, payload]);
}

function shakeHands(request: IncomingMessage, socket: Socket): void {
  const key = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${key}\r\n\r\n`);
}

/** Returns the messages of a client, one per line, in a chunk of complete frames: messages are short in these tests. */
function textsIn(chunk: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < chunk.length;) {
    const short = (chunk[at + 1] ?? 0) & 0x7f;
    const head = short === 126 ? 4 : 2;
    const length = short === 126 ? chunk.readUInt16BE(at + 2) : short;
    const mask = chunk.subarray(at + head, at + head + MASK_BYTES);
    const start = at + head + MASK_BYTES;
    const payload = chunk.subarray(start, start + length).map((byte, index) => byte ^ (mask[index % MASK_BYTES] ?? 0));
    if (((chunk[at] ?? 0) & 0x0f) === TEXT) texts.push(...Buffer.from(payload).toString().split('\n'));
    at = start + length;
  }
  return texts;
}
