import { asyncScheduler, Observable, type TeardownLogic } from 'rxjs';
import { AmbiguousWriteError, EtcdError } from '../errors/index.js';
import { onAbort } from '../model/onAbort.js';
import type { Call } from './call.js';
import { Deadlines } from './deadlines.js';
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
      const giveUp = (reason: 'DeadlineExceeded' | 'Aborted', problem: string): void =>
        subscriber.error(settled(call, new EtcdError(reason, problem, { ...whereOf(call), cause: this.causeOf(call) })));
      const abort = (): void => giveUp('Aborted', 'the signal was aborted');
      // A signal that has fired already never fires again.
      if (signal?.aborted === true) return abort();

      // A stream's deadline is for its first answer.
      const expire = (): void => {
        if (!call.answered) giveUp('DeadlineExceeded', `no answer within ${timeoutMs} ms`);
      };
      if (timeoutMs !== Infinity) subscriber.add(this.callIn(timeoutMs, expire));
      if (signal !== undefined) subscriber.add(onAbort(signal, abort));
      run().subscribe(subscriber);
    });
  }

  /** One that was not sent may have waited for a token. */
  private causeOf({ authenticated, sent }: Call): EtcdError | undefined {
    return authenticated && !sent ? this.trouble() : undefined;
  }

  private callIn(ms: number, expire: () => void): TeardownLogic {
    return ms === this.usualMs ? this.usual.set(expire) : asyncScheduler.schedule(expire, ms);
  }
}

/** A failure as the caller is to see it: a write of which nobody knows the end says so. */
export function settled(call: Call, error: EtcdError): EtcdError {
  return call.resent || verdict(error, call.safety, call.sent) === 'ambiguous' ? new AmbiguousWriteError(error) : error;
}

const whereOf = ({ name, options }: Call) => (options.endpoint === undefined ? { rpc: name } : { rpc: name, endpoint: options.endpoint });
