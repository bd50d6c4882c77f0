import { EMPTY, ignoreElements, of, retry, share, timer, type Observable, type Observer } from 'rxjs';
import { leaseRpcs } from '../../codec/lease.js';
import type { Leases } from '../../services/lease.js';
import type { Caller, Channel } from '../../transport/call.js';
import type { ConnectionSettings } from '../../watch/settings.js';
import { StreamConnections, type StreamOutcomes } from '../../watch/streams/streamManager.js';
import { StreamLost } from '../../watch/streamLost.js';
import { Agenda } from '../agenda.js';
import { duplexKeepAlive, singleKeepAlives, type RefreshOutcomes } from './keepAliveStream.js';
import type { Asker, Refresher } from '../refresher.js';

/** A lease may live for two seconds: what leads to its refresh must not be waited for as long as watches can wait for theirs. In milliseconds. */
const MOST = { answerTimeoutMs: 1_000, maxBackoffMs: 500 };

/** The refreshes of all leases of a client, on one stream where the carrier can. */
export class KeepAlives implements Refresher, Observer<Refresher> {
  private readonly connections: StreamConnections<Refresher>;
  private readonly agenda = new Agenda();
  /** Those who have no answer yet. As long as there are any, a stream is asked for. */
  private readonly askers = new Set<Asker>();
  private stream: Refresher | undefined;
  /** Shared: a stream that each of ten thousand leases holds by itself would look through all of them for each lease that ends. */
  private readonly held: Observable<never>;

  constructor(
    caller: Caller,
    private readonly service: Leases,
    private readonly settings: ConnectionSettings,
  ) {
    this.connections = new StreamConnections<Refresher>(
      () => caller.channel(leaseRpcs.keepAlive),
      {
        initialBackoffMs: Math.min(settings.initialBackoffMs, MOST.maxBackoffMs),
        maxBackoffMs: Math.min(settings.maxBackoffMs, MOST.maxBackoffMs),
        answerTimeoutMs: Math.min(settings.answerTimeoutMs, MOST.answerTimeoutMs),
      },
      (channel, outcomes) => this.over(channel, outcomes),
    );
    this.held = this.connections.stream().pipe(
      ignoreElements(),
      retry({
        delay: (failure: unknown) => {
          if (!(failure instanceof StreamLost)) return EMPTY;
          // Where another stream is said not to do better, the refreshes go on asking for one; so does this, but not all the time.
          return failure.again ? of(undefined) : timer(settings.maxBackoffMs);
        },
      }),
      share(),
    );
  }

  /** Refreshes a lease once, on the stream that there is; it fails when that breaks, and the next try is on another. */
  ask(asker: Asker): void {
    this.askers.add(asker);
    if (this.askers.size === 1) this.connections.join(this);
    else this.stream?.ask(asker);
  }

  leave(asker: Asker): void {
    const { stream } = this;
    if (this.settle(asker)) stream?.leave(asker);
  }

  /** Keeps a stream open as long as it is subscribed to, whatever breaks: between two refreshes of a lease nobody else would. Emits nothing. */
  hold(): Observable<never> {
    return this.held;
  }

  /** There is a stream to ask on. */
  next(stream: Refresher): void {
    this.stream = stream;
    for (const asker of [...this.askers]) stream.ask(asker);
  }

  /** It broke, or there is none to be had. */
  error(failure: unknown): void {
    const askers = [...this.askers];
    this.askers.clear();
    this.stream = undefined;
    for (const asker of askers) asker.failed(failure instanceof StreamLost ? failure.error : failure);
  }

  /** A stream has no end but an error. */
  complete(): void {}

  private over(channel: Channel, outcomes: StreamOutcomes): Observable<Refresher> {
    const { service, settings, agenda } = this;
    let heard = false;
    const told: RefreshOutcomes = {
      onAnswer: () => {
        // Those that follow on the same stream say nothing new of it.
        if (heard) return;
        heard = true;
        outcomes.onAnswer();
        outcomes.onNews();
      },
      onRefreshed: (asker, hold) => {
        if (this.settle(asker)) asker.refreshed(hold);
      },
      onFailed: (asker, error) => {
        if (this.settle(asker)) asker.failed(error);
      },
    };
    if (channel.duplex === undefined) return singleKeepAlives(service, settings.answerTimeoutMs, told);
    return duplexKeepAlive(channel.duplex, channel, { ...told, agenda, answerTimeoutMs: settings.answerTimeoutMs });
  }

  /** One who has an answer, or wants none any more. @returns false for one who left before */
  private settle(asker: Asker): boolean {
    if (!this.askers.delete(asker)) return false;
    if (this.askers.size === 0) {
      this.stream = undefined;
      this.connections.leave(this);
    }
    return true;
  }
}
