import { defer, map, NEVER, Observable, of, Subject, Subscription, throwError, timer } from 'rxjs';
import { RefreshScheduler } from '../../../src/concurrency/lease/refreshScheduler.js';
import { now } from '../../../src/util/time.js';
import type { LeaseContext } from '../../../src/concurrency/context.js';
import type { KeepAliveRequest, KeepAliveResult, KeepAliveClient } from '../../../src/concurrency/lease/keepAlives.js';
import { CleanupTracker } from '../../../src/concurrency/lease/cleanup.js';
import type { LeaseService } from '../../../src/services/lease.js';
import type { LeaseId } from '../../../src/model/ids.js';
import type { Rpc } from '../../../src/codec/descriptors.js';
import type { Caller, Channel } from '../../../src/transport/call.js';
import type { DuplexPart } from '../../../src/transport/http/transport.js';
import type { StreamTimeouts } from '../../../src/watch/retryable.js';
import { errorOf } from '../../unit/concurrency/support.js';
import type { Reason } from '../../../src/errors/index.js';
import { idleActivity } from './fakeActivity.js';
import { overJson } from './overJson.js';

export const SETTINGS: StreamTimeouts = { heartbeatMs: 10_000, responseTimeoutMs: 5_000, initialBackoffMs: 50, maxBackoffMs: 5_000 };

const header = { clusterId: '1', memberId: '1', revision: 1, raftTerm: '1' } as never;

/** What becomes of a call: undefined for what it comes to by itself, else its failure. */
export type Fate = Reason | 'silence' | undefined;

/** A Lease service that keeps leases by what it is told of each call; an answer takes a millisecond. */
export class FakeLeases {
  readonly calls: string[] = [];
  readonly there = new Set<LeaseId>();
  /** By the name of the call, what becomes of the next ones; a failure of the kind that was carried out all the same. */
  readonly fates: Record<string, { readonly fate: Fate; readonly done?: boolean }[]> = {};
  /** What the server grants; undefined for what is asked for. */
  grants: number | undefined;

  readonly service = {
    grant: (ttl: number, { id = '1' as LeaseId } = {}) =>
      this.call(`grant ${id}`, () => {
        if (this.there.has(id)) throw errorOf('LeaseExist');
        this.there.add(id);
        return { header, id, ttl: this.grants ?? ttl, error: '' };
      }),
    revoke: (id: LeaseId) =>
      this.call(`revoke ${id}`, () => {
        if (!this.there.delete(id)) throw errorOf('LeaseNotFound');
        return { header };
      }),
    keepAliveOnce: (id: LeaseId) =>
      this.call(`keepAliveOnce ${id}`, () => {
        if (!this.there.has(id)) throw errorOf('LeaseNotFound');
        return { header, id, ttl: 60 };
      }),
    timeToLive: (id: LeaseId) => this.call(`timeToLive ${id}`, () => ({ header, id, ttl: 1, grantedTtl: 1, keys: [Uint8Array.of(1)] })),
  } as unknown as LeaseService;

  private call<T>(what: string, carryOut: () => T): Observable<T> {
    const [name = ''] = what.split(' ');
    return defer(() => {
      this.calls.push(what);
      const { fate, done = false } = this.fates[name]?.shift() ?? { fate: undefined };
      if (fate === 'silence') return NEVER;
      return timer(1).pipe(
        map(() => {
          if (fate === undefined || done) {
            const answer = carryOut();
            if (fate === undefined) return answer;
          }
          throw errorOf(fate);
        }),
      );
    });
  }
}

/** Refreshes leases by an Observable each. */
export function keepAlivesBy(refresh: (request: KeepAliveRequest) => Observable<KeepAliveResult>): LeaseContext['keepAlives'] {
  const under = new Map<KeepAliveRequest, Subscription>();
  return {
    send: (request) => {
      const call = new Subscription();
      under.set(request, call);
      call.add(refresh(request).subscribe({ next: (hold) => request.refreshed(hold), error: (error: unknown) => request.failed(error) }));
    },
    cancel: (request) => under.get(request)?.unsubscribe(),
    retain: () => undefined,
    release: () => undefined,
  };
}

/** A refresh that is asked for when it is subscribed to. */
export function refreshBy(client: KeepAliveClient, id: LeaseId, timeoutMs: number): Observable<KeepAliveResult> {
  return new Observable((subscriber) => {
    const request: KeepAliveRequest = {
      id,
      timeoutMs,
      refreshed: (hold) => {
        subscriber.next(hold);
        subscriber.complete();
      },
      failed: (error) => subscriber.error(error),
    };
    client.send(request);
    return () => client.cancel(request);
  });
}

/** What leases are held with, over a fake service; every refresh is answered unless told otherwise. */
export function meansWith(leases: FakeLeases, more: Partial<LeaseContext> = {}): LeaseContext & { readonly closed: Subject<void> } {
  return {
    scheduler: new RefreshScheduler(),
    keepAlives: keepAlivesBy(({ id }) => {
      const sentAt = now();
      return leases.there.has(id) ? of({ ttl: leases.grants ?? 60, sentAt }) : throwError(() => errorOf('LeaseNotFound'));
    }),
    service: leases.service,
    cleanup: new CleanupTracker(),
    settings: SETTINGS,
    ...more,
    closed: new Subject<void>(),
  };
}

/** A server of keepalive streams. */
export class FakeStreams {
  /** Streams that were asked for, and those that are there. */
  made = 0;
  open = 0;
  readonly asked: LeaseId[] = [];
  /** How long an answer takes; Infinity for never. */
  answerMs = 1;
  /** Each answer takes so long after the one before it. */
  inTurn = false;
  openMs = 1;
  ttl: (id: LeaseId) => number = () => 10;
  transport: 'websocket' | 'chunked' = 'websocket';
  readonly failures: Reason[] = [];
  private breaks = new Subject<never>();

  readonly caller: Pick<Caller, 'channel'> = { channel: (rpc) => of(this.channel(rpc)) };

  /** Breaks every stream. */
  break(reason: Reason): void {
    const broken = this.breaks;
    this.breaks = new Subject();
    broken.error(errorOf(reason));
  }

  private channel<In, A>(rpc: Rpc<In, A>): Channel<In, A> {
    return {
      transport: this.transport,
      endpoint: 'http://a:1',
      version: undefined,
      removed: NEVER,
      activity: idleActivity,
      duplex: this.transport === 'chunked' ? undefined : overJson(rpc, this.stream()),
      answered: () => undefined,
      failed: ({ reason }) => this.failures.push(reason) > 0,
    };
  }

  private stream(): Observable<DuplexPart> {
    return new Observable((subscriber) => {
      this.made += 1;
      this.open += 1;
      const answer = (id: LeaseId): void => {
        const ttl = this.ttl(id);
        subscriber.next({ type: 'message', json: { result: { header: {}, ID: id, ...(ttl > 0 ? { TTL: String(ttl) } : {}) } } });
      };
      const send = (message: string): void => {
        const { ID } = JSON.parse(message) as { ID: LeaseId };
        this.asked.push(ID);
        if (this.answerMs === Infinity) return;
        const queue = this.inTurn ? this.asked.length : 1;
        subscriber.add(timer(this.answerMs * queue).subscribe(() => answer(ID)));
      };
      if (this.openMs !== Infinity) subscriber.add(timer(this.openMs).subscribe(() => subscriber.next({ type: 'open', send })));
      subscriber.add(this.breaks.subscribe(subscriber));
      return () => (this.open -= 1);
    });
  }
}
