import { EMPTY, ignoreElements, Observable, of, retry, share, timer, type Observer } from 'rxjs';
import { leaseRpcs } from '../codec/lease.js';
import type { Leases } from '../lease.js';
import type { LeaseId } from '../model/ids.js';
import type { Caller } from '../transport/call.js';
import type { ConnectionSettings } from '../watch/settings.js';
import { StreamConnections } from '../watch/streamConnections.js';
import { StreamLost } from '../watch/streamLost.js';
import { Agenda } from './agenda.js';
import { duplexKeepAlive, singleKeepAlives, type KeepAliveStream } from './keepAliveStream.js';
import type { Hold } from './leaseLife.js';

/** A lease may live for two seconds: what leads to its refresh must not be waited for as long as watches can wait for theirs. In milliseconds. */
const MOST = { answerTimeoutMs: 1_000, maxBackoffMs: 500 };

/** The refreshes of all leases of a client, on one stream where the carrier can. */
export class KeepAlives {
  private readonly connections: StreamConnections<KeepAliveStream>;
  private readonly agenda = new Agenda();
  /** Shared: a stream that each of ten thousand leases holds by itself would look through all of them for each refresh that is done. */
  private readonly held: Observable<never>;

  constructor(
    caller: Caller,
    service: Leases,
    private readonly settings: ConnectionSettings,
  ) {
    this.connections = new StreamConnections<KeepAliveStream>(
      () => caller.channel(leaseRpcs.keepAlive),
      {
        initialBackoffMs: Math.min(settings.initialBackoffMs, MOST.maxBackoffMs),
        maxBackoffMs: Math.min(settings.maxBackoffMs, MOST.maxBackoffMs),
        answerTimeoutMs: Math.min(settings.answerTimeoutMs, MOST.answerTimeoutMs),
      },
      (channel, outcomes) => {
        const onAnswer = (): void => {
          outcomes.onAnswer();
          outcomes.onNews();
        };
        if (channel.duplex === undefined) return singleKeepAlives(service, onAnswer);
        return duplexKeepAlive(channel.duplex, channel, { agenda: this.agenda, onAnswer });
      },
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

  /** Refreshes a lease once, on the stream that there is; it errors when that breaks, and the next try is on another. */
  refresh(id: LeaseId, patienceMs: number): Observable<Hold> {
    const { connections, settings } = this;
    // No pipeline: a thousand leases do this some hundred times a second.
    return new Observable((subscriber) => {
      const asker: Observer<KeepAliveStream> = {
        next: (stream) => void stream.refresh(id, Math.min(patienceMs, settings.answerTimeoutMs)).subscribe(subscriber),
        error: (error: unknown) => subscriber.error(error instanceof StreamLost ? error.error : error),
        complete: () => undefined,
      };
      connections.join(asker);
      return () => connections.leave(asker);
    });
  }

  /** Keeps a stream open as long as it is subscribed to, whatever breaks: between two refreshes of a lease nobody else would. Emits nothing. */
  hold(): Observable<never> {
    return this.held;
  }
}
