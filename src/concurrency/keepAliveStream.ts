import { map, Observable, of, tap, type Subscriber } from 'rxjs';
import { leaseRpcs } from '../codec/lease.js';
import { requestText } from '../codec/rpc.js';
import { EtcdError, type ErrorDetails } from '../errors/index.js';
import type { Leases } from '../lease.js';
import type { LeaseId } from '../model/ids.js';
import { readStreamMessage } from '../transport/answers.js';
import type { Channel } from '../transport/call.js';
import type { DuplexPart } from '../transport/transport.js';
import type { Agenda } from './agenda.js';
import { moment, type Moment } from './clock.js';
import type { Hold } from './leaseLife.js';
import { Silence } from './silence.js';

/** A stream on which leases are refreshed. */
export interface KeepAliveStream {
  /** Refreshes a lease once. `LeaseNotFound` where it is gone. Where the server is silent for so long, the stream is given up for all. */
  refresh(id: LeaseId, patienceMs: number): Observable<Hold>;
}

/** What a stream both ways is kept with. */
export interface StreamKeeping {
  readonly agenda: Agenda;
  readonly onAnswer: () => void;
}

interface Waiting {
  readonly sentAt: Moment;
  readonly subscriber: Subscriber<Hold>;
}

const rpc = leaseRpcs.keepAlive;

const notFound = (id: LeaseId, where: ErrorDetails): EtcdError => new EtcdError('LeaseNotFound', `lease ${id} is gone`, where);

/** All leases of a client on one stream: emits it when it is open, and errors when it breaks. Answers come in the order of the requests. */
export function duplexKeepAlive(
  parts: Observable<DuplexPart>,
  { endpoint }: Channel,
  { agenda, onAnswer }: StreamKeeping,
): Observable<KeepAliveStream> {
  return new Observable((subscriber) => {
    const where = { rpc: rpc.name, endpoint };
    const waiting = new Map<LeaseId, Waiting[]>();
    const silence = new Silence(agenda);
    const lost = (problem: string): EtcdError => new EtcdError('ConnectionLost', problem, where);
    // Silence on a stream that should answer at once: it is dead, for all that use it.
    const onSilence = (ms: number): void => subscriber.error(lost(`a keepalive was not answered within ${Math.round(ms)} ms`));

    const refreshOver =
      (send: (message: string) => void): KeepAliveStream['refresh'] =>
      (id, patienceMs) =>
        new Observable<Hold>((asker) => {
          const request = requestText(rpc, { id });
          // One that is given up stays in its place: the answer comes all the same, and must not be taken for another's.
          waiting.set(id, [...(waiting.get(id) ?? []), { sentAt: moment(), subscriber: asker }]);
          silence.asked(patienceMs, onSilence);
          send(request);
        });

    const receive = (json: unknown): void => {
      const { id, ttl } = readStreamMessage(rpc.response, json, where);
      onAnswer();
      const [first, ...others] = waiting.get(id) ?? [];
      if (first === undefined) return;
      silence.answered();
      if (others.length > 0) waiting.set(id, others);
      else waiting.delete(id);
      if (ttl <= 0) return first.subscriber.error(notFound(id, where));
      first.subscriber.next({ ttl, sentAt: first.sentAt });
      first.subscriber.complete();
    };

    subscriber.add(() => silence.forget());
    subscriber.add(
      parts.subscribe({
        next: (part) => {
          if (part.type === 'open') return subscriber.next({ refresh: refreshOver(part.send) });
          try {
            receive(part.json);
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error: unknown) => subscriber.error(error),
      }),
    );
  });
}

/** Where no stream goes both ways each refresh is a call of its own. */
export function singleKeepAlives(service: Leases, onAnswer: () => void): Observable<KeepAliveStream> {
  return of({
    refresh: (id, patienceMs) =>
      new Observable((subscriber) => {
        const sentAt = moment();
        return service
          .keepAliveOnce(id, { timeoutMs: patienceMs })
          .pipe(
            tap(onAnswer),
            map(({ ttl }): Hold => ({ ttl, sentAt })),
          )
          .subscribe(subscriber);
      }),
  });
}
