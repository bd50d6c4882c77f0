import { WebSocket } from 'undici';

/** A stream for the floor: a bare WebSocket, with `JSON.parse` of each frame. */
export interface BareStream {
  send(message: object): void;
  close(): void;
}

/** A message of the server to watches, with the fields that the floor uses. */
export interface BareMessage {
  readonly result: { readonly created?: boolean; readonly events?: readonly { readonly kv: { readonly key: string } }[] };
}

/** Opens a stream; resolves when the socket is open. */
export function bareStream(endpoint: string, path: string, onMessage: (message: unknown) => void): Promise<BareStream> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${endpoint.replace(/^http/, 'ws')}${path}`);
    socket.addEventListener('message', ({ data }: { data: unknown }) => onMessage(JSON.parse(String(data))));
    socket.addEventListener('error', (event) => reject(new Error('the WebSocket broke', { cause: event.error })));
    socket.addEventListener('open', () =>
      resolve({ send: (message) => socket.send(JSON.stringify(message)), close: () => socket.close() }),
    );
  });
}

/** Opens a stream for watches. */
export const bareWatch = (endpoint: string, onMessage: (message: BareMessage) => void): Promise<BareStream> =>
  bareStream(endpoint, '/v3/watch', (message) => onMessage(message as BareMessage));

/**
 * Returns a create request for all keys with a prefix. The last character of the prefix must not be the highest one.
 */
export function createRequest(prefix: string, startRevision?: number): object {
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  return {
    create_request: {
      key: btoa(prefix),
      range_end: btoa(end),
      ...(startRevision === undefined ? {} : { start_revision: String(startRevision) }),
    },
  };
}
