import { asyncScheduler, Subscription } from 'rxjs';

/** How a stream is asked whether it is still there. */
export interface HeartbeatSettings {
  /** How long it may be silent before it is asked. */
  readonly intervalMs: number;
  /** How long an answer may take. */
  readonly timeoutMs: () => number;
  /** Asks. @returns false where there is nothing to ask for: nobody would answer */
  readonly ask: () => boolean;
  /** It did not answer. */
  readonly onLost: (what: string) => void;
}

/**
 * So many times the answer to a create may take what any answer may, while something else is heard: it may stand behind a long backlog. But a stream can
 * go on with its old watches and be deaf to new ones.
 */
const PATIENCE = 12;

/**
 * Finds a stream that is dead without having been closed. The other end is silent by right while nothing happens, so it is asked now and then, and
 * whatever it says counts as an answer. Nothing is done a message but to count it.
 */
export class Heartbeat {
  /** A count, and no flag: each who waits compares it with that of the time when it began, and takes nothing from the others. */
  private heard = 0;
  private heardAtTick = 0;
  private readonly timers = new Subscription();
  private created: Subscription | undefined;
  private asked: Subscription | undefined;

  constructor(private readonly settings: HeartbeatSettings) {
    this.tickLater();
  }

  /** A message came. */
  hear(): void {
    this.heard += 1;
  }

  /** A create was sent, which must be answered, or (false) it was. */
  expect(answer: boolean): void {
    this.created?.unsubscribe();
    this.created = undefined;
    if (answer) this.awaitCreate(PATIENCE);
  }

  stop(): void {
    this.timers.unsubscribe();
    this.created?.unsubscribe();
    this.asked?.unsubscribe();
  }

  private awaitCreate(patience: number): void {
    this.created = this.within('a new watch was not answered', () => {
      if (patience > 1) this.awaitCreate(patience - 1);
      return patience > 1;
    });
  }

  private tickLater(): void {
    const next = asyncScheduler.schedule(() => {
      this.timers.remove(next);
      this.tick();
      this.tickLater();
    }, this.settings.intervalMs);
    this.timers.add(next);
  }

  private tick(): void {
    const silent = this.heard === this.heardAtTick;
    this.heardAtTick = this.heard;
    // One question at a time: a busy server takes them in turn, and what it is to do for us would stand behind them all.
    const waiting = this.created !== undefined || this.asked !== undefined;
    if (!silent || waiting || !this.settings.ask()) return;
    this.asked = this.within('it was silent, and did not answer when it was asked', () => {
      this.asked = undefined;
      return true;
    });
  }

  /** Something must be heard in time, and what came must do. */
  private within(problem: string, suffices: () => boolean): Subscription {
    const timeoutMs = this.settings.timeoutMs();
    const before = this.heard;
    return asyncScheduler.schedule(() => {
      if (this.heard === before || !suffices()) this.settings.onLost(`${problem} within ${timeoutMs} ms`);
    }, timeoutMs);
  }
}
