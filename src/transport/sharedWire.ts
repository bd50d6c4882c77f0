import { catchError, type Observable, takeUntil } from 'rxjs';
import type { Rpc } from '../codec/descriptors.js';
import { EtcdError } from '../errors/index.js';
import { multicast } from '../util/rx.js';
import type { Attempt, CallAttempt, DuplexAttempt, DuplexEvent, Later, PlainRequest, PlainResponse, Wire } from './wire.js';

/**
 * A wire that shares the connections of another, for a client that is derived from another. To close it ends the
 * requests that were sent over it, and leaves the connections open.
 */
export class SharedWire implements Wire {
  /** Errors when the wire is closed, and for later subscribers as well. */
  private readonly closed = multicast<never>();

  constructor(
    private readonly wire: Wire,
    private readonly onClosed: () => void,
  ) {}

  unary<In, A>(rpc: Rpc<In, A>, request: In): (attempt: CallAttempt<A>) => Observable<A> {
    const send = this.wire.unary(rpc, request);
    // The call decides what the end of its attempt means: a write that was sent may have been carried out.
    return (attempt) => send(attempt).pipe(takeUntil(this.closed.pipe(catchError((failure: unknown) => attempt.recover(failure)))));
  }

  stream<In, A>(rpc: Rpc<In, A>, request: In, later?: Later<In>): (attempt: Attempt) => Observable<A> {
    const send = this.wire.stream(rpc, request, later);
    return (attempt) => send(attempt).pipe(takeUntil(this.closed));
  }

  duplex<In, A>(rpc: Rpc<In, A>, attempt: DuplexAttempt): Observable<DuplexEvent<In, A>> {
    return this.wire.duplex(rpc, attempt).pipe(takeUntil(this.closed));
  }

  get(request: PlainRequest): Observable<PlainResponse> {
    return this.wire.get(request).pipe(takeUntil(this.closed));
  }

  release(origin: string): void {
    this.wire.release(origin);
  }

  close(): Promise<void> {
    this.closed.error(new EtcdError('ClientClosed', 'the client is closed'));
    this.onClosed();
    return Promise.resolve();
  }
}
