import { PassThrough } from 'node:stream';
import { Observable } from 'rxjs';
import type { Dispatcher } from 'undici';
import { EtcdError } from '../errors/index.js';
import { connectionError } from './connectionError.js';
import { JsonStream } from '../model/jsonStream.js';
import { errorInResponse, locationOf, refusePage } from '../transport/json/responseError.js';
import { Body, PARTIAL, type DuplexPart, type DuplexRequest } from '../transport/http/transport.js';
import { connectionFor, type DuplexDeps } from './connection.js';

/**
 * Opens a bidirectional stream over one HTTP/2 request whose body stays open. During such a request, undici sends
 * nothing else on the connection. So the stream has a separate connection.
 */
export function http2Duplex(request: DuplexRequest, deps: DuplexDeps): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    const { origin, endpoint = origin, path, headers, token, rpc, knownEtcd } = request;
    const where = { rpc, endpoint, knownEtcd };
    const connection = connectionFor(origin, deps, true);
    const body = new PassThrough();
    const json = new JsonStream(deps.maxResponseBytes, where);
    const refusal = new Body(deps.maxResponseBytes, where);
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
      onResponseStart: (_, code, response) => {
        status = code;
        location = locationOf(code, response);
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
          // The last message contains the reason for the end of the stream. No newline follows it.
          for (const message of json.end()) subscriber.next({ type: 'message', json: message });
        } catch {
          // The message is incomplete, so the connection is considered lost, as below.
        }
        subscriber.error(refused || new EtcdError('ConnectionLost', 'the server ended the stream', where));
      },
      // If a server rejects a request while its body is open, it accepts no more of the body. undici reports an error
      // for the body, although the response is complete.
      onResponseError: (_, error) =>
        subscriber.error(
          refusal.text === '' ? connectionError(error, sent, where) : errorInResponse({ status, body: refusal.text, location }, where),
        ),
    };
    // If the connection has already failed, writing to the body fails as well. This second failure must not be
    // reported.
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
