import type { Rpc } from '../codec/rpc.js';

/** Receives the writes of a client. Each response is reported before the caller receives it. */
export interface WriteListener {
  /**
   * Called when a write begins.
   *
   * @param newest the newest revision that the client has seen; 0 before it has seen any
   * @returns an object to notify when it ends; undefined if none is needed
   */
  begun<In>(rpc: Rpc<In, unknown>, request: In, newest: number): PendingWrite | undefined;
  /** Called when a write was carried out. */
  answered<In, A>(rpc: Rpc<In, A>, request: In, answer: A, pending: PendingWrite | undefined): void;
}

/** A write that has no response yet. */
export interface PendingWrite {
  /**
   * Records its end without a response. `unknown` means that the server may have carried it out. Does nothing after a
   * response.
   */
  ended(unknown: boolean): void;
}
