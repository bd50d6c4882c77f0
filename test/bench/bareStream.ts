import { WebSocket } from 'undici';

/** A stream as a floor: a bare WebSocket, and `JSON.parse` of each frame. */
export interface BareStream {
  send(message: object): void;
  close(): void;
}

/** A message of the server to watches, as far as a floor looks at it. */
export interface BareMessage {
  readonly result: { readonly created?: boolean; readonly events?: readonly { readonly kv: { readonly key: string } }[] };
}

/** Resolves when the socket is open. */
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

/** A stream for watches. */
export const bareWatch = (endpoint: string, onMessage: (message: BareMessage) => void): Promise<BareStream> =>
  bareStream(endpoint, '/v3/watch', (message) => onMessage(message as BareMessage));

/** A create request for all keys with a prefix whose last character is not the last of its kind. */
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
