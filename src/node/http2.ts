import { PassThrough } from 'node:stream';
import { Observable } from 'rxjs';
import type { Dispatcher } from 'undici';
import { EtcdError } from '../errors/index.js';
import { Body } from './body.js';
import { connectionError } from './connectionError.js';
import { JsonStream } from '../model/jsonStream.js';
import { locationOf, refusePage } from '../transport/json/pageError.js';
import { errorInResponse } from '../transport/json/response.js';
import { PARTIAL, type DuplexPart, type DuplexRequest } from '../transport/http/transport.js';
import { connectionFor, type Carrying } from './connection.js';

/**
 * Opens a bidirectional stream over one HTTP/2 request whose body stays open. undici sends nothing else on such a
 * connection meanwhile, so the stream has a separate one.
 */
export function http2Duplex(request: DuplexRequest, carrying: Carrying): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    const { origin, endpoint = origin, path, headers, token, rpc, knownEtcd } = request;
    const where = { rpc, endpoint, knownEtcd };
    const connection = connectionFor(origin, carrying, true);
    const body = new PassThrough();
    const json = new JsonStream(carrying.maxResponseBytes, where);
    const refusal = new Body(carrying.maxResponseBytes, where);
    let status = 200;
    let location: string | undefined;
    let sent = false;
    let begun = false;
    const guarded = (work: () => void): void => {
      try {
        work();
      } catch (error) {
        subscriber.error(error);
      }
    };
    const handler: Dispatcher.DispatchHandler = {
      onRequestStart: () => {
        sent = true;
        subscriber.next({ type: 'open', send: (message) => void body.write(`${message}\n`) });
      },
      onResponseStart: (_, code, answer) => {
        status = code;
        location = locationOf(code, answer);
      },
      onResponseData: (_, bytes) =>
        guarded(() => {
          if (status !== 200) return refusal.push(bytes);
          if (!begun) refusePage(bytes, where);
          begun = true;
          const messages = json.push(bytes);
          if (messages.length === 0) subscriber.next(PARTIAL);
          for (const message of messages) subscriber.next({ type: 'message', json: message });
        }),
      onResponseEnd: () => {
        const refused = status !== 200 && errorInResponse({ status, body: refusal.text, location }, where);
        try {
          // The last message says why the server ended the stream, and no newline follows it.
          for (const message of json.end()) subscriber.next({ type: 'message', json: message });
        } catch {
          // It was cut off in the middle: the connection is lost, as below.
        }
        subscriber.error(refused || new EtcdError('ConnectionLost', 'the server ended the stream', where));
      },
      // A server that refuses a request while its body is open accepts no more of the body. undici calls that an error,
      // although the response is whole.
      onResponseError: (_, error) =>
        subscriber.error(
          refusal.text === '' ? connectionError(error, sent, where) : errorInResponse({ status, body: refusal.text, location }, where),
        ),
    };
    // The client may have failed to connect already. Writing to a stream without a reader is then not our error.
    body.on('error', () => undefined);
    connection.client.dispatch(
      { method: 'POST', path, headers: token === undefined ? headers : { ...headers, authorization: token }, body },
      handler,
    );
    return () => {
      body.destroy();
      connection.destroy();
    };
  });
}
