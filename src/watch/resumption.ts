import { catchError, delayWhen, type Observable, of, throwError, timer } from 'rxjs';
import { type EtcdError, hasReason, isEtcdError } from '../errors/index.js';
import type { Backoff } from '../util/time.js';
import { ConsecutiveFailures, isTransient, streamBackoff, type StreamTimeouts } from './retryable.js';
import { type Reconnecting, reconnecting } from './streams/connectionState.js';

/**
 * The number of consecutive denials after which a watch errors, even if its range can be read. Before that, the server
 * may only have lost the token of the stream.
 */
const MAX_DENIALS = 5;

/**
 * The longest time between two consecutive ends of a watch for an unknown reason, in milliseconds. If more time passes,
 * several servers may have been stopped one after the other, and the watch is not the cause.
 */
const UNEXPLAINED_ROW_MS = 60_000;

/** The pause of a watch between a failure and the next attempt. */
export interface ResumePause {
  /** The state of the watch until it resumes. */
  readonly state: Reconnecting;
  /** Emits when the watch may continue. Errors if the watch cannot continue. */
  readonly end: Observable<unknown>;
}

/**
 * Decides whether a watch resumes after the server rejected or ended it, or after its start could not be found. After
 * the loss of a stream, the `StreamManager` decides this for all watches of the stream.
 */
export class Resumption {
  /**
   * The revision at which a response was too long. A watch that starts at this revision requests fragments of long
   * responses. Other watches do not request fragments, as splitting a response takes quadratic time.
   */
  tooLongAt = 0;
  /** The number of consecutive create requests that were denied. */
  private denials = 0;
  /** Counts the times that the server ended the watch for an unknown reason. */
  private unexplained: ConsecutiveFailures | undefined;
  private backoff: Backoff | undefined;

  /** @param readRange reads the range of the watch */
  constructor(
    private readonly settings: StreamTimeouts,
    private readonly readRange: () => Observable<unknown>,
  ) {}

  /** Returns the pause after a failure; undefined if the watch cannot resume. */
  pauseAfter(failure: unknown, wasConnected: boolean): ResumePause | undefined {
    if (hasReason(failure, 'PermissionDenied') && !wasConnected && ++this.denials < MAX_DENIALS) {
      const pauseMs = this.pauseMs();
      return { state: reconnecting(failure, pauseMs), end: this.readWithNewToken(failure, pauseMs) };
    }
    // A rejected token is not handled here. A call has already been retried with a new token, and a stream errors with
    // `StreamLostError`.
    if (!isEtcdError(failure) || !isTransient(failure) || this.isPermanent(failure)) return undefined;
    const pauseMs = this.pauseMs();
    return { state: reconnecting(failure, pauseMs), end: timer(pauseMs) };
  }

  /** Notes that the watch was created. The backoff is not reset, as the server may end the watch again immediately. */
  onCreated(): void {
    this.denials = 0;
  }

  onNotification(): void {
    this.backoff = this.unexplained = undefined;
  }

  /**
   * Returns whether an error of unknown reason counts as permanent. The error may only mean that the server is
   * stopping. But if the server can never create the watch, the error occurs at each attempt.
   */
  private isPermanent(failure: EtcdError): boolean {
    if (failure.reason !== 'Unknown') return false;
    this.unexplained ??= new ConsecutiveFailures(UNEXPLAINED_ROW_MS);
    this.unexplained.add(failure);
    return this.unexplained.exceeded;
  }

  /**
   * Reads the range, as this call replaces a token that has expired. etcd 3.3 responds to an expired token as if the
   * user lacked the permission. If the user really lacks the permission, the read is denied as well, and the watch
   * errors.
   */
  private readWithNewToken(denial: unknown, pauseMs: number): Observable<unknown> {
    return this.readRange().pipe(
      catchError((error: unknown) => (hasReason(error, 'PermissionDenied') ? throwError(() => denial) : of(undefined))),
      delayWhen(() => timer(pauseMs)),
    );
  }

  private pauseMs(): number {
    this.backoff ??= streamBackoff(this.settings);
    return this.backoff.next();
  }
}
