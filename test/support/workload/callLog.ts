/** What became of a call. A write that `failed` is known not to have been carried out. */
export type Outcome = 'done' | 'ambiguous' | 'failed';

/** A call as who made it saw it. Times are `awakeNow()`: what this process was stalled counts for no call. */
export interface CallNote {
  readonly begin: number;
  readonly end: number;
  readonly outcome: Outcome;
  /** Why it was not done; or took long. */
  readonly reason?: string | undefined;
}

/** A write: each is told from all others by its writer and its number. */
export interface WriteNote extends CallNote {
  readonly writer: string;
  readonly number: number;
  /** Where it is in the history, as the answer said. */
  readonly revision?: number | undefined;
}

/** That something did not hold, in words. */
export interface Breach {
  readonly at: number;
  readonly what: string;
}
