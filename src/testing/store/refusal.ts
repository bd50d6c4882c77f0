import {
  codeOf,
  type ErrorDetails,
  type EtcdError,
  type GrpcCode,
  messageOf,
  serverError,
  type SERVER_REASONS,
} from '../../errors/index.js';

/** An error of the server, before it is known which call of which client it answers. */
export class Refusal extends Error {
  constructor(
    /** The words of the server. */
    readonly text: string,
    readonly code: GrpcCode,
  ) {
    super(text);
  }

  /** Returns the error that a client reads in it. */
  toError(where: ErrorDetails): EtcdError {
    return serverError(this.text, this.code, where);
  }
}

/** Returns the server's error for a reason, in etcd's own words. */
export const refusal = (reason: (typeof SERVER_REASONS)[number]): Refusal =>
  new Refusal(`etcdserver: ${messageOf(reason)}`, codeOf(reason));
