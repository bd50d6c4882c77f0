import { Observable, Subscription } from 'rxjs';
import { type ErrorDetails, EtcdError } from '../errors/index.js';
import { pageLeft } from '../transport/wire.js';
import { monotonicNow, scheduleTimeout } from '../util/time.js';
import { parseJson } from '../model/validate.js';
import { type DuplexPart, type DuplexRequest, NO_WEBSOCKET, responseTooLarge, WriteBatcher } from '../transport/http/transport.js';
import type { BrowserHost, BrowserSocket, PagePresence } from './host.js';

/** How long a socket may take to close after its subscriber has unsubscribed, in milliseconds. */
export const CLOSE_TIMEOUT_MS = 1_000;

/** The dependencies for opening WebSockets. */
interface SocketDeps {
  readonly host: BrowserHost;
  readonly page: PagePresence;
  /** The longest message, in bytes. */
  readonly maxResponseBytes: number;
  /** The sockets without a subscriber that are not closed yet. */
  readonly closing: Set<Promise<void>>;
  /** The time at which the last WebSocket failed, for each origin on which a page cannot see the responses. */
  readonly failedSockets: Map<string, number>;
}

/**
 * Opens a bidirectional stream over a WebSocket at the path of the RPC. A browser cannot send headers in the handshake,
 * so the token is sent as a subprotocol.
 */
export function webSocketDuplex(request: DuplexRequest, deps: SocketDeps): Observable<DuplexPart> {
  const { host, page, maxResponseBytes, closing } = deps;
  const { rpc, origin, endpoint = origin, path, token, onLateOpen } = request;
  const where = { rpc, endpoint };
  return new Observable((subscriber) => {
    const probe = new AbortController();
    let socket: BrowserSocket;
    try {
      socket = new host.WebSocket(origin.replace(/^http/, 'ws') + path, token === undefined ? [] : ['Bearer', token]);
    } catch {
      // The browser's error is omitted: if the token is not a valid subprotocol, the error quotes it.
      return subscriber.error(new EtcdError('TransportUnsupported', REFUSED, where));
    }
    // `queueMicrotask` is called as a global function. A browser does not allow it to be called as a method of another
    // object.
    const outgoing = new WriteBatcher(
      (text) => socket.send(text),
      (run) => queueMicrotask(run),
    );
    let opened = false;
    let over = false;
    socket.onopen = () => {
      opened = true;
      deps.failedSockets.delete(origin);
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
      whyRefused(deps, { origin, path }, probe.signal, where).then(
        (error) => subscriber.error(error),
        () => undefined,
      );
    };
    let isPageLeft = false;
    const cancel = page.onLeave(() => {
      isPageLeft = true;
      subscriber.error(pageLeft(where));
    });
    return () => {
      cancel();
      probe.abort();
      if (over) return;
      socket.onmessage = null;
      const timeout = new Subscription();
      const done = new Promise<void>((resolve) => (socket.onclose = () => resolve())).then(() => {
        timeout.unsubscribe();
        closing.delete(done);
      });
      closing.add(done);
      // The messages are sent together with the close frame. etcd must receive the end before it has responded to the
      // last message.
      const leave = (): void => {
        outgoing.flush();
        socket.close();
      };
      // A frozen page runs no timers, and a browser keeps no page in its back/forward cache that still has a socket.
      if (opened || onLateOpen === undefined || isPageLeft) return leave();
      // The server may have accepted the handshake. If the browser ended the handshake now, the server might not notice
      // the end.
      timeout.add(scheduleTimeout(CLOSE_TIMEOUT_MS, () => socket.close()));
      socket.onopen = () => {
        onLateOpen(outgoing.send);
        leave();
      };
    };
  });
}

function messageIn(data: unknown, maxBytes: number, where: ErrorDetails): unknown {
  if (typeof data !== 'string') throw new EtcdError('MalformedResponse', 'a message of the stream is not text', where);
  if (data.length > maxBytes) throw responseTooLarge(where);
  return parseJson(data, where);
}

const REFUSED =
  'the browser refuses to open a WebSocket; possible causes: an http endpoint on an https page, or a character in the token that a subprotocol cannot have';

/** The longest time between two failures of WebSockets, in milliseconds, for which the cause counts as permanent. */
const SUSPICION_MS = 10_000;

const lost = (message: string, where: ErrorDetails): EtcdError => new EtcdError('ConnectionLost', message, where);

/**
 * Finds out why a WebSocket did not open, as a browser does not report the reason. If the server responds to a plain
 * request, the server or a proxy in front of it does not support WebSockets. But a proxy may also respond in place of a
 * server that is down. The status of the response distinguishes these cases, but a page can read the status only on its
 * own origin. On another origin, the request is sent without permission by CORS, and the response is hidden. In that
 * case, the server may only have been down for a moment. So on another origin, WebSockets count as unsupported only if
 * a second WebSocket fails soon after the first.
 */
async function whyRefused(
  { host, failedSockets }: SocketDeps,
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
    return new EtcdError('Unreachable', 'no connection: the WebSocket was not opened, and the server does not respond', {
      ...where,
      cause,
    });
  }
  // The status of a hidden response is 0.
  const now = monotonicNow();
  if (status === 0 && now - (failedSockets.get(origin) ?? -Infinity) > SUSPICION_MS) {
    failedSockets.set(origin, now);
    return new EtcdError('Unreachable', 'the WebSocket was not opened, but the server responds; the client tries again', where);
  }
  if (status !== 0 && !NO_WEBSOCKET.has(status)) return new EtcdError('Unreachable', `HTTP ${status} in place of a WebSocket`, where);
  return new EtcdError(
    'TransportUnsupported',
    'the WebSocket was not opened, but the server responds; does a proxy drop the header Upgrade?',
    where,
  );
}
