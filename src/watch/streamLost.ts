import type { EtcdError } from '../errors/index.js';

/** The stream under a watch broke, or could not be made. It passes between the stream and its watches, and never reaches a user. */
export class StreamLost extends Error {
  constructor(
    readonly error: EtcdError,
    /** Whether another stream may do better. */
    readonly again: boolean,
  ) {
    super('the stream was lost', { cause: error });
  }
}
