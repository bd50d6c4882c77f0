import { Observable } from 'rxjs';
import { watchRpcs } from '../../codec/watch.js';
import { EtcdError } from '../../errors/index.js';
import type { Channel } from '../../transport/call.js';
import type { DuplexPart } from '../../transport/http/transport.js';
import { isAtLeast, type ServerVersion } from '../../transport/endpoints/version.js';
import type { ConnectionSettings } from '../settings.js';
import { Heartbeat } from './heartbeat.js';
import { MultiplexedStream } from './multiplexedStream.js';
import type { StreamOutcomes } from './streamManager.js';
import type { WatchStream } from '../watchStream.js';

/** A stream of many watches over a carrier that goes both ways: emits it when it is open, and errors when it breaks. */
export function duplexStream(
  parts: Observable<DuplexPart>,
  { carrier, endpoint, version, outdated }: Channel,
  { heartbeatMs }: ConnectionSettings,
  outcomes: Omit<StreamOutcomes, 'onLost'>,
): Observable<WatchStream> {
  return new Observable((subscriber) => {
    const where = { rpc: watchRpcs.watch.name, endpoint };
    let stream: MultiplexedStream | undefined;
    const heartbeat = new Heartbeat({
      intervalMs: heartbeatMs,
      timeoutMs: outcomes.patienceMs,
      ask: () => {
        if (stream?.watched !== true) return false;
        stream.requestProgress();
        return true;
      },
      onLost: (what) => {
        outcomes.onSilence();
        subscriber.error(new EtcdError('ConnectionLost', what, where));
      },
    });
    subscriber.add(() => heartbeat.stop());
    // Before the carrier is closed. Older ones notice the end by themselves.
    if (carrier === 'websocket' && (version === undefined || isAtLeast(version, '3.5'))) subscriber.add(() => stream?.ring());
    subscriber.add(
      parts.subscribe({
        next: (part) => {
          if (part.type === 'open') {
            stream = new MultiplexedStream({
              where,
              fragments: version === undefined || isAtLeast(version, '3.4'),
              takesIds: version === undefined || isAtLeast(version, '3.4'),
              orderedProgress: hasOrderedProgress(version),
              send: part.send,
              expect: (answer) => heartbeat.expect(answer),
              mayCreate: () => {
                const refused = outdated?.() === true;
                if (refused) subscriber.error(new EtcdError('InvalidAuthToken', 'the token that the stream shows was replaced', where));
                return !refused;
              },
            });
            subscriber.next(stream);
            return;
          }
          heartbeat.hear();
          try {
            const news = stream?.receive(part.json);
            // Not before: who refuses the token of each stream has not answered, or it would go on for ever.
            outcomes.onAnswer();
            if (news === 'news') outcomes.onNews();
          } catch (error) {
            subscriber.error(error);
          }
        },
        error: (error: unknown) => subscriber.error(error),
      }),
    );
  });
}

/** Before these, a bookmark that was asked for could overtake events on their way (etcd issue 15220). */
function hasOrderedProgress(version: ServerVersion | undefined): boolean {
  if (version === undefined || isAtLeast(version, '3.6')) return true;
  return isAtLeast(version, '3.5') ? isAtLeast(version, '3.5.8') : isAtLeast(version, '3.4.25');
}
