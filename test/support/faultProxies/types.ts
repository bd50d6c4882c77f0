import type { Lane } from './proxyDirection.js';

/** What can befall one direction of a proxy. */
export type LaneControl = Pick<Lane, 'bytes' | 'delayMs' | 'bytesPerSecond' | 'cutAfter' | 'stall' | 'resume'>;

/** Stands between a client and a server, and breaks things. */
export interface TcpProxy {
  readonly up: LaneControl;
  readonly down: LaneControl;
  readonly endpoint: string;
  /** Connections that were made, and those that are open. */
  readonly accepted: number;
  readonly open: number;
  /** Ends every connection, now. */
  cut(): void;
  /** Ends every connection and refuses new ones, until {@link accept}. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** Stands between a client and a server, and loses the answers of calls. */
export interface CuttingProxy {
  readonly endpoint: string;
  /** Loses the answer of the next call of each kind (by its path), and cuts the connections that are open. The server has carried the calls out. */
  cutEach(): void;
  /** The paths of which an answer was lost since the last {@link cutEach}. */
  readonly cuts: ReadonlySet<string>;
  /** Calls that came, lost ones included. */
  readonly calls: number;
  /** Ends every connection and refuses new ones, until {@link accept}. */
  refuse(): Promise<void>;
  accept(): Promise<void>;
  close(): Promise<void>;
}

/** What went through a {@link CountingProxy}. */
export interface Passed {
  readonly path: string;
  readonly body: string;
}

/** Passes HTTP on to a server and writes down what. */
export interface CountingProxy {
  readonly endpoint: string;
  /** The RPCs that went through, without the questions after the version. */
  readonly calls: readonly Passed[];
  /** Forgets the calls so far. */
  forget(): void;
  stop(): Promise<void>;
}
