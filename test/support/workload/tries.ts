import type { RetryPolicy } from '../../../src/index.js';

/** The tries of a client that failed, for who wants to know where the time of a call went. */
export class Tries {
  private readonly failed: { readonly at: number; readonly what: string }[] = [];

  /** Listens, and has no say. */
  readonly listen: RetryPolicy = ({ rpc, safety, error, verdict }) => {
    if (safety === 'read') this.failed.push({ at: performance.now(), what: `${rpc}: ${error.message}, ${verdict}` });
    return 'default';
  };

  /** Those that read, in words: when they failed, in milliseconds since the beginning. */
  between(begin: number, end: number): string {
    const within = this.failed.filter(({ at }) => at >= begin && at <= end);
    return within.map(({ at, what }) => `${Math.round(at - begin)} ms ${what}`).join('; ');
  }
}
