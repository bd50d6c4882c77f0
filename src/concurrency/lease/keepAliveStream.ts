import { Observable, of, Subscription, type Subscriber } from 'rxjs';
import { leaseRpcs, LeaseRefreshed } from '../../codec/lease.js';
import { EtcdError, type ErrorDetails } from '../../errors/index.js';
import type { Leases } from '../../services/lease.js';
import type { LeaseId } from '../../model/ids.js';
import { readStreamMessage } from '../../transport/answers.js';
import type { Channel } from '../../transport/call.js';
import type { DuplexPart } from '../../transport/http/transport.js';
import type { Agenda } from '../agenda.js';
import { moment, type Moment } from '../clock.js';
import type { Asker, Hold, Refresher } from '../refresher.js';
import { Silence } from '../silence.js';

/** What is told of the refreshes on a stream, of those whose askers have left, too. */
export interface RefreshOutcomes {
  /** The server has answered, whatever it says. */
  readonly onAnswer: () => void;
  readonly onRefreshed: (asker: Asker, hold: Hold) => void;
  readonly onFailed: (asker: Asker, error: unknown) => void;
}

/** What a stream both ways is kept with. */
export interface StreamKeeping extends RefreshOutcomes {
  readonly agenda: Agenda;
  /** How long an answer may take at the most, however patient the asker. */
  readonly answerTimeoutMs: number;
}

/** All leases of a client on one stream: emits it when it is open, and errors when it breaks. */
export function duplexKeepAlive(parts: Observable<DuplexPart>, { endpoint }: Channel, keeping: StreamKeeping): Observable<Refresher> {
  return new Observable((subscriber) => {
    const where = { rpc: leaseRpcs.keepAlive.name, endpoint };
    let stream: DuplexKeepAlive | undefined;
    subscriber.add(() => stream?.close());
    subscriber.add(
      parts.subscribe({
        next: (part) => {
          if (part.type === 'open') {
            stream = new DuplexKeepAlive(part.send, where, keeping, subscriber);
            subscriber.next(stream);
            return;
          }
          try {
            stream?.receive(part.json);
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error: unknown) => subscriber.error(error),
      }),
    );
  });
}

interface Waiting {
  readonly asker: Asker;
  readonly sentAt: Moment;
}

class DuplexKeepAlive implements Refresher {
  /** By lease, in the order of the requests, which is that of the answers. */
  private readonly waiting = new Map<LeaseId, Waiting[]>();
  private readonly silence: Silence;

  constructor(
    private readonly send: (message: string) => void,
    private readonly where: ErrorDetails,
    private readonly keeping: StreamKeeping,
    private readonly subscriber: Subscriber<Refresher>,
  ) {
    this.silence = new Silence(keeping.agenda);
  }

  ask(asker: Asker): void {
    const { id, patienceMs } = asker;
    const one = { asker, sentAt: moment() };
    const others = this.waiting.get(id);
    if (others === undefined) this.waiting.set(id, [one]);
    else others.push(one);
    this.silence.asked(Math.min(patienceMs, this.keeping.answerTimeoutMs), this.onSilence);
    this.send(JSON.stringify({ ID: id }));
  }

  /** It stays in its place: the answer comes all the same, and must not be taken for another's. */
  leave(): void {}

  close(): void {
    this.silence.forget();
  }

  receive(json: unknown): void {
    const { keeping, waiting, where } = this;
    const { id, ttl } = readStreamMessage(LeaseRefreshed, json, where);
    keeping.onAnswer();
    const asked = waiting.get(id);
    const first = asked?.shift();
    if (first === undefined) return;
    this.silence.answered();
    if (asked?.length === 0) waiting.delete(id);
    if (ttl > 0) keeping.onRefreshed(first.asker, { ttl, sentAt: first.sentAt });
    else keeping.onFailed(first.asker, new EtcdError('LeaseNotFound', `lease ${id} is gone`, where));
  }

  /** On a stream that should answer at once: it is dead, for all that use it. */
  private readonly onSilence = (ms: number): void =>
    this.subscriber.error(new EtcdError('ConnectionLost', `a keepalive was not answered within ${Math.round(ms)} ms`, this.where));
}

/** Where no stream goes both ways each refresh is a call of its own. */
export function singleKeepAlives(
  service: Leases,
  answerTimeoutMs: number,
  { onAnswer, onRefreshed, onFailed }: RefreshOutcomes,
): Observable<Refresher> {
  const calls = new Map<Asker, Subscription>();
  const leave = (asker: Asker): void => {
    calls.get(asker)?.unsubscribe();
    calls.delete(asker);
  };
  const ask = (asker: Asker): void => {
    const sentAt = moment();
    const call = new Subscription();
    calls.set(asker, call);
    call.add(
      service.keepAliveOnce(asker.id, { timeoutMs: Math.min(asker.patienceMs, answerTimeoutMs) }).subscribe({
        next: ({ ttl }) => {
          calls.delete(asker);
          onAnswer();
          onRefreshed(asker, { ttl, sentAt });
        },
        error: (error: unknown) => {
          calls.delete(asker);
          onFailed(asker, error);
        },
      }),
    );
  };
  return of({ ask, leave });
}
