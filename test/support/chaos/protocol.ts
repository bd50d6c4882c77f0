/** The arguments of a process of contenders, as JSON. */
export interface Orders {
  readonly endpoint: string;
  readonly name: string;
  readonly contenders: number;
  readonly locks: readonly string[];
  /** The TTL of a lock, in seconds. */
  readonly ttl: number;
  readonly seed: number;
}

/**
 * The messages of the process, one line of JSON each. Times are those of the machine's monotonic clock, which all
 * processes share.
 */
export type Line =
  | { readonly is: 'ready' }
  /** A contender became the owner; `key` is its key in the queue. */
  | { readonly is: 'owned'; readonly at: number; readonly key: string }
  /** A tick of an owner that has not received a loss; `alive` is the value that it reads. */
  | { readonly is: 'tick'; readonly at: number; readonly key: string; readonly alive: boolean }
  /** An owner received the loss of the lock. */
  | { readonly is: 'lost'; readonly at: number; readonly key: string }
  /** An owner released the lock. */
  | { readonly is: 'released'; readonly at: number; readonly key: string }
  /** A guarded write was rejected, or committed. */
  | { readonly is: 'write'; readonly done: boolean }
  /** The error of an attempt to acquire, or of work under the lock. */
  | { readonly is: 'failed'; readonly reason: string }
  /**
   * The process closes its client, and exits. Waiting contenders fail with `ClientClosed` from now on, and not before.
   */
  | { readonly is: 'closing' };

/** The value of a counter: `owner` is the fencing token of its writer. */
export interface Count {
  readonly n: number;
  readonly owner: number;
}

export const LOCKS = 'chaos/lock/';
export const COUNTERS = 'chaos/counter/';

/** Returns the milliseconds of a clock that all processes of a machine share. */
export const machineNow = (): number => Number(process.hrtime.bigint()) / 1e6;
