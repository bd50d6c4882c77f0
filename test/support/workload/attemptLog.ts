import type { RetryPolicy } from '../../../src/index.js';
import { awakeNow } from '../stopwatch.js';

/** Records the failed attempts of a client, to show where the time of a call went. */
export class Tries {
  private readonly failed: { readonly at: number; readonly what: string }[] = [];

  /** Records a failed attempt, and leaves the decision to the default. */
  readonly listen: RetryPolicy = ({ rpc, safety, error, action }) => {
    if (safety === 'read') this.failed.push({ at: awakeNow(), what: `${rpc}: ${error.message}, ${action}` });
    return 'default';
  };

  /**
   * Describes the failures of reads: the times of the first and the last, in milliseconds since the beginning, and
   * their number.
   */
  between(begin: number, end: number): string {
    const met = new Map<string, number[]>();
    for (const { at, what } of this.failed) if (at >= begin && at <= end) met.set(what, [...(met.get(what) ?? []), Math.round(at - begin)]);
    return [...met].map(([what, at]) => `${at[0]}${at.length === 1 ? '' : `…${at.at(-1)}`} ms ${at.length} × ${what}`).join('; ');
  }
}
