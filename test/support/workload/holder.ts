import { firstValueFrom, type Subscription } from 'rxjs';
import type { Client, LeaseEvent } from '../../../src/index.js';
import { awakeNow } from '../stopwatch.js';
import type { Breach } from './callLog.js';

const TICK_MS = 25;
/** The allowed delay of a report, as timers are late on a busy machine. */
const SLACK_MS = 500;

/** Holds a lease, regrants it after a loss, and records whether it was considered alive for too long. */
export class Holder {
  readonly breaches: Breach[] = [];
  /** The times at which leases were lost. */
  readonly losses: number[] = [];
  granted = 0;
  private last: LeaseEvent | undefined;
  /**
   * The latest time until which the last lease may be alive. Its last response may have arrived later than the time
   * from which the TTL counts, but never earlier.
   */
  private until = 0;
  private lookedAt = performance.now();
  /** Whether a violation of the last lease was found: one is enough. */
  private faulty = false;
  private readonly subscription: Subscription;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly name: string,
    etcd: Client,
    private readonly ttl: number,
  ) {
    this.subscription = etcd.lease({ ttl, onLost: 'regrant' }).subscribe({
      next: (event) => this.take(event),
      error: (error: unknown) => this.breach(`the lease ended: ${String(error)}`),
    });
    this.timer = setInterval(() => this.look(), TICK_MS);
  }

  /** Checks whether the state of its lease is correct. */
  async finish(direct: Client): Promise<void> {
    clearInterval(this.timer);
    const lease = this.last?.lease;
    const isGone = lease !== undefined && (await firstValueFrom(direct.lease.timeToLive(lease.id))).ttl < 0;
    if (lease?.alive !== true) this.breach('no lease is held, though all is well again');
    else if (isGone) this.breach('a lease that is gone is thought to be alive');
    this.subscription.unsubscribe();
  }

  private take(event: LeaseEvent): void {
    this.last = event;
    if (event.type === 'granted') {
      this.granted += 1;
      this.faulty = false;
    }
    if (event.type === 'granted' || event.type === 'refreshed') this.until = performance.now() + event.ttl * 1_000;
    if (event.type === 'lost') this.losses.push(awakeNow());
  }

  private look(): void {
    const now = performance.now();
    // If this check itself is late, all reports of the process are late.
    const stalled = now - this.lookedAt - TICK_MS;
    this.lookedAt = now;
    const late = now - this.until;
    const { last } = this;
    if (last === undefined || last.type === 'lost' || this.faulty) return;
    if (late > 0 && last.lease.alive) this.breach(`a lease is thought to be alive ${Math.round(late)} ms after its ${this.ttl} s`);
    if (late - stalled > SLACK_MS) this.breach(`that a lease is lost was not told ${Math.round(late)} ms after its ${this.ttl} s`);
  }

  private breach(what: string): void {
    this.faulty = true;
    this.breaches.push({ at: awakeNow(), what: `${this.name}: ${what}` });
  }
}
