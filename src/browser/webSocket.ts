import { Observable } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { pageLeft } from '../transport/wire.js';
import { monotonicNow } from '../util/time.js';
import { parseJson } from '../model/validate.js';
import { type DuplexPart, type DuplexRequest, NO_WEBSOCKET, responseTooLarge, Outgoing } from '../transport/http/transport.js';
import type { BrowserHost, BrowserSocket, PagePresence } from './host.js';

/** The means to open WebSockets. */
interface SocketMeans {
  readonly host: BrowserHost;
  readonly page: PagePresence;
  /** The longest message, in bytes. */
  readonly maxResponseBytes: number;
  /** Sockets that were left, and are not closed yet. */
  readonly leaving: Set<Promise<void>>;
  /** When the last WebSocket failed at an origin whose answers are hidden. */
  readonly failedSockets: Map<string, number>;
}

/**
 * Opens a bidirectional stream over a WebSocket at the path of the RPC. A browser cannot send headers with it, and the
 * token goes as a subprotocol.
 */
export function webSocketDuplex(request: DuplexRequest, means: SocketMeans): Observable<DuplexPart> {
  const { host, page, maxResponseBytes, leaving } = means;
  const { rpc, origin, endpoint = origin, path, token } = request;
  const where = { rpc, endpoint };
  return new Observable((subscriber) => {
    const probe = new AbortController();
    let socket: BrowserSocket;
    try {
      socket = new host.WebSocket(origin.replace(/^http/, 'ws') + path, token === undefined ? [] : ['Bearer', token]);
    } catch {
      // The error of a browser is left out, as it quotes a token that is no valid subprotocol.
      return subscriber.error(new EtcdError('TransportUnsupported', REFUSED, where));
    }
    // Called by name: a browser refuses its own functions as methods of another object.
    const outgoing = new Outgoing(
      (text) => socket.send(text),
      (run) => queueMicrotask(run),
    );
    let opened = false;
    let over = false;
    socket.onopen = () => {
      opened = true;
      means.failedSockets.delete(origin);
      subscriber.next({ type: 'open', send: outgoing.send });
    };
    socket.onmessage = ({ data }) => {
      try {
        subscriber.next({ type: 'message', json: messageIn(data, maxResponseBytes, where) });
      } catch (error) {
        subscriber.error(error);
      }
    };
    socket.onclose = ({ code }) => {
      over = true;
      if (opened) return subscriber.error(lost(`the stream ended (WebSocket code ${code})`, where));
      whyRefused(means, { origin, path }, probe.signal, where).then(
        (error) => subscriber.error(error),
        () => undefined,
      );
    };
    const cancel = page.onLeave(() => subscriber.error(pageLeft(where)));
    return () => {
      cancel();
      probe.abort();
      if (over) return;
      // Sent together with the close frame: etcd must know of the end before it has responded to the last message.
      outgoing.flush();
      leaving.add(closed(socket));
    };
  });

  /** Closes a socket. The browser sends the messages that wait before the close frame. */
  function closed(socket: BrowserSocket): Promise<void> {
    socket.onopen = socket.onmessage = null;
    const done = new Promise<void>((resolve) => (socket.onclose = () => resolve())).then(() => void leaving.delete(done));
    socket.close();
    return done;
  }
}

function messageIn(data: unknown, maxBytes: number, where: ErrorDetails): unknown {
  if (typeof data !== 'string') throw new EtcdError('MalformedResponse', 'a message of the stream is not text', where);
  if (data.length > maxBytes) throw responseTooLarge(where);
  return parseJson(data, where);
}

const REFUSED =
  'the browser refuses to open a WebSocket; is the page https and the endpoint http, or has the token a character that no subprotocol may have?';

/** How soon a second WebSocket has to fail for the first failure to count, in milliseconds. */
const SUSPICION_MS = 10_000;

const lost = (message: string, where: ErrorDetails): EtcdError => new EtcdError('ConnectionLost', message, where);

/**
 * Finds out why a WebSocket did not open, of which a browser says nothing. If the server answers a plain request, it or
 * a proxy before it speaks no WebSocket. A proxy may also respond in place of a server that is down. Its status shows
 * only on the page's own origin: the answer of another stays hidden, and needs no permission by CORS. The server may
 * have been down for a moment, so the other origin is suspected only when a second WebSocket fails soon after.
 */
async function whyRefused(
  { host, failedSockets }: SocketMeans,
  { origin, path }: Pick<DuplexRequest, 'origin' | 'path'>,
  signal: AbortSignal,
  where: ErrorDetails,
): Promise<EtcdError> {
  let status: number;
  try {
    const response = await host.fetch?.(origin + path, {
      method: 'GET',
      headers: {},
      signal,
      cache: 'no-store',
      redirect: 'follow',
      mode: 'no-cors',
    });
    status = response?.status ?? 0;
  } catch (cause) {
    return new EtcdError('Unreachable', 'no connection: the WebSocket was not opened, and the server does not answer', { ...where, cause });
  }
  // A hidden status is 0.
  const now = monotonicNow();
  if (status === 0 && now - (failedSockets.get(origin) ?? -Infinity) > SUSPICION_MS) {
    failedSockets.set(origin, now);
    return new EtcdError('Unreachable', 'the WebSocket was not opened, and the server answers now; another one is tried', where);
  }
  if (status !== 0 && !NO_WEBSOCKET.has(status)) return new EtcdError('Unreachable', `HTTP ${status} in place of a WebSocket`, where);
  return new EtcdError(
    'TransportUnsupported',
    'the WebSocket was not opened, but the server answers; does a proxy drop the header Upgrade?',
    where,
  );
}
