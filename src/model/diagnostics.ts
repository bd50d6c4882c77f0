import { map, merge, Observable, scan, filter, type Observer } from 'rxjs';
import type { EtcdError } from '../errors/index.js';
import { multicast } from '../util/rx.js';
import { monotonicNow } from '../util/time.js';
import type { LeaseId } from './ids.js';

/** An event of a call or of one of its attempts. `elapsedMs` counts from the start of the call. */
export type CallDiagnostic =
  | { readonly type: 'attemptBegun'; readonly rpc: string; readonly endpoint: string; readonly attempt: number }
  /** The attempt failed. `action` is the action that follows: `fail`, `ambiguous`, or a kind of retry. */
  | {
      readonly type: 'attemptFailed';
      readonly rpc: string;
      readonly endpoint: string;
      readonly attempt: number;
      readonly elapsedMs: number;
      readonly action: string;
      readonly error: EtcdError;
    }
  /** The attempt received no data for `unresponsiveMs`, and another attempt begins. */
  | {
      readonly type: 'attemptHedged';
      readonly rpc: string;
      readonly endpoint: string;
      readonly attempt: number;
      readonly unresponsiveMs: number;
    }
  | {
      readonly type: 'callSucceeded';
      readonly rpc: string;
      readonly endpoint: string;
      readonly attempts: number;
      readonly elapsedMs: number;
    };

/** An event of an endpoint, or of the token. */
export type EndpointDiagnostic =
  /** The endpoint failed. It is not used for `pauseMs`, unless no other endpoint works. */
  | { readonly type: 'endpointQuarantined'; readonly endpoint: string; readonly pauseMs: number }
  /** The endpoint was checked in the background. */
  | { readonly type: 'endpointProbed'; readonly endpoint: string; readonly ok: boolean; readonly elapsedMs: number }
  | { readonly type: 'endpointBack'; readonly endpoint: string }
  | { readonly type: 'tokenRenewed'; readonly elapsedMs: number };

/** An event of a stream for watches. */
export type StreamDiagnostic =
  /** A stream was opened. `elapsedMs` is the time that this took. */
  | { readonly type: 'streamOpened'; readonly endpoint: string; readonly transport: string; readonly elapsedMs: number }
  /** A stream was lost, or could not be opened. `elapsedMs` is the time since the connection state last changed. */
  | { readonly type: 'streamLost'; readonly error: EtcdError; readonly retryInMs: number; readonly elapsedMs: number }
  /** A watch resumes at a revision, on another stream. */
  | { readonly type: 'watchResumed'; readonly revision: number };

/** An event of a lease or a lock. */
export type OwnershipDiagnostic =
  | { readonly type: 'leaseGranted' | 'leaseRefreshed'; readonly lease: LeaseId; readonly ttl: number }
  /** A keepalive failed. The lease is lost in `remainingMs` unless another one succeeds. */
  | { readonly type: 'leaseAtRisk'; readonly lease: LeaseId; readonly remainingMs: number; readonly error: EtcdError }
  | { readonly type: 'leaseLost'; readonly lease: LeaseId; readonly error: EtcdError }
  | { readonly type: 'lockWaiting'; readonly name: string; readonly key: string }
  | { readonly type: 'lockAcquired'; readonly name: string; readonly key: string; readonly waitedMs: number }
  | { readonly type: 'lockLost'; readonly name: string; readonly heldMs: number; readonly error: unknown };

/** An event inside of a client. It never contains the value of a key, a password or a token. */
export type Diagnostic = CallDiagnostic | EndpointDiagnostic | StreamDiagnostic | OwnershipDiagnostic;

/** Receives the events of a client by their severity, as `console` does. */
export interface Logger {
  debug(message: string, event: Diagnostic): void;
  info(message: string, event: Diagnostic): void;
  warn(message: string, event: Diagnostic): void;
  error(message: string, event: Diagnostic): void;
}

/**
 * Collects the events of a client. Without a subscriber `active` is false, and no event is created. So an unused event
 * costs only the check of one property.
 */
export class Diagnostics {
  active = false;
  private subscribers = 0;
  private readonly source = multicast<Diagnostic>();

  readonly events = new Observable<Diagnostic>((subscriber) => {
    this.subscribers += 1;
    this.active = true;
    const events = this.source.subscribe(subscriber);
    return () => {
      events.unsubscribe();
      this.subscribers -= 1;
      this.active = this.subscribers > 0;
    };
  });

  emit(event: Diagnostic): void {
    this.source.next(event);
  }

  end(): void {
    this.source.complete();
  }
}

/**
 * The part of a connection state that concerns a stream. It is described by its properties, so that this module does
 * not depend on watches.
 */
interface StreamState {
  readonly status: string;
  readonly endpoint?: string;
  readonly transport?: string;
  readonly cause?: EtcdError;
  readonly retryInMs?: number;
}

/** Emits the events of a client. The events of streams are derived from the connection state of its watches. */
export function diagnosticsOf(diagnostics: Diagnostics, states: Observable<StreamState>): Observable<Diagnostic> {
  return merge(diagnostics.events, states.pipe(toStreamEvents));
}

function toStreamEvents(states: Observable<StreamState>): Observable<Diagnostic> {
  interface Step {
    readonly at: number;
    readonly event: Diagnostic | undefined;
  }
  return states.pipe(
    scan(
      ({ at: before }: Step, { status, endpoint, transport, cause, retryInMs }): Step => {
        const at = monotonicNow();
        const elapsedMs = at - before;
        if (status === 'connected' && endpoint !== undefined && transport !== undefined)
          return { at, event: { type: 'streamOpened', endpoint, transport, elapsedMs } };
        if (status === 'reconnecting' && cause !== undefined && retryInMs !== undefined)
          return { at, event: { type: 'streamLost', error: cause, retryInMs, elapsedMs } };
        return { at, event: undefined };
      },
      { at: monotonicNow(), event: undefined },
    ),
    map(({ event }) => event),
    filter((event) => event !== undefined),
  );
}

const LEVELS: Readonly<Record<Diagnostic['type'], keyof Logger>> = {
  attemptBegun: 'debug',
  attemptFailed: 'warn',
  attemptHedged: 'warn',
  callSucceeded: 'debug',
  endpointQuarantined: 'warn',
  endpointProbed: 'debug',
  endpointBack: 'info',
  tokenRenewed: 'info',
  streamOpened: 'info',
  streamLost: 'warn',
  watchResumed: 'info',
  leaseGranted: 'debug',
  leaseRefreshed: 'debug',
  leaseAtRisk: 'warn',
  leaseLost: 'error',
  lockWaiting: 'debug',
  lockAcquired: 'info',
  lockLost: 'error',
};

/** Creates an observer that passes each event to a logger. The message is the type of the event. */
export const toLogger = (logger: Logger): Partial<Observer<Diagnostic>> => ({
  next: (event) => logger[LEVELS[event.type]](`rxetcd: ${event.type}`, event),
});
