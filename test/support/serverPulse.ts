import { setTimeout as delay } from 'node:timers/promises';
import { awakeNow } from './stopwatch.js';

const PAUSE_MS = 10;
/** A server that takes longer for a read is stalled, because it has too few cores. */
const PROMPT_MS = 50;

/**
 * Reads from a server all the time, independently of the tested client. Measures for how long the server itself did not
 * respond.
 */
export class ServerPulse {
  private readonly beating: Promise<void>;
  private before = 0;
  private askedAt = awakeNow();
  private stopped = false;

  constructor(private readonly read: () => Promise<unknown>) {
    this.beating = this.beat();
    // `stop` rejects with it.
    this.beating.catch(() => undefined);
  }

  /** All stalls together, the present one included. */
  get stalledMs(): number {
    return this.before + Math.max(0, awakeNow() - this.askedAt - PROMPT_MS);
  }

  stop(): Promise<void> {
    this.stopped = true;
    return this.beating;
  }

  private async beat(): Promise<void> {
    while (!this.stopped) {
      this.askedAt = awakeNow();
      await this.read();
      this.before = this.stalledMs;
      this.askedAt = Infinity;
      await delay(PAUSE_MS);
    }
  }
}
