import {
  catchError,
  defer,
  finalize,
  identity,
  Observable,
  switchMap,
  takeWhile,
  tap,
  throwError,
  timeout,
  timer,
  type Observer,
} from 'rxjs';
import { EtcdError, isEtcdError } from '../../errors/index.js';
import { Backoff } from '../../util/retry.js';
import type { Channel } from '../../transport/call.js';
import type { ConnectionState } from '../connectionState.js';
import { isPassingForStream, isTransient } from '../retryable.js';
import { Patience } from '../patience.js';
import { Refusals } from '../refusals.js';
import type { ConnectionSettings } from '../settings.js';
import { Shared } from '../refCounted.js';
import { StateInTurn } from '../stateInTurn.js';
import { StreamLost } from '../streamLost.js';
import { steadyNow } from '../../transport/steadyNow.js';

/** Of the time that an answer may take, opening a stream on a way that was found may take so much: whoever serves opens it at once. */
const HANDSHAKE = 0.5;

/** What becomes of a stream, as who makes it over a channel reports it. */
export interface StreamOutcomes {
  /** How long an answer may take on this one: less again once it brought news. */
  readonly patienceMs: () => number;
  /** It is given up because none came. */
  onSilence(): void;
  /** It brought more than the answer to a create. */
  onNews(): void;
  /** The server has answered. */
  readonly onAnswer: () => void;
  /** It broke: for streams of which a break does not end all that use it. */
  readonly onLost: (error: EtcdError) => StreamLost;
}

/**
 * The streams of a client for one kind of work: one for all of it where the carrier can, made when it is first needed and gone with the last user. When it
 * breaks, every user is told, and all that ask for another wait together for the one that follows, after a pause that grows until a server has answered.
 *
 * @typeParam S what the work is done on
 */
export class StreamConnections<S extends object> {
  private readonly current = new StateInTurn<ConnectionState>({ status: 'idle' });
  private readonly backoff: Backoff;
  private readonly patience: Patience;
  /** Apart from it: that an answer took long says nothing of the next member. */
  private readonly opening: Patience;
  private users = 0;
  private retryAt = 0;
  private readonly refusals = new Refusals();
  /** Messages without sense that nothing but news made up for. */
  private readonly garbled = new Refusals();
  private readonly shared = new Shared<S>({ late: { keep: identity, begin: identity } });

  constructor(
    private readonly findChannel: () => Observable<Channel>,
    settings: Pick<ConnectionSettings, 'answerTimeoutMs' | 'initialBackoffMs' | 'maxBackoffMs'>,
    /** Makes a stream over a channel; it errors when it breaks. */
    private readonly over: (channel: Channel, outcomes: StreamOutcomes) => Observable<S>,
  ) {
    this.backoff = new Backoff(settings.initialBackoffMs, settings.maxBackoffMs);
    this.patience = new Patience(settings.answerTimeoutMs);
    this.opening = new Patience(settings.answerTimeoutMs);
  }

  /** How it stands, and each change; never an error. Whoever comes after the end is told of it, too. */
  get state(): Observable<ConnectionState> {
    return this.current.changes.pipe(takeWhile(({ status }) => status !== 'closed', true));
  }

  /** A stream to work on. It errors with {@link StreamLost} when the stream breaks. */
  stream(): Observable<S> {
    return new Observable((subscriber) => {
      this.join(subscriber);
      return () => this.leave(subscriber);
    });
  }

  /** As {@link stream}, for who holds no subscription. */
  join(user: Observer<S>): void {
    this.shared.join(user, () => this.open());
  }

  leave(user: Observer<S>): void {
    this.shared.leave(user);
  }

  /** Runs what uses the streams, and knows by it whether anything does. */
  track<T>(user: Observable<T>): Observable<T> {
    return defer(() => {
      this.enter();
      return user.pipe(finalize(() => this.exit()));
    });
  }

  /** As {@link track}, for who is no Observable. */
  enter(): void {
    this.users += 1;
  }

  exit(): void {
    this.users -= 1;
    if (this.users === 0) this.show({ status: 'idle' });
  }

  /** Something on the way to a stream did not come about, and is tried again after a pause. What is connected is not in trouble. */
  readonly troubled = (cause: EtcdError, retryInMs: number): void => {
    if (this.current.value.status !== 'connected') this.show({ status: 'reconnecting', cause, retryInMs: Math.round(retryInMs) });
  };

  close(): void {
    this.show({ status: 'closed' });
  }

  private open(): Observable<S> {
    const waitMs = this.retryAt - steadyNow();
    if (this.current.value.status === 'idle') this.show({ status: 'connecting' });
    let used: Channel | undefined;
    const made = defer(() => {
      this.patience.begin();
      this.opening.begin();
      // What has to be asked on the way to it (the version, a token) may go into a connection that is dead without having been closed.
      return this.inTime(this.findChannel(), this.opening.ms).pipe(
        switchMap((found) => {
          used = found;
          return this.inTime(this.streamOver(found), this.opening.ms * HANDSHAKE);
        }),
        tap(() => this.opening.reward()),
      );
    });
    return (waitMs > 0 ? timer(waitMs).pipe(switchMap(() => made)) : made).pipe(
      catchError((error: unknown) => throwError(() => (isEtcdError(error) ? this.lost(error, used) : error))),
    );
  }

  private inTime<T>(step: Observable<T>, ms: number): Observable<T> {
    const tooLate = (): Observable<never> => {
      this.opening.end();
      return throwError(() => new EtcdError('Unreachable', `no answer within ${ms} ms`));
    };
    return step.pipe(timeout({ first: ms, with: tooLate }));
  }

  private streamOver(channel: Channel): Observable<S> {
    const connected = { status: 'connected', endpoint: channel.endpoint, carrier: channel.carrier } as const;
    const onAnswer = (): void => {
      this.backoff.reset();
      this.refusals.reset();
      channel.answered();
      this.show(connected);
    };
    return this.over(channel, {
      patienceMs: () => this.patience.ms,
      onSilence: () => this.patience.end(),
      onNews: () => {
        this.garbled.reset();
        this.patience.reward();
      },
      onAnswer,
      onLost: (error) => this.lost(error, channel),
    });
  }

  private lost(error: EtcdError, channel: Channel | undefined): StreamLost {
    const hopeless = channel?.failed(error) === false || !isPassingForStream(error);
    const now = steadyNow();
    // Many watches on carriers of their own may be lost at once: that is one failure.
    if (now >= this.retryAt) {
      this.retryAt = now + this.backoff.next();
      // Only in a row do they say that it will stay so: after an outage even a good token may have been forgotten.
      if (isTransient(error)) this.refusals.reset();
      else this.refusals.add(error);
      // What cannot be read may come after each answer to a create, for ever.
      if (error.reason === 'MalformedResponse') this.garbled.add(error);
    }
    const again = !hopeless && (isTransient(error) || !(this.refusals.believed || this.garbled.believed));
    if (again) this.show({ status: 'reconnecting', cause: error, retryInMs: Math.round(this.retryAt - now) });
    return new StreamLost(error, again);
  }

  private show(state: ConnectionState): void {
    const { value } = this.current;
    if (value !== state && value.status !== 'closed' && !isSame(value, state)) this.current.next(state);
  }
}

function isSame(a: ConnectionState, b: ConnectionState): boolean {
  if (a.status !== 'connected' || b.status !== 'connected') return a.status === b.status && a.status === 'idle';
  return a.endpoint === b.endpoint && a.carrier === b.carrier;
}
