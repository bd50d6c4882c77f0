/** What a process of contenders is told on its command line, as JSON. */
export interface Orders {
  readonly endpoint: string;
  readonly name: string;
  readonly contenders: number;
  readonly locks: readonly string[];
  /** Seconds. */
  readonly ttl: number;
  readonly seed: number;
}

/** What it says, a line of JSON each. Times are by the monotonic clock of the machine, which all processes share. */
export type Line =
  | { readonly is: 'ready' }
  /** A contender owns; `key` stands for it. */
  | { readonly is: 'owned'; readonly at: number; readonly key: string }
  /** Of one whose ownership has not ended as far as it was told; `alive` is what it is told when it asks. */
  | { readonly is: 'tick'; readonly at: number; readonly key: string; readonly alive: boolean }
  /** It was told that it lost the lock. */
  | { readonly is: 'lost'; readonly at: number; readonly key: string }
  /** It gave the lock up by itself. */
  | { readonly is: 'released'; readonly at: number; readonly key: string }
  /** A guarded write was refused, or done. */
  | { readonly is: 'write'; readonly done: boolean }
  /** What an attempt to own, or work under it, ended in. */
  | { readonly is: 'failed'; readonly reason: string }
  /** It is told to end, and closes its client: whoever waits is told of that from now on, and not before. */
  | { readonly is: 'closing' };

/** The value of a counter: who wrote it, by the revision that fences it. */
export interface Count {
  readonly n: number;
  readonly owner: number;
}

export const LOCKS = 'chaos/lock/';
export const COUNTERS = 'chaos/counter/';

/** Milliseconds by the clock that all processes of a machine share. */
export const machineNow = (): number => Number(process.hrtime.bigint()) / 1e6;
