/** Pauses that double up to a limit, each shortened by chance by up to a half so that many clients do not come back as one. */
export class Backoff {
  private failures = 0;

  constructor(
    private readonly initialMs: number,
    private readonly maxMs: number,
  ) {}

  /** The pause after another failure. */
  next(): number {
    const full = Math.min(this.maxMs, this.initialMs * 2 ** this.failures);
    this.failures += 1;
    return full * (0.5 + Math.random() / 2);
  }

  /** It went well: the next pause is the first again. */
  reset(): void {
    this.failures = 0;
  }
}
