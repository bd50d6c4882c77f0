import { asyncScheduler, concat, defer, ignoreElements, mergeMap, NEVER, Observable, of, retry, throwError, timer } from 'rxjs';
import type { Rpc } from '../../../src/codec/descriptors.js';
import { EtcdError, type Reason } from '../../../src/errors/index.js';
import type { Caller, Channel } from '../../../src/transport/call.js';
import type { DuplexPart } from '../../../src/transport/http/transport.js';
import { chunkedStream } from '../../../src/watch/streams/chunkedStream.js';
import { createWatchStreams } from '../../../src/watch/streams/duplexStream.js';
import type { ConnectionState } from '../../../src/watch/streams/connectionState.js';
import type { StreamLostError } from '../../../src/watch/streams/streamManager.js';
import type { WatchStream } from '../../../src/watch/messages.js';
import { watching, type Seen } from '../../unit/watch/support.js';
import { idleActivity } from './fakeActivity.js';
import { overJson } from './overJson.js';

export const settings = { heartbeatMs: 10_000, responseTimeoutMs: 5_000, initialBackoffMs: 100, maxBackoffMs: 1_600 };
export const progress: DuplexPart = { type: 'message', json: { result: { header: { revision: '1' }, watch_id: '-1' } } };
export const opened: DuplexPart = { type: 'open', send: () => undefined };

/** The script of one attempt: its parts, each with its delay after the one before, and how it ends. */
export type Try = () => Observable<DuplexPart>;
export const part = (what: DuplexPart, afterMs = 1): Observable<DuplexPart> => timer(afterMs).pipe(mergeMap(() => of(what)));
export const end = (reason: Reason, afterMs = 1): Observable<never> =>
  concat(
    timer(afterMs).pipe(ignoreElements()),
    throwError(() => new EtcdError(reason, 'scripted')),
  );

export const fails =
  (reason: Reason): Try =>
  () =>
    end(reason);
/** The connection opens, and breaks before the first message. */
export const mute: Try = () => concat(part(opened), end('ConnectionLost'));
/** The connection opens, the server sends a message, and the connection breaks this many milliseconds later. */
export const answersFor =
  (ms: number): Try =>
  () =>
    concat(part(opened), part(progress), end('ConnectionLost', ms));
export const works: Try = () => concat(part(opened), part(progress), NEVER);
export const hangs: Try = () => NEVER;

/** Creates connections over a scripted caller: one script per attempt; the last one repeats. */
export function setUp(tries: readonly [Try, ...Try[]], { hopeless = [] }: { readonly hopeless?: readonly Reason[] } = {}) {
  const openedAt: number[] = [];
  const closedAt: number[] = [];
  const said: string[] = [];
  const never = (): never => { throw new Error('this test has no calls'); }; // prettier-ignore
  const channel = <In, A>(rpc: Rpc<In, A>): Observable<Channel<In, A>> =>
    defer(() => {
      const script = tries[Math.min(openedAt.length, tries.length - 1)] ?? tries[0];
      openedAt.push(asyncScheduler.now());
      const duplex = new Observable<DuplexPart>((subscriber) => {
        subscriber.add(() => closedAt.push(asyncScheduler.now()));
        subscriber.add(script().subscribe(subscriber));
      });
      return of<Channel<In, A>>({
        transport: 'websocket',
        endpoint: 'http://a:1',
        version: undefined,
        removed: NEVER,
        activity: idleActivity,
        duplex: () => overJson(rpc, duplex),
        responded: () => said.push('answered'),
        failed: ({ reason }) => {
          said.push(reason);
          return !hopeless.includes(reason);
        },
      });
    });
  const caller: Caller = { unary: never, stream: never, get: never, channel };
  const connections = createWatchStreams(caller, settings, chunkedStream);
  const states: ConnectionState[] = [];
  connections.state.subscribe((state) => states.push(state));
  return {
    connections,
    openedAt,
    closedAt,
    said,
    /** Returns the states since the beginning, one word each, with the length of a pause. */
    states: () =>
      states.map((state) => (state.status === 'reconnecting' ? `reconnecting in ${state.retryInMs}: ${state.cause.reason}` : state.status)),
    /** Opens a watch that reconnects as long as it may, as real ones do. */
    watch: (): Seen<WatchStream> =>
      watching(
        connections.track(
          connections.stream().pipe(retry({ delay: (lost: StreamLostError) => (lost.again ? of(0) : throwError(() => lost)) })),
        ),
      ),
  };
}
