import { randomBytes } from 'node:crypto';
import { Client } from 'undici';
import type { BareStream } from './bareStream.js';

/**
 * Opens a WebSocket whose messages are not parsed: its time is that of the server and the network alone. Resolves when
 * the server has accepted the handshake.
 */
export async function bareSocket(endpoint: string, path: string, onBytes: (bytes: Buffer) => void): Promise<BareStream> {
  const client = new Client(endpoint);
  const headers = { 'sec-websocket-version': '13', 'sec-websocket-key': randomBytes(16).toString('base64') };
  const { socket } = await client.upgrade({ path, protocol: 'websocket', headers });
  socket.on('data', onBytes);
  return {
    send: (message) => void socket.write(frameOf(JSON.stringify(message))),
    close: () => {
      socket.destroy();
      void client.destroy();
    },
  };
}

/** Returns the frame of a text of less than 64 KiB. A mask of zeros leaves the text unchanged. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const length = payload.length < 126 ? [0x80 | payload.length] : [0x80 | 126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x81, ...length, 0, 0, 0, 0]), payload]);
}
