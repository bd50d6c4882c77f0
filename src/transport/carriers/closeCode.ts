import type { Socket } from 'node:net';

const CLOSE = 0x88;
const MASKED = 0x80;
const HEAD = 6;

/**
 * Why a WebSocket was given up on this side, by its code. undici tells it to the other end alone, in its close frame, which is the last that it writes: it is read
 * here on its way out.
 *
 * @returns what gives the code; undefined where it was not given up
 */
export function closeCodeSentOn(socket: Socket): () => number | undefined {
  let code: number | undefined;
  const write = socket.write.bind(socket);
  socket.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    code = codeIn(chunk);
    return Boolean(Reflect.apply(write, socket, [chunk, ...rest]));
  };
  return () => code;
}

/** The code in a close frame, which as all that a client sends is masked with the four bytes before it. */
function codeIn(frame: unknown): number | undefined {
  if (!(frame instanceof Uint8Array) || frame.length < HEAD + 2) return undefined;
  if (frame[0] !== CLOSE || frame[1] !== (MASKED | (frame.length - HEAD))) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  return view.getUint16(HEAD) ^ view.getUint16(HEAD - 4);
}
