import { NEVER, Observable, of, Subject, Subscription, timer } from 'rxjs';
import { RefreshScheduler } from '../../../src/concurrency/lease/refreshScheduler.js';
import type { LeaseContext } from '../../../src/concurrency/context.js';
import type { KeepAliveRequest, KeepAliveResult, KeepAliveClient } from '../../../src/concurrency/lease/keepAlives.js';
import { CleanupTracker } from '../../../src/concurrency/lease/cleanup.js';
import type { LeaseRpcs } from '../../../src/services/lease.js';
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

/** Refreshes each lease by a given Observable. */
export function keepAlivesBy(refresh: (request: KeepAliveRequest) => Observable<KeepAliveResult>): LeaseContext['keepAlives'] {
  const under = new Map<KeepAliveRequest, Subscription>();
  return {
    send: (request) => {
      const call = new Subscription();
      under.set(request, call);
      call.add(refresh(request).subscribe({ next: (hold) => request.refreshed(hold), error: (error: unknown) => request.onFailed(error) }));
    },
    cancel: (request) => under.get(request)?.unsubscribe(),
    retain: () => undefined,
    release: () => undefined,
  };
}

/** A refresh that is sent when it is subscribed to. */
export function refreshBy(client: KeepAliveClient, id: LeaseId, timeoutMs: number): Observable<KeepAliveResult> {
  return new Observable((subscriber) => {
    const request: KeepAliveRequest = {
      id,
      timeoutMs,
      refreshed: (hold) => {
        subscriber.next(hold);
        subscriber.complete();
      },
      onFailed: (error) => subscriber.error(error),
    };
    client.send(request);
    return () => client.cancel(request);
  });
}

/** The context of leases that already exist. */
export function contextWith(keepAlives: LeaseContext['keepAlives']): LeaseContext {
  return {
    scheduler: new RefreshScheduler(),
    keepAlives,
    service: {} as LeaseRpcs,
    cleanup: new CleanupTracker(),
    closed: NEVER,
    settings: SETTINGS,
  };
}

/** A server of keepalive streams. */
export class FakeStreams {
  /** The number of streams that were requested, and of those that are open. */
  made = 0;
  open = 0;
  readonly asked: LeaseId[] = [];
  /** How long a response takes; Infinity for never. */
  answerMs = 1;
  /** Delays each response by this time after the one before it. */
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
      duplex: this.transport === 'chunked' ? undefined : () => overJson(rpc, this.stream()),
      responded: () => undefined,
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
