import { Subscription } from 'rxjs';
import { giveUpIn } from '../../transport/giveUpIn.js';
import { steadyNow } from '../../transport/steadyNow.js';

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
 * whatever it says counts as an answer. Nothing is done a message but to note when it came.
 */
export class Heartbeat {
  private heardAt = steadyNow();
  private askedAt = -Infinity;
  private readonly timers = new Subscription();
  /** There while a create is to be answered. */
  private created: Subscription | undefined;

  constructor(private readonly settings: HeartbeatSettings) {
    this.in(settings.intervalMs, () => this.look());
  }

  /** A message came. */
  hear(): void {
    this.heardAt = steadyNow();
  }

  /** A create was sent, which must be answered, or (false) it was. */
  expect(answer: boolean): void {
    this.created?.unsubscribe();
    this.created = undefined;
    if (answer) this.awaitCreate(steadyNow());
  }

  stop(): void {
    this.timers.unsubscribe();
    this.created?.unsubscribe();
  }

  private awaitCreate(sentAt: number): void {
    const timeoutMs = this.settings.timeoutMs();
    const dueAt = Math.min(Math.max(this.heardAt, sentAt) + timeoutMs, sentAt + PATIENCE * timeoutMs);
    const restMs = dueAt - steadyNow();
    if (restMs > 0) this.created = giveUpIn(restMs, () => this.awaitCreate(sentAt));
    else this.settings.onLost(`a new watch was not answered within ${timeoutMs} ms`);
  }

  private look(): void {
    const { intervalMs } = this.settings;
    const restMs = this.heardAt + intervalMs - steadyNow();
    if (restMs <= 0) this.ask();
    this.in(restMs > 0 ? restMs : intervalMs, () => this.look());
  }

  private ask(): void {
    // One question at a time: a busy server takes them in turn, and what it is to do for us would stand behind them all.
    const waiting = this.created !== undefined || this.heardAt < this.askedAt;
    if (waiting || !this.settings.ask()) return;
    const askedAt = (this.askedAt = steadyNow());
    const timeoutMs = this.settings.timeoutMs();
    this.in(timeoutMs, () => {
      if (this.heardAt < askedAt) this.settings.onLost(`it was silent, and did not answer when it was asked within ${timeoutMs} ms`);
    });
  }

  private in(ms: number, work: () => void): void {
    const timer = giveUpIn(ms, () => {
      this.timers.remove(timer);
      work();
    });
    this.timers.add(timer);
  }
}
