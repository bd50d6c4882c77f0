import type { EtcdError } from '../errors/index.js';
import type { Carrier } from '../transport/streams/carrierSelector.js';

/** How the watches of a client are connected. */
export type ConnectionState =
  /** Nothing is watched. */
  | { readonly status: 'idle' }
  /** The first stream is being made. */
  | { readonly status: 'connecting' }
  /** The server has answered on a stream. With `chunked` each watch has a connection of its own, and this tells of the last one made. */
  | { readonly status: 'connected'; readonly endpoint: string; readonly carrier: Carrier }
  /** A stream was lost, or could not be made, and is to be made anew after `retryInMs` milliseconds. */
  | { readonly status: 'reconnecting'; readonly cause: EtcdError; readonly retryInMs: number }
  /** The client was closed. */
  | { readonly status: 'closed' };
