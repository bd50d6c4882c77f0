import { catchError, concat, exhaustMap, ignoreElements, map, merge, of, share, throwError, timeout, timer, type Observable } from 'rxjs';
import { watchRpcs } from '../../codec/watch.js';
import { EtcdError, isEtcdError } from '../../errors/index.js';
import type { Caller, Channel } from '../../transport/call.js';
import { verdict } from '../../transport/retry.js';
import { isAtLeast } from '../../transport/endpoints/version.js';
import type { ConnectionSettings } from '../settings.js';
import { refusalIn } from '../refusal.js';
import { createdIn, newsIn } from '../report.js';
import { createRequest } from '../messages.js';
import type { StreamOutcomes } from './streamManager.js';
import type { WatchReport, WatchStream } from '../watchStream.js';

/** One that has been silent for so many heartbeats is made anew, lest its connection is dead and only that. */
const SILENT_HEARTBEATS = 60;

/** Watches of which each is a POST of its own, whose answer comes in chunks: works everywhere, and costs a connection a watch. */
export function chunkedStream(
  caller: Caller,
  { endpoint, version, removed }: Channel,
  { heartbeatMs }: ConnectionSettings,
  outcomes: StreamOutcomes,
): Observable<WatchStream> {
  const rpc = watchRpcs.watch;
  const where = { rpc: rpc.name, endpoint };
  const fragment = version === undefined || isAtLeast(version, '3.4');
  // Nothing can be asked on such streams: beside them, then, for all together.
  const pulse = timer(heartbeatMs, heartbeatMs).pipe(
    exhaustMap(() => caller.get('/version', { endpoint, timeoutMs: outcomes.patienceMs() })),
    ignoreElements(),
    share(),
  );
  return of({
    watch: (target, startRevision): Observable<WatchReport> =>
      merge(
        removed,
        concat(
          caller.stream(rpc, createRequest(target, startRevision, { fragment }), { endpoint, timeoutMs: outcomes.patienceMs() }),
          throwError(() => new EtcdError('ConnectionLost', 'the server ended the stream', where)),
        ),
      ).pipe(
        timeout({
          each: heartbeatMs * SILENT_HEARTBEATS,
          with: () => throwError(() => new EtcdError('ConnectionLost', 'the stream was silent for long, and is made anew', where)),
        }),
        (reports) => merge(reports, pulse),
        catchError((error: unknown) => throwError(() => (isEtcdError(error) ? outcomes.onLost(asLost(error, outcomes)) : error))),
        map((response) => {
          const refusal = response.canceled ? refusalIn(response, where) : undefined;
          // With another token it has to be another stream; and who refuses each of them has not answered, or it would go on for ever.
          if (refusal !== undefined && verdict(refusal, 'read', true) === 'reauthenticate') throw outcomes.onLost(refusal);
          outcomes.onAnswer();
          if (refusal !== undefined) throw refusal;
          if (!response.created) outcomes.onNews();
          return response.created ? createdIn(response) : newsIn(response);
        }),
      ),
  });
}

/** No answer in time: for a stream, that is a lost one. */
function asLost(error: EtcdError, outcomes: StreamOutcomes): EtcdError {
  if (error.reason !== 'DeadlineExceeded') return error;
  outcomes.onSilence();
  return new EtcdError('ConnectionLost', error.message, { cause: error });
}
