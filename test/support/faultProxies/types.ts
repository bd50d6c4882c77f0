import type { Lane } from './proxyDirection.js';

/** The faults of one direction of a proxy. */
export type LaneControl = Pick<Lane, 'bytes' | 'delayMs' | 'bytesPerSecond' | 'cutAfter' | 'stall' | 'resume'>;

/** A proxy between a client and a server that causes faults. */
export interface TcpProxy {
  readonly up: LaneControl;
  readonly down: LaneControl;
  readonly endpoint: string;
  /** The number of connections that were accepted, and of those that are open. */
  readonly accepted: number;
  readonly open: number;
  /** Ends every connection, now. */
  cut(): void;
  /** Ends every connection and refuses new ones, until {@link accept}. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** A proxy between a client and a server that loses the responses of calls. */
export interface CuttingProxy {
  readonly endpoint: string;
  /**
   * Loses the response of the next call of each kind (by its path), and cuts the open connections. The server has
   * completed the calls.
   */
  cutEach(): void;
  /** The paths of which a response was lost since the last {@link cutEach}. */
  readonly cuts: ReadonlySet<string>;
  /** The number of calls that arrived, including those with a lost response. */
  readonly calls: number;
  /** Ends every connection and refuses new ones, until {@link accept}. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** The traffic through a {@link CountingProxy}. */
export interface Passed {
  readonly path: string;
  readonly body: string;
}

/** A proxy that passes HTTP on to a server and records the calls. */
export interface CountingProxy {
  readonly endpoint: string;
  /** The RPCs that passed, without requests for the version. */
  readonly calls: readonly Passed[];
  /** Forgets the calls so far. */
  forget(): void;
  stop(): Promise<void>;
}
