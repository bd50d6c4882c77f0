import type { Dispatcher } from 'undici';
import { EtcdError, type ErrorDetails } from '../../errors/index.js';
import { connectionError } from '../connectionError.js';

/** What a WebSocket does not tell of its handshake. */
export interface Handshake {
  /** Makes it. */
  readonly dispatcher: Dispatcher;
  /** Why it failed. */
  failure(): EtcdError;
}

/**
 * A handshake that was answered with a refusal (the carrier does not work there) and one that was not answered (the server may be back in a moment) are
 * one and the same to who uses a WebSocket, by its standard: hence the look at the request beneath.
 */
export function handshakeOver(client: Dispatcher, where: ErrorDetails): Handshake {
  let failure: EtcdError | undefined;
  const watched: Dispatcher.DispatcherComposeInterceptor = (dispatch) => (options, handler) =>
    dispatch(options, {
      onRequestStart: (...args) => handler.onRequestStart?.(...args),
      onRequestUpgrade: (...args) => handler.onRequestUpgrade?.(...args),
      onResponseStart: (controller, status, ...more) => {
        failure = refusal(status, where);
        handler.onResponseStart?.(controller, status, ...more);
      },
      onResponseData: (...args) => handler.onResponseData?.(...args),
      onResponseEnd: (...args) => handler.onResponseEnd?.(...args),
      onResponseError: (controller, error) => {
        failure ??= connectionError(error, false, where);
        handler.onResponseError?.(controller, error);
      },
    });
  return {
    dispatcher: client.compose(watched),
    failure: () => failure ?? new EtcdError('CarrierUnusable', 'the answer to the WebSocket handshake is none', where),
  };
}

function refusal(status: number, where: ErrorDetails): EtcdError {
  // Something before the server that does not reach it just now.
  if (status >= 500) return new EtcdError('Unreachable', `HTTP ${status} in place of a WebSocket`, where);
  return new EtcdError('CarrierUnusable', `the WebSocket handshake was refused with HTTP ${status}`, where);
}
