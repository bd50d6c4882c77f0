import { defer, EMPTY, exhaustMap, ignoreElements, retry, throwError, timeout, timer, type Observable } from 'rxjs';
import { maintenanceRpcs } from '../codec/maintenance.js';
import { hasReason } from '../errors/index.js';
import { bodyOf } from './http/body.js';
import type { Route } from './route.js';
import { errorInResponse } from './json/response.js';
import type { Transport } from './http/transport.js';

/**
 * By this header a member that has lost the others refuses a call with `NoLeader`, and ends a stream so after a while. Without it, it would do by itself what can be done
 * so: a watch there stands still, and yet answers whether it is alive.
 */
export const NEEDS_LEADER = { 'grpc-metadata-hasleader': 'true' } as const;

/** How often a member is asked, and how long an answer may take. */
const INTERVAL_MS = 2_000;
/** That there is none may be an election, which is over soon. */
const ELECTION_MS = 500;

/** How a member is asked for its leader. */
export interface LeaderMeans {
  readonly transport: Pick<Transport, 'exchange'>;
  readonly headers: Readonly<Record<string, string>>;
  /** Whether there is another endpoint. Where there is none, nothing is gained by leaving; and behind one there may be many members, of which another than asked is meant. */
  readonly elsewhere: () => boolean;
}

/**
 * Whether a member has a leader, for what cannot carry the header: completes where it has, and errors with `NoLeader` where it has none. Whatever else is said, by a member
 * that has a leader, is taken for that, too: that the question is not allowed, say.
 */
export function leaderOf({ endpoint, info, credential }: Route, { transport, headers, elsewhere }: LeaderMeans): Observable<never> {
  const { name, path } = maintenanceRpcs.status;
  const where = { rpc: name, endpoint: endpoint.origin };
  const { token } = credential;
  const request = {
    origin: endpoint.origin,
    method: 'POST',
    path: info.prefix + path,
    headers: { ...headers, ...NEEDS_LEADER, ...(token === undefined ? {} : { authorization: token }) },
    body: bodyOf(maintenanceRpcs.status, {}),
    rpc: name,
  } as const;
  return defer(() => {
    if (!elsewhere()) return EMPTY;
    return transport.exchange<unknown>(request, {
      read: (response) => {
        if (response.status !== 200) throw errorInResponse(response, where);
      },
      recover: (failure) => (hasReason(failure, 'NoLeader') ? throwError(() => failure) : EMPTY),
    });
  }).pipe(ignoreElements());
}

/** Errors when a member has been without a leader for longer than an election takes. */
export function leaderless(question: Observable<never>): Observable<never> {
  // No answer is no sign of it: who is silent altogether is found out by the stream.
  const asked = question.pipe(timeout({ each: INTERVAL_MS, with: () => EMPTY }), retry({ count: 1, delay: ELECTION_MS }));
  return timer(INTERVAL_MS, INTERVAL_MS).pipe(exhaustMap(() => asked));
}
