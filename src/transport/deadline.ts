import { Observable, type TeardownLogic } from 'rxjs';
import { AmbiguousWriteError, EtcdError, isEtcdError } from '../errors/index.js';
import { onAbort } from '../model/abortSignal.js';
import type { Call } from './call.js';
import { Deadlines } from '../util/time.js';
import { giveUpIn } from './giveUpIn.js';
import { verdict } from './retry.js';

/** A call that is about to begin. */
interface Beginning<T> {
  readonly call: Call;
  /** Milliseconds, or `Infinity`. */
  readonly timeoutMs: number;
  readonly run: () => Observable<T>;
}

/** Ends calls by their deadlines and signals. */
export class Limits {
  private readonly usual: Deadlines;

  constructor(
    private readonly usualMs: number,
    /** Why calls that need a token have none yet. */
    private readonly trouble: () => EtcdError | undefined,
  ) {
    this.usual = new Deadlines(usualMs);
  }

  /**
   * A call within its limits, begun anew for each subscription.
   *
   * @param begin gives the call and what runs it; what it throws is the call's error
   */
  limited<T>(begin: () => Beginning<T>): Observable<T> {
    return new Observable((subscriber) => {
      const { call, timeoutMs, run } = begin();
      const { signal } = call.options;
      if (signal !== undefined) {
        const giveUp = (): void => subscriber.error(this.ended(call, 'Aborted', 'the signal was aborted'));
        // A signal that has fired already never fires again.
        if (signal.aborted) return giveUp();
        subscriber.add(onAbort(signal, giveUp));
      }
      if (timeoutMs !== Infinity) {
        // A stream's deadline is for its first answer.
        const expire = (): void => {
          if (!call.answered) subscriber.error(this.ended(call, 'DeadlineExceeded', `no answer within ${timeoutMs} ms`));
        };
        subscriber.add(this.callIn(timeoutMs, expire));
      }
      run().subscribe(subscriber);
    });
  }

  private ended(call: Call, reason: 'DeadlineExceeded' | 'Aborted', problem: string): EtcdError {
    // One that was not sent may have waited for a token.
    const cause = call.authenticated && !call.sent ? this.trouble() : undefined;
    return settled(call, new EtcdError(reason, problem, { ...whereOf(call), cause }));
  }

  private callIn(ms: number, expire: () => void): TeardownLogic {
    return ms === this.usualMs ? this.usual.set(expire) : giveUpIn(ms, expire);
  }
}

/** A failure as the caller is to see it: a write of which nobody knows the end says so. */
export function settled(call: Call, error: EtcdError): EtcdError {
  return call.resent || verdict(error, call.safety, call.sent) === 'ambiguous' ? new AmbiguousWriteError(error) : error;
}

/** What a write ends in of which an earlier try was sent. */
export const inDoubt = (failure: unknown): unknown =>
  isEtcdError(failure) && failure.reason !== 'AmbiguousWrite' ? new AmbiguousWriteError(failure) : failure;

const whereOf = ({ name, options }: Call) => (options.endpoint === undefined ? { rpc: name } : { rpc: name, endpoint: options.endpoint });
