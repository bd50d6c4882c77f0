import type { Observable } from 'rxjs';
import type { EtcdError } from '../../errors/index.js';
import type { StreamTransport } from '../../transport/streams/transportSelector.js';
import { multicast } from '../../util/rx.js';

/** The state of the connection under the watches of a client. */
export type ConnectionState =
  /** There is no watch. */
  | { readonly status: 'idle' }
  /** The first stream is being opened. */
  | { readonly status: 'connecting' }
  /**
   * The server has responded on a stream. With `chunked` each watch has its own connection, and the state describes the
   * connection that was opened last.
   */
  | { readonly status: 'connected'; readonly endpoint: string; readonly transport: StreamTransport }
  /**
   * A stream was lost or could not be opened, or a read for the start of a watch failed. The next attempt follows after
   * `retryInMs` milliseconds.
   */
  | { readonly status: 'reconnecting'; readonly cause: EtcdError; readonly retryInMs: number }
  /** The client was closed. */
  | { readonly status: 'closed' };

/** The connection of a stream on which the server has responded. */
export type Connected = Extract<ConnectionState, { readonly status: 'connected' }>;
/** The pause before the next attempt. */
export type Reconnecting = Extract<ConnectionState, { readonly status: 'reconnecting' }>;

/**
 * The state of a single watch. Its end is not a state: the Observable errors or completes.
 * - `connecting`: the server has not confirmed the watch yet
 * - `connected`: the server has confirmed the watch, and sends its events
 * - `reconnecting`: the watch was interrupted or could not begin, and is retried after `retryInMs` milliseconds or more
 */
export type WatchState = Exclude<ConnectionState, { readonly status: 'idle' | 'closed' }>;

/** The initial state of a watch. All watches share one object. */
export const CONNECTING: WatchState = { status: 'connecting' };

/** Returns the state of a watch or a connection that failed and is retried. */
export const reconnecting = (cause: EtcdError, retryInMs: number): Reconnecting => ({
  status: 'reconnecting',
  cause,
  retryInMs: Math.round(retryInMs),
});

/**
 * Returns whether there is nothing to report: both states are `idle`, or are `connected` to the same endpoint over the
 * same transport.
 */
export function isSameState(a: ConnectionState, b: ConnectionState): boolean {
  if (a.status !== 'connected' || b.status !== 'connected') return a.status === b.status && a.status === 'idle';
  return a.endpoint === b.endpoint && a.transport === b.transport;
}

/**
 * A state and its changes. All subscribers receive the changes in the order in which they occurred, even if a
 * subscriber causes the next change while it is notified.
 */
export class OrderedBehaviorSubject<T extends object> {
  private readonly emitted$ = multicast<T>({ replay: true });
  /** The states that have not reached all subscribers yet. The first of them is being emitted. */
  private readonly pending: T[] = [];

  /**
   * @param value the first state. Later, the field has the newest state, which some subscribers may not have received
   * yet
   */
  constructor(public value: T) {
    this.emitted$.next(value);
  }

  get changes(): Observable<T> {
    return this.emitted$;
  }

  next(state: T): void {
    this.value = state;
    this.pending.push(state);
    if (this.pending.length > 1) return;
    for (let [next] = this.pending; next !== undefined; [next] = this.pending) {
      this.emitted$.next(next);
      this.pending.shift();
    }
  }
}
