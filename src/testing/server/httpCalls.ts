import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Json } from '../../codec/descriptors.js';
import { isEtcdError } from '../../errors/index.js';
import { JsonStream } from '../../model/jsonStream.js';
import type { RefusedCall } from '../store/index.js';
import type { Page } from './dialect.js';
import type { CallReader, Gateway, GatewayCall } from './gatewayCall.js';
import { BadRequest, parseRequest } from './requestJson.js';
import type { Route } from './routes.js';

/** The headers of a response that the gateway has received from the server. */
const FROM_SERVER = { 'content-type': 'application/json', 'grpc-metadata-content-type': 'application/grpc' } as const;
/** The longest message of a stream, in bytes. */
const MAX_BYTES = 64 * 2 ** 20;

/** Writes a whole response. */
export function writePage(response: ServerResponse, { status, headers, body }: Page): void {
  response.writeHead(status, { ...headers, 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** Handles a call with one response. */
export function respondUnary(gateway: Gateway, route: Route, request: IncomingMessage, response: ServerResponse): void {
  const { dialect } = gateway;
  const call = gateway.call(route, request.headers.authorization, {
    next: (json) => writePage(response, { status: 200, headers: FROM_SERVER, body: JSON.stringify(json) }),
    refused: ({ text, code }) => writePage(response, dialect.error(text, code)),
    cut: () => response.destroy(),
    complete: () => undefined,
  });
  response.on('close', () => call.close());
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    try {
      call.send(parseRequest(Buffer.concat(chunks).toString(), dialect));
    } catch (error) {
      if (!(error instanceof BadRequest)) throw error;
      writePage(response, dialect.error(error.message, 'InvalidArgument'));
    }
  });
}

/** Handles a stream. All its requests are in the body of one POST. */
export function respondStream(gateway: Gateway, route: Route, request: IncomingMessage, response: ServerResponse): void {
  const stream = new ChunkedStream(gateway, response);
  const call = gateway.call(route, request.headers.authorization, stream);
  response.on('close', () => call.close());
  request.on('data', (chunk: Buffer) => stream.read(call, (messages) => messages.push(chunk)));
  request.on('end', () => {
    stream.read(call, (messages) => messages.end());
    stream.release(call);
  });
}

/** The response of a stream. It has one line for each message. No line is written before the request has ended. */
class ChunkedStream implements CallReader {
  private readonly messages = new JsonStream(MAX_BYTES);
  /** The writes that wait until the request has ended. */
  private held: (() => void)[] | undefined = [];
  /**
   * Whether a request could not be read. The gateway then reads no further requests. It sends an error only in its
   * first generation, and only if the call has not begun.
   */
  private isDeaf = false;

  constructor(
    private readonly gateway: Gateway,
    private readonly response: ServerResponse,
  ) {}

  /** Sends the requests that have arrived. */
  read(call: GatewayCall, arrived: (messages: JsonStream) => readonly unknown[]): void {
    if (this.isDeaf) return;
    try {
      for (const json of arrived(this.messages)) call.send(json);
    } catch (error) {
      if (!(error instanceof BadRequest || isEtcdError(error))) throw error;
      this.isDeaf = true;
      const { dialect } = this.gateway;
      if (call.hasBegun || dialect.isV2) return;
      const text = error instanceof BadRequest ? error.message : 'unexpected EOF';
      this.write(() => writePage(this.response, dialect.error(text, 'Unknown')));
    }
  }

  /** Writes all waiting lines after the end of the request, and ends the requests of the call. */
  release(call: GatewayCall): void {
    const { held = [] } = this;
    this.held = undefined;
    for (const write of held) write();
    if (!this.response.writableEnded) call.end();
  }

  next(result: Json): void {
    this.write(() => {
      if (!this.response.headersSent) this.response.writeHead(200, FROM_SERVER);
      this.response.write(`${JSON.stringify({ result })}\n`);
    });
  }

  refused({ text, code }: RefusedCall): void {
    this.write(() => {
      const { status, headers, body } = this.gateway.dialect.streamError(text, code);
      if (!this.response.headersSent) this.response.writeHead(status, headers);
      this.response.end(`${body}\n`);
    });
  }

  cut(): void {
    this.response.destroy();
  }

  complete(): void {
    this.write(() => {
      const headers = this.gateway.dialect.isV2 ? {} : { 'content-type': 'application/json' };
      if (!this.response.headersSent) this.response.writeHead(200, headers);
      this.response.end();
    });
  }

  private write(run: () => void): void {
    if (this.held === undefined) run();
    else this.held.push(run);
  }
}
