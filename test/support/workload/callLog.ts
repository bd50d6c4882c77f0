/** The outcome of a call. A write that `failed` is known not to have been carried out. */
export type Outcome = 'done' | 'ambiguous' | 'failed';

/** A call as its caller saw it. Times are those of `awakeNow()`: a stall of this process does not count. */
export interface CallNote {
  readonly begin: number;
  readonly end: number;
  readonly outcome: Outcome;
  /** Why it did not succeed, or took long. */
  readonly reason?: string | undefined;
}

/** A write, which is identified by its writer and its number. */
export interface WriteNote extends CallNote {
  readonly writer: string;
  readonly number: number;
  /** Its revision, by the response. */
  readonly revision?: number | undefined;
}

/** A violation, with a description. */
export interface Breach {
  readonly at: number;
  readonly what: string;
}
