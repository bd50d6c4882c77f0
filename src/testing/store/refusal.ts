import {
  codeOf,
  type ErrorDetails,
  type EtcdError,
  type GrpcCode,
  messageOf,
  serverError,
  type SERVER_REASONS,
} from '../../errors/index.js';

/** An error of the server before it is assigned to a client's call. */
export class Refusal extends Error {
  constructor(
    /** The text of the server. */
    readonly text: string,
    readonly code: GrpcCode,
  ) {
    super(text);
  }

  /** Returns the error that a client receives. */
  toError(where: ErrorDetails): EtcdError {
    return serverError(this.text, this.code, where);
  }
}

/** Returns the server's error for a reason, with etcd's own text. */
export const refusal = (reason: (typeof SERVER_REASONS)[number]): Refusal =>
  new Refusal(`etcdserver: ${messageOf(reason)}`, codeOf(reason));
