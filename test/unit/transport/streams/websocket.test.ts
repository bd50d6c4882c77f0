import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { Subscription } from 'rxjs';
import { webSocketDuplex } from '../../../../src/node/websocket.js';
import type { DuplexPart } from '../../../../src/transport/http/transport.js';
import { listenSomewhere } from '../../../support/ports.js';
import { frame } from '../../../support/fakes/fakeStreams.js';
import { waitFor } from '../../../support/waitFor.js';

const GOOD = ['upgrade: websocket', 'connection: Upgrade'];

/** One stream to a server whose behaviour the test decides. */
describe('a WebSocket', () => {
  let server: Server;
  let port: number;
  let request: IncomingMessage | undefined;
  let socket: Socket | undefined;
  /** The bytes that the client has sent since the handshake. */
  let sent: Buffer;
  let streams: Subscription;
  const open = new Set<Socket>();
  const closing = new Set<Socket>();

  /** Returns the lines of the response to a handshake, if there is one; a valid one proves the key. */
  let answer: (accept: string) => readonly string[] | undefined;

  beforeEach(async () => {
    streams = new Subscription();
    sent = Buffer.alloc(0);
    socket = request = undefined;
    answer = (accept) => ['HTTP/1.1 101 Switching Protocols', ...GOOD, `sec-websocket-accept: ${accept}`];
    server = createServer((_, response) => response.writeHead(404).end('no such thing'));
    server.on('connection', (connected: Socket) => {
      open.add(connected);
      connected.on('error', () => undefined).on('close', () => open.delete(connected));
    });
    server.on('upgrade', (asked: IncomingMessage, upgraded: Socket) => {
      request = asked;
      socket = upgraded;
      upgraded.on('data', (chunk: Buffer) => (sent = Buffer.concat([sent, chunk])));
      upgraded.on('end', () => upgraded.end());
      const key = String(asked.headers['sec-websocket-key']);
      const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
      const lines = answer(accept);
      if (lines !== undefined) upgraded.write(`${lines.join('\r\n')}\r\n\r\n`);
    });
    port = await listenSomewhere(server);
  });
  afterEach(async () => {
    streams.unsubscribe();
    for (const connected of open) connected.destroy();
    await new Promise((resolve) => server.close(resolve));
  });

  interface Stream {
    readonly parts: DuplexPart[];
    error: unknown;
    onMessage: () => void;
    leave(): void;
  }

  function start(token?: string): Stream {
    const connect = buildConnector({});
    const duplex = webSocketDuplex(
      {
        transport: 'websocket',
        origin: `http://127.0.0.1:${port}`,
        path: '/v3/watch',
        headers: { 'content-type': 'application/json', 'x-name': 'value' },
        rpc: 'Watch.Watch',
        token,
      },
      { connect, connectHttp2: connect, maxResponseBytes: 100, closing },
    );
    const parts: DuplexPart[] = [];
    const subscription = duplex.subscribe({
      next: (part) => {
        parts.push(part);
        if (part.type === 'message') stream.onMessage();
      },
      error: (error: unknown) => (stream.error = error),
    });
    const stream: Stream = { parts, error: undefined, onMessage: () => undefined, leave: () => subscription.unsubscribe() };
    streams.add(subscription);
    return stream;
  }

  async function opened(): Promise<Stream> {
    const stream = start();
    await waitFor('it is open', () => stream.parts.length === 1);
    return stream;
  }

  /** Returns the opcode, and the payload without its mask, of the last frame, which begins there. */
  const lastSent = (at = 0): [number, string] => {
    const mask = sent.subarray(at + 2, at + 6);
    return [
      (sent[at] ?? 0) & 0x0f,
      Buffer.from(sent.subarray(at + 6).map((byte, index) => byte ^ (mask[index % 4] ?? 0))).toString('latin1'),
    ];
  };

  test('is opened with the headers of the client, and its token as a subprotocol', async () => {
    const stream = start('secret');
    await waitFor('it is open', () => stream.parts.length === 1);
    expect(request).toMatchObject({ method: 'GET', url: '/v3/watch' });
    expect(request?.headers).toMatchObject({
      'x-name': 'value',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'Bearer, secret',
      'sec-websocket-key': expect.stringMatching(/^[\w+/]{22}==$/),
    });
    expect(request?.headers['content-type']).toBeUndefined();
    expect(request?.headers['sec-websocket-extensions']).toBeUndefined();
  });

  test.each<[string, (accept: string) => readonly string[]]>([
    ['shows another key', () => ['HTTP/1.1 101 Switching Protocols', ...GOOD, 'sec-websocket-accept: bm9uZQ==']],
    ['shows no key', () => ['HTTP/1.1 101 Switching Protocols', ...GOOD]],
    [
      'has another protocol',
      (accept) => ['HTTP/1.1 101 Other', 'upgrade: other', 'connection: Upgrade', `sec-websocket-accept: ${accept}`],
    ],
    ['has an extension', (accept) => ['HTTP/1.1 101 S', ...GOOD, `sec-websocket-accept: ${accept}`, 'sec-websocket-extensions: x']],
    ['has a subprotocol', (accept) => ['HTTP/1.1 101 S', ...GOOD, `sec-websocket-accept: ${accept}`, 'sec-websocket-protocol: x']],
    ...[400, 405, 426, 501].map((status): [string, () => readonly string[]] => [
      `is ${status}, as where a proxy drops the header Upgrade`,
      () => [`HTTP/1.1 ${status} No WebSocket`, 'content-length: 0'],
    ]),
    ['is an endless refusal', () => ['HTTP/1.1 405 Method Not Allowed', 'content-length: 1000000']],
    ['changes twice', (accept) => ['HTTP/1.1 101 S', ...GOOD, 'upgrade: websocket', `sec-websocket-accept: ${accept}`]],
    ['changes to nothing', () => ['HTTP/1.1 101 Switching Protocols']],
  ])('is not used if the response %s', async (_, bad) => {
    answer = bad;
    const stream = start();
    await waitFor('it failed', () => stream.error !== undefined);
    expect(stream.error).toMatchObject({ reason: 'TransportUnsupported', rpc: 'Watch.Watch', endpoint: `http://127.0.0.1:${port}` });
    expect(stream.parts).toEqual([]);
    await waitFor('its connection is closed', () => open.size === 0);
  });

  test.each([200, 401, 403, 404, 429, 500, 502, 503, 504])(
    'may be available soon if a proxy in front of the server responds %d',
    async (status) => {
      answer = () => [`HTTP/1.1 ${status} Not Now`, 'content-length: 0'];
      const stream = start();
      await waitFor('it failed', () => stream.error !== undefined);
      expect(stream.error).toMatchObject({ reason: 'Unreachable', message: expect.stringContaining(`HTTP ${status}`) });
    },
  );

  test('fails with the target of the redirect if a proxy redirects', async () => {
    answer = () => ['HTTP/1.1 301 Moved Permanently', 'location: https://user:hunter2@elsewhere/v3/watch?key=hunter2', 'content-length: 0'];
    const stream = start();
    await waitFor('it failed', () => stream.error !== undefined);
    expect(stream.error).toMatchObject({ reason: 'Unreachable', message: expect.stringContaining('https://elsewhere/v3/watch') });
    expect(String(stream.error)).not.toContain('hunter2');
  });

  test('may be available soon if the handshake is cut', async () => {
    answer = () => undefined;
    request = undefined;
    const cut = start();
    await waitFor('it is asked for', () => request !== undefined);
    socket?.destroy();
    await waitFor('it failed', () => cut.error !== undefined);
    expect(cut.error).toMatchObject({ reason: 'Unreachable' });
  });

  test('reads messages that arrive together with the handshake response', async () => {
    server.prependListener('upgrade', (_, upgraded: Socket) => {
      upgraded.cork();
      process.nextTick(() => {
        upgraded.write(frame(1, Buffer.from('{"a":1}')));
        upgraded.uncork();
      });
    });
    const stream = start();
    await waitFor('it has read it', () => stream.parts.length === 2);
    expect(stream.parts[1]).toEqual({ type: 'message', json: { a: 1 } });
  });

  test('responds to a ping with its payload', async () => {
    await opened();
    socket?.write(frame(9, Buffer.from('are you there?')));
    await waitFor('there is an answer', () => sent.length === 6 + 14);
    expect(lastSent()).toEqual([10, 'are you there?']);
  });

  test('responds to the last of many pings, of a server that reads nothing until it has sent them', async () => {
    await opened();
    socket?.pause();
    const pings = Buffer.concat(
      Array.from({ length: 100_000 }, (_, index) => frame(9, Buffer.from(`ping ${String(index).padStart(6, '0')}`))),
    );
    await new Promise((resolve) => socket?.write(pings, resolve));
    socket?.resume();
    await waitFor('the last is answered', () => sent.length > 0 && lastSent(sent.length - 17)[1] === 'ping 099999');
    // At most one for each chunk, of which there are some hundred.
    expect(sent.length / 17).toBeLessThan(10_000);
  });

  test('waits after a provisional response to the handshake', async () => {
    const usual = answer;
    answer = (accept) => ['HTTP/1.1 103 Early Hints', '', ...(usual(accept) ?? [])];
    expect((await opened()).parts).toEqual([{ type: 'open', send: expect.any(Function) }]);
  });

  test('that is closed within a message sends only the close, whatever arrives afterwards', async () => {
    const stream = start();
    await waitFor('it is open', () => stream.parts.length === 1);
    stream.onMessage = () => stream.leave();
    socket?.write(Buffer.concat([frame(1, Buffer.from('{}')), frame(1, Buffer.from('{}')), frame(3, Buffer.alloc(1))]));
    await waitFor('its connection is closed', () => open.size === 0 && closing.size === 0);
    expect(stream).toMatchObject({ parts: [{ type: 'open' }, { type: 'message' }], error: undefined });
    expect(lastSent()).toEqual([8, '']);
  });

  test('sends all messages of a turn in one frame', async () => {
    const stream = await opened();
    const [first] = stream.parts;
    if (first?.type !== 'open') throw new Error('it is not open');
    first.send('{"a":1}');
    first.send('{"b":2}');
    await waitFor('it is said', () => sent.length > 0);
    expect(lastSent()).toEqual([1, '{"a":1}\n{"b":2}']);
  });

  test.each([
    [1009, 'ResponseTooLarge', frame(1, Buffer.alloc(101))],
    [1007, 'MalformedResponse', frame(1, Buffer.of(0xff))],
    [1002, 'MalformedResponse', frame(3, Buffer.alloc(1))],
  ])('is closed with code %i and %s, also by the server', async (code, reason, bytes) => {
    const stream = await opened();
    socket?.write(bytes);
    await waitFor('it is given up', () => stream.error !== undefined);
    expect(stream.error).toMatchObject({ reason, endpoint: `http://127.0.0.1:${port}` });
    await waitFor('its connection is closed', () => open.size === 0);
    expect(lastSent()).toEqual([8, String.fromCharCode(code >> 8, code & 0xff)]);
  });

  test('is lost when the server closes it, with a code or without', async () => {
    const stream = await opened();
    socket?.write(frame(8, Buffer.of(0x03, 0xe9)));
    await waitFor('it has ended', () => stream.error !== undefined);
    expect(stream.error).toMatchObject({ reason: 'ConnectionLost', message: expect.stringContaining('1001') });
    const cut = await opened();
    socket?.destroy();
    await waitFor('it has ended', () => cut.error !== undefined);
    expect(cut.error).toMatchObject({ reason: 'ConnectionLost', message: expect.stringContaining('1006') });
    const ended = await opened();
    socket?.end();
    await waitFor('it has ended', () => ended.error !== undefined);
    expect(ended.error).toMatchObject({ reason: 'ConnectionLost', message: expect.stringContaining('1006') });
  });

  test('that is closed sends its last messages and the close at once, and emits nothing more', async () => {
    const stream = await opened();
    const [first] = stream.parts;
    if (first?.type !== 'open') throw new Error('it is not open');
    first.send('{"last":1}');
    stream.leave();
    await waitFor('all is said', () => sent.length >= 6 + 10 + 6);
    expect(sent[0]).toBe(0x81);
    expect(sent[6 + 10]).toBe(0x88);
    socket?.write(Buffer.concat([frame(1, Buffer.from('{}')), frame(9, Buffer.alloc(0)), frame(8, Buffer.alloc(0))]));
    await waitFor('its connection is closed', () => open.size === 0 && closing.size === 0);
    expect(stream).toMatchObject({ parts: [{ type: 'open' }], error: undefined });
    expect(sent.length).toBe(6 + 10 + 6);
  });
});
