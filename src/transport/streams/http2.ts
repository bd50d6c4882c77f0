import { PassThrough } from 'node:stream';
import { Observable } from 'rxjs';
import type { Dispatcher } from 'undici';
import { EtcdError } from '../../errors/index.js';
import { Body } from '../http/body.js';
import { connectionError } from '../http/connectionError.js';
import { JsonStream } from '../json/jsonStream.js';
import { errorInResponse } from '../json/response.js';
import type { DuplexPart, DuplexRequest } from '../http/transport.js';
import { connectionFor, type Carrying } from './dedicatedConnection.js';

/**
 * A stream over one HTTP/2 request whose body stays open. undici sends nothing else on a connection meanwhile: it is this stream's
 * own.
 */
export function http2Duplex({ origin, path, headers, token, rpc }: DuplexRequest, carrying: Carrying): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    const where = { rpc, endpoint: origin };
    const connection = connectionFor(origin, carrying, true);
    const body = new PassThrough();
    const json = new JsonStream(carrying.maxResponseBytes, where);
    const refusal = new Body(carrying.maxResponseBytes, where);
    let status = 200;
    let sent = false;
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
      onResponseStart: (_, code) => (status = code),
      onResponseData: (_, bytes) =>
        guarded(() => {
          if (status !== 200) refusal.push(bytes);
          else for (const message of json.push(bytes)) subscriber.next({ type: 'message', json: message });
        }),
      onResponseEnd: () => {
        const refused = status !== 200 && errorInResponse({ status, body: refusal.text }, where);
        try {
          // Why the server ended it is its last message, and nothing stands behind that.
          for (const message of json.end()) subscriber.next({ type: 'message', json: message });
        } catch {
          // Cut off in the middle: lost, as below.
        }
        subscriber.error(refused || new EtcdError('ConnectionLost', 'the server ended the stream', where));
      },
      // A server that refuses a request while its body is open takes no more of it, which undici calls an error though the answer is whole.
      onResponseError: (_, error) =>
        subscriber.error(
          refusal.text === '' ? connectionError(error, sent, where) : errorInResponse({ status, body: refusal.text }, where),
        ),
    };
    // The client may have failed to connect already; writing to a stream that nobody reads is no error of ours.
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
