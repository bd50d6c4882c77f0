import { concat, finalize, race, Subject, type Observable } from 'rxjs';
import { EtcdError } from '../errors/index.js';
import { Backoff } from '../util/retry.js';
import { shareUntilDone } from './shareUntilDone.js';
import { steadyNow } from './steadyNow.js';
import type { ServerVersion } from './endpoints/version.js';

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 10_000;

/** What is known of the server behind an endpoint. The version is undefined where an `apiPrefix` is set and the server would not tell. */
export interface ServerInfo {
  readonly version: ServerVersion | undefined;
  /** Where its gateway has its RPCs: `/v3`. */
  readonly prefix: string;
}

/** What can be asked of a server beside the calls. */
export interface Questions {
  /** What it is. */
  readonly discover: (origin: string) => Observable<ServerInfo>;
  /** Whether it serves. It errors where it does not. */
  readonly check: (origin: string) => Observable<unknown>;
}

/** One address of the cluster: what is known of it, and whether it is worth asking. */
export class Endpoint {
  /** When something last came from it. */
  heardAt = 0;
  private failedAt = 0;
  private readonly backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  /** 0 for one that works. */
  private retryAt = 0;
  private checking = false;
  private info: ServerInfo | undefined;
  private readonly discovery: Observable<ServerInfo>;
  private readonly removal = new Subject<never>();

  constructor(
    readonly origin: string,
    private readonly questions: Questions,
  ) {
    this.discovery = shareUntilDone(
      () => race(this.removal, questions.discover(origin)),
      (info) => {
        this.info = info;
        // A member without a leader answers no call, and this.
        this.heardAt = steadyNow();
      },
    );
  }

  /** What was found out already, for the way that every call takes but the first. */
  get known(): ServerInfo | undefined {
    return this.info;
  }

  /** Asks the server what it is; all who wait share one question. */
  discover(): Observable<ServerInfo> {
    return this.discovery;
  }

  /** Asks anew at the next call: the server may have been replaced. */
  forget(): void {
    this.info = undefined;
  }

  /** It failed, and has not been seen to work since. */
  get isAside(): boolean {
    return this.retryAt > 0;
  }

  /** It failed, and nothing has come from it since: nobody seems to be there. */
  get isMute(): boolean {
    return this.heardAt < this.failedAt;
  }

  /** When it may be asked again; in the past for one that works. */
  get pausedUntil(): number {
    return this.retryAt;
  }

  /** It answered: the back-off starts over. */
  succeeded(): void {
    this.backoff.reset();
    this.retryAt = 0;
  }

  /** It did not: it is set aside for a while that doubles each time, and may be another server when it is back. */
  failed(): void {
    const now = steadyNow();
    this.failedAt = now;
    this.forget();
    // All the calls on a connection that breaks are one failure.
    if (now < this.retryAt) return;
    this.retryAt = now + this.backoff.next();
  }

  /** It is no longer one of the client's. */
  remove(): void {
    this.removal.error(new EtcdError('Unreachable', "this endpoint is no longer one of the client's", { endpoint: this.origin }));
  }

  /** Errors when, or as, it is removed: for what would stay with it otherwise. */
  get removed(): Observable<never> {
    return this.removal;
  }

  /** Sees whether it is back, if it is set aside and its pause is over: no call has to find that out by its own failure. */
  check(): void {
    if (!this.isAside || this.checking || steadyNow() < this.retryAt) return;
    this.checking = true;
    concat(this.questions.check(this.origin), this.discovery)
      .pipe(finalize(() => (this.checking = false)))
      .subscribe({
        error: () => this.failed(),
        // The back-off goes on where it was until a call has succeeded, too.
        complete: () => (this.retryAt = 0),
      });
  }
}
