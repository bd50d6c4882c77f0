import { NEVER, Observable, throwError, timeout } from 'rxjs';
import { EtcdError, hasReason, type ErrorDetails } from '../errors/index.js';
import type { Call, Recover } from './call.js';
import { Deadlines } from '../util/time.js';
import type { Endpoint, ServerInfo } from './endpoint.js';
import { giveUpIn } from './giveUpIn.js';
import { steadyNow } from './steadyNow.js';

/** What is slow rather than gone is found out by waiting: when all that there are to go to were silent, the next try begins only after so many times as long. */
const GROWTH = 4;
/** Once one was silent, the next has this part of the time: nothing is lost by asking another, too. */
const HASTE = 0.5;
/** Whatever the limit of a try. */
const LONGEST_CHECK_MS = 5_000;

/** A try that is about to begin. */
interface Beginning<T> {
  readonly call: Call;
  readonly endpoint: Endpoint;
  /** Sends it. */
  readonly go: (recover: Recover<T>) => Observable<T>;
  readonly recover: Recover<T>;
  /** Begins another, though this one has not failed. */
  readonly next: () => Observable<T>;
}

/** Has tries of which nothing is heard overtaken by others, so that a silent endpoint does not cost a call all its time. */
export class TryLimits {
  /** Of the tries at an endpoint. */
  private readonly deadlines = new WeakMap<Endpoint, Deadlines>();

  constructor(
    private readonly usualMs: number,
    /** How many other endpoints there are to go to. */
    private readonly alternatives: () => number,
  ) {}

  /**
   * A try that is not waited for alone when it is silent for too long: the next begins, by `recover`. A read goes on beside it, and what is answered first has the call: who is
   * slow, or waits for a leader, need not begin anew. A stream is taken back, and so is a write; one that was sent cannot be, and is not repeated: it waits, but other calls are sent elsewhere.
   *
   * What waits for a connection is silent only if its endpoint says nothing to anybody: it may be we who are busy. When that is so all tries there are, those of a moment ago,
   * too: each would find out by itself, and only later.
   */
  watched<T>({ call, endpoint, go, recover, next }: Beginning<T>): Observable<T> {
    const limitMs = this.limitAfter(call.silences) * (call.silences > 0 ? HASTE : 1);
    if (limitMs === Infinity) return go(recover);
    return new Observable((subscriber) => {
      const begunAt = steadyNow();
      let overtaken = false;
      const unwatch = (): void => {
        callOff();
        call.overtake = undefined;
      };
      const overtakeBy = (begin: () => Observable<T>): void => {
        overtaken = true;
        unwatch();
        // Of two streams that both begin, the messages would come mixed.
        if (call.safety === 'write' || call.patient) trial.unsubscribe();
        call.silences += 1;
        (call.silentAt ??= new Set()).add(endpoint);
        begin().subscribe(subscriber);
      };
      const check = (early: boolean): void => {
        if (subscriber.closed || call.answered || (call.sent && call.patient)) return;
        const heardAt = call.sent ? call.heardAt : Math.max(call.heardAt, endpoint.heardAt);
        const now = steadyNow();
        const restMs = heardAt + limitMs - now;
        if (restMs > 0 && !early) return void (callOff = this.callIn(restMs, endpoint, check));
        if (call.sent && call.safety === 'write') endpoint.failed();
        else overtakeBy(() => recover(silence(call.sent, Math.round(now - heardAt), { rpc: call.name, endpoint: endpoint.origin })));
        if (!early && endpoint.heardAt < begunAt) this.deadlines.get(endpoint)?.expireAll();
      };
      call.heardAt = begunAt;
      // Its endpoint was given no time to answer: that is no failure.
      call.overtake = () => void (subscriber.closed || call.answered || overtakeBy(next));
      let callOff = this.callIn(limitMs, endpoint, check);
      subscriber.add(() => callOff());
      const trial = go((failure) => {
        if (overtaken) return late(call, endpoint, failure);
        // What comes in its place has a limit of its own.
        unwatch();
        return recover(failure);
      }).subscribe({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => subscriber.error(error),
        complete: () => subscriber.complete(),
      });
      subscriber.add(trial);
    });
  }

  /** Asks a server what it is, before anything is sent to it. The question is shared: who gives up waiting leaves it to the others. */
  question(endpoint: Endpoint, call: Call | undefined): Observable<ServerInfo> {
    const limitMs = this.limitAfter(call?.mutes ?? 0);
    if (limitMs === Infinity) return endpoint.discover();
    const giveUp = (): Observable<never> => {
      if (call !== undefined) {
        call.mutes += 1;
        // Nothing was asked of it but what it is.
        call.tries -= 1;
      }
      return throwError(() => silence(false, limitMs, { rpc: 'GET /version', endpoint: endpoint.origin }));
    };
    return endpoint.discover().pipe(timeout({ first: limitMs, with: giveUp }));
  }

  /** Asks a server whether it is back, which nobody waits for. */
  check<T>(answer: Observable<T>, origin: string): Observable<T> {
    const limitMs = Math.min(this.usualMs, LONGEST_CHECK_MS);
    const giveUp = (): Observable<never> => throwError(() => silence(true, limitMs, { rpc: 'GET /health', endpoint: origin }));
    return answer.pipe(timeout({ first: limitMs, with: giveUp }));
  }

  private limitAfter(silences: number): number {
    return this.usualMs * GROWTH ** Math.floor(silences / (1 + this.alternatives()));
  }

  private callIn(ms: number, endpoint: Endpoint, expire: (early: boolean) => void): () => void {
    if (ms === this.usualMs) return this.deadlinesAt(endpoint).set(expire);
    const timer = giveUpIn(ms, () => expire(false));
    return () => timer.unsubscribe();
  }

  private deadlinesAt(endpoint: Endpoint): Deadlines {
    const known = this.deadlines.get(endpoint);
    if (known !== undefined) return known;
    const deadlines = new Deadlines(this.usualMs);
    this.deadlines.set(endpoint, deadlines);
    return deadlines;
  }
}

/**
 * A try that was overtaken failed: there is another already. Only that it has a new leader makes a member worth asking at once: that under way may wait where the old one was.
 */
function late({ silentAt, overtake }: Call, endpoint: Endpoint, failure: unknown): Observable<never> {
  silentAt?.delete(endpoint);
  if (hasReason(failure, 'LeaderChanged')) overtake?.();
  return NEVER;
}

/** Of a call that was not sent it is as if there were no connection. */
const silence = (sent: boolean, ms: number, where: ErrorDetails): EtcdError =>
  new EtcdError(sent ? 'ConnectionLost' : 'Unreachable', `nothing was heard for ${ms} ms`, where);
