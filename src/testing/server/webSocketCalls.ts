import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { WebSocket, WebSocketServer } from 'ws';
import { isEtcdError } from '../../errors/index.js';
import { JsonStream } from '../../model/jsonStream.js';
import type { Gateway, GatewayCall } from './gatewayCall.js';
import { BadRequest } from './requestJson.js';
import type { Route } from './routes.js';

/** The longest message that an older gateway passes on, in bytes. */
const SHORT_BYTES = 64 * 1024;
/** The longest request of a stream, in bytes. */
const MAX_BYTES = 64 * 2 ** 20;
const NEWLINE = Buffer.from('\n');
const BEARER = 'Bearer';

/** Handles calls over WebSockets. Each frame to a client contains one message in JSON. */
export class WebSocketCalls {
  private readonly sockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    handleProtocols: ([first]) => (first === BEARER ? BEARER : false),
  });

  constructor(private readonly gateway: Gateway) {}

  /** Accepts a WebSocket for a path. The route is undefined if the gateway does not have the path. */
  accept(route: Route | undefined, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.sockets.handleUpgrade(request, socket, head, (webSocket) => {
      // A client that disconnects in the middle of a frame causes an error. The only reaction to the error is to close
      // the connection.
      webSocket.on('error', () => webSocket.terminate());
      if (route === undefined) this.refuse(webSocket, this.gateway.dialect.notFound.body.trim());
      else this.serve(webSocket, route, tokenIn(request));
    });
  }

  /** Breaks all connections. */
  close(): void {
    for (const webSocket of this.sockets.clients) webSocket.terminate();
    this.sockets.close();
  }

  private serve(webSocket: WebSocket, route: Route, token: string | undefined): void {
    const { dialect } = this.gateway;
    const isStream = route.streams !== 'none';
    const call = this.gateway.call(route, token, {
      next: (json) => {
        this.send(webSocket, JSON.stringify(isStream ? { result: json } : json));
        if (!isStream) end(webSocket);
      },
      refused: ({ text, code }) => this.refuse(webSocket, (isStream ? dialect.streamError : dialect.error)(text, code).body),
      cut: () => webSocket.terminate(),
      complete: () => end(webSocket),
    });
    webSocket.on('close', () => call.close());
    this.listen(webSocket, call, isStream);
  }

  /** Receives requests. A frame may contain several requests, and a request may consist of several frames. */
  private listen(webSocket: WebSocket, call: GatewayCall, isStream: boolean): void {
    const requests = new JsonStream(MAX_BYTES);
    webSocket.on('message', (data: Buffer) => {
      if (this.isTooLong(data)) return webSocket.terminate();
      try {
        for (const json of [...requests.push(data), ...requests.push(NEWLINE)]) if (isStream || !call.hasBegun) call.send(json);
      } catch (error) {
        if (!(error instanceof BadRequest || isEtcdError(error))) throw error;
        // After an invalid request, the gateway reads no further requests, and sends no error.
        webSocket.removeAllListeners('message');
      }
    });
  }

  private send(webSocket: WebSocket, text: string): void {
    if (this.isTooLong(text)) webSocket.terminate();
    else if (webSocket.readyState === WebSocket.OPEN) webSocket.send(text);
  }

  private refuse(webSocket: WebSocket, text: string): void {
    this.send(webSocket, text);
    end(webSocket);
  }

  private isTooLong(message: string | Buffer): boolean {
    return this.gateway.dialect.hasShortMessages && Buffer.byteLength(message) > SHORT_BYTES;
  }
}

/** Ends a connection as the gateway does: without a close frame, after everything was sent. */
function end(webSocket: WebSocket): void {
  webSocket.ping('', false, () => webSocket.terminate());
}

/** Returns the token in the subprotocols of a handshake. The gateway passes on only this part of the handshake. */
function tokenIn({ headers }: IncomingMessage): string | undefined {
  return headers['sec-websocket-protocol']?.replace(/^Bearer\s*,\s*/, `${BEARER} `);
}
