import { WebSocket } from 'undici';

/** A watch as a floor: a bare WebSocket, and `JSON.parse` of each frame. */
export interface BareWatch {
  send(message: object): void;
  close(): void;
}

/** A message of the server, as far as a floor looks at it. */
export interface BareMessage {
  readonly result: { readonly created?: boolean; readonly events?: readonly { readonly kv: { readonly key: string } }[] };
}

/** Resolves when the socket is open. */
export function bareWatch(endpoint: string, onMessage: (message: BareMessage) => void): Promise<BareWatch> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${endpoint.replace(/^http/, 'ws')}/v3/watch`);
    socket.addEventListener('message', ({ data }: { data: unknown }) => onMessage(JSON.parse(String(data)) as BareMessage));
    socket.addEventListener('error', (event) => reject(new Error('the WebSocket broke', { cause: event.error })));
    socket.addEventListener('open', () =>
      resolve({ send: (message) => socket.send(JSON.stringify(message)), close: () => socket.close() }),
    );
  });
}

/** A create request for all keys with a prefix whose last character is not the last of its kind. */
export function createRequest(prefix: string, startRevision?: number): object {
  const end = prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
  return {
    create_request: {
      key: btoa(prefix),
      range_end: btoa(end),
      fragment: true,
      ...(startRevision === undefined ? {} : { start_revision: String(startRevision) }),
    },
  };
}
