import type { Subscription } from 'rxjs';
import { scheduleTimeout, monotonicNow } from '../../util/time.js';

/** Settings and functions for the heartbeat of a stream. */
export interface HeartbeatSettings {
  /** Returns how long the stream may receive nothing at present before a heartbeat is sent. */
  readonly intervalMs: () => number;
  /** Returns how long a response may take. */
  readonly timeoutMs: () => number;
  /** Sends a heartbeat. Returns false if the stream has no watch, as the server would not respond then. */
  readonly ask: () => boolean;
  /** Called when no response arrived in time. */
  readonly onLost: (what: string) => void;
}

/**
 * Limits how long the response to a create request may take, as a multiple of the usual timeout. While other messages
 * arrive, the response may be queued behind many of them. But a stream may also ignore new watches and continue with
 * the old ones.
 */
const MAX_CREATE_TIMEOUTS = 12;

/**
 * The part of the interval by which a heartbeat may be sent early. All streams of a process then send in the same turn.
 * To wake up the process and the server costs several times as much as a heartbeat.
 */
const SLACK = 0.1;

/** The time after a message, in milliseconds, in which a failure elsewhere triggers no heartbeat. */
const RECENT_MESSAGE_MS = 200;

/**
 * Detects a stream that is dead without having been closed. A healthy stream also carries no message while nothing is
 * written. So a heartbeat is sent from time to time, and any message counts as the response. A message costs no timer:
 * only its time is recorded.
 */
export class Heartbeat {
  private lastMessageAt = monotonicNow();
  private heartbeatSentAt = -Infinity;
  /** The timeout of the last heartbeat. */
  private dueWithinMs = 0;
  /** The time at which a heartbeat was last due and could not be sent. */
  private skippedAt = -Infinity;
  private timer: Subscription | undefined;
  /** Set while the response to a create request is due. */
  private createTimer: Subscription | undefined;
  /** The time from which that response is awaited. */
  private createSentAt = -Infinity;

  constructor(private readonly settings: HeartbeatSettings) {
    this.scheduleCheck();
  }

  /** Records that a message arrived. */
  hear(): void {
    this.lastMessageAt = monotonicNow();
  }

  /** Starts to wait for the response to a create request; with false, stops waiting. */
  expect(answer: boolean): void {
    if (answer) {
      this.createSentAt = monotonicNow();
      // A timer that is set stays: when it is due, it follows from the newest request how long to wait on.
      if (this.createTimer === undefined) this.awaitCreate();
      return;
    }
    this.createTimer?.unsubscribe();
    this.createTimer = undefined;
  }

  /** Sends a heartbeat at once, as something else failed at the same endpoint. */
  suspect(): void {
    if (monotonicNow() - this.lastMessageAt < RECENT_MESSAGE_MS || this.isAwaitingResponse) return;
    this.ask();
    this.scheduleCheck();
  }

  /** Applies an interval that became shorter. */
  hurry(): void {
    this.scheduleCheck();
  }

  stop(): void {
    this.timer?.unsubscribe();
    this.createTimer?.unsubscribe();
  }

  private get isAwaitingResponse(): boolean {
    return this.lastMessageAt < this.heartbeatSentAt;
  }

  private awaitCreate(): void {
    const sentAt = this.createSentAt;
    const timeoutMs = this.settings.timeoutMs();
    const dueAt = Math.min(Math.max(this.lastMessageAt, sentAt) + timeoutMs, sentAt + MAX_CREATE_TIMEOUTS * timeoutMs);
    const restMs = dueAt - monotonicNow();
    if (restMs > 0) this.createTimer = scheduleTimeout(restMs, () => this.awaitCreate());
    else this.settings.onLost(`no response to a create request within ${timeoutMs} ms`);
  }

  private check(): void {
    if (this.dueAt() <= monotonicNow()) {
      if (this.isAwaitingResponse) return this.settings.onLost(`no response to a heartbeat within ${this.dueWithinMs} ms`);
      this.ask();
    }
    this.scheduleCheck();
  }

  private dueAt(): number {
    if (this.isAwaitingResponse) return this.heartbeatSentAt + this.dueWithinMs;
    const intervalMs = this.settings.intervalMs();
    const slackMs = intervalMs * SLACK;
    return Math.floor((Math.max(this.lastMessageAt, this.skippedAt) + intervalMs) / slackMs) * slackMs;
  }

  private scheduleCheck(): void {
    this.timer?.unsubscribe();
    const restMs = Math.max(0, Math.ceil(this.dueAt() - monotonicNow()));
    // A response does not move the timer.
    this.timer = scheduleTimeout(this.isAwaitingResponse ? Math.min(restMs, this.settings.intervalMs()) : restMs, () => this.check());
  }

  private ask(): void {
    const now = monotonicNow();
    // One request at a time: a busy server handles them in turn, and the client's real work would queue behind them.
    if (this.createTimer === undefined && this.settings.ask()) {
      this.heartbeatSentAt = now;
      this.dueWithinMs = this.settings.timeoutMs();
    } else {
      this.skippedAt = now;
    }
  }
}
