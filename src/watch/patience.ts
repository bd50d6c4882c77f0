/** To 32 times the usual. */
const MOST_DOUBLINGS = 5;

/**
 * How long an answer may take. A server that has a long history to go through for a watch is silent meanwhile, and begins anew on each stream: were it
 * always given the same time, it might never end. So each stream that was given up for its silence doubles the time, until one brings news.
 */
export class Patience {
  private doublings = 0;
  private exhausted = false;

  constructor(private readonly usualMs: number) {}

  get ms(): number {
    return this.usualMs * 2 ** this.doublings;
  }

  /** Another stream is about to be made. */
  begin(): void {
    this.exhausted = false;
  }

  /** It was given up for its silence; many that are given up at once are one failure. */
  end(): void {
    if (!this.exhausted) this.doublings = Math.min(MOST_DOUBLINGS, this.doublings + 1);
    this.exhausted = true;
  }

  /** It was enough. */
  reward(): void {
    this.doublings = 0;
  }
}
