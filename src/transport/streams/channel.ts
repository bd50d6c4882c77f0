import { concat, merge, Observable, tap } from 'rxjs';
import { leaseRpcs } from '../../codec/lease.js';
import { isRecord } from '../../codec/message.js';
import type { Rpc } from '../../codec/rpc.js';
import type { EtcdError } from '../../errors/index.js';
import type { Route } from '../route.js';
import type { Channel } from '../call.js';
import type { CarrierChoice } from './carrierSelector.js';
import { leaderless, leaderOf, NEEDS_LEADER, type LeaderMeans } from '../leader.js';
import type { Revisions } from '../revisions.js';
import { verdict } from '../retry.js';
import type { Tokens } from '../tokenProvider.js';
import type { DuplexCarrier, DuplexPart, Transport } from '../http/transport.js';

/** What a channel is made with. */
interface Means extends LeaderMeans {
  readonly transport: Transport;
  readonly tokens: Tokens;
  readonly carriers: CarrierChoice;
  readonly revisions: Revisions;
}

/** The channel along a route, by the carrier that works there. */
export function channelAlong(route: Route, rpc: Rpc<never, unknown>, means: Means): Channel {
  const { endpoint, info, credential } = route;
  const { tokens, carriers } = means;
  const { origin } = endpoint;
  const terms = { origin, version: info.version, authenticated: credential.token !== undefined };
  const carrier = carriers.choose(terms);
  let answered = false;
  return {
    carrier,
    endpoint: origin,
    version: info.version,
    removed: endpoint.removed,
    duplex: carrier === 'chunked' ? undefined : whileThere(duplexAlong(route, rpc, carrier, means), endpoint),
    answered: () => {
      // The first time: a member that has lost the others answers a stream as before, and no call.
      if (!answered) endpoint.succeeded();
      answered = true;
    },
    failed: (error: EtcdError): boolean => {
      // A stream of many watches that ends for what one of them is sent would end so again.
      if (error.reason === 'CarrierUnusable' || error.reason === 'ResponseTooLarge') {
        carriers.refused(origin, carrier);
        return carriers.choose(terms) !== carrier;
      }
      if (error.reason === 'ConnectionLost') carriers.lost(terms, carrier);
      const next = verdict(error, 'read', true);
      if (next === 'again' || next === 'elsewhere') endpoint.failed();
      if (next === 'rediscover') endpoint.forget();
      return next !== 'reauthenticate' || tokens.refused(credential);
    },
    outdated: () => tokens.known !== credential,
  };
}

/** A stream both ways, which ends where the member has no leader and the RPC needs one. */
function duplexAlong(route: Route, rpc: Rpc<never, unknown>, carrier: DuplexCarrier, means: Means): Observable<DuplexPart> {
  const { endpoint, info, credential } = route;
  const { transport, revisions, headers } = means;
  const { name, path, needsLeader = false } = rpc;
  const all = needsLeader && carrier === 'http2' ? { ...headers, ...NEEDS_LEADER } : headers;
  const { origin } = endpoint;
  const duplex = transport.duplex({ carrier, origin, path: info.prefix + path, headers: all, token: credential.token, rpc: name });
  // Nobody is shown the header of a keepalive, and there may be some hundred of them a second.
  if (name === leaseRpcs.keepAlive.name) return duplex;
  const noted = duplex.pipe(tap((part) => note(part, revisions)));
  if (!needsLeader || carrier === 'http2') return noted;
  // etcd's proxy for WebSockets hands no such header on. Beforehand, too, or a cluster without a leader would look connected for a while, again and again.
  const question = leaderOf(route, means);
  return concat(question, merge(noted, leaderless(question)));
}

/** A stream as long as its endpoint is there. No pipeline: each message would go through it. */
function whileThere(stream: Observable<DuplexPart>, { removed }: Route['endpoint']): Observable<DuplexPart> {
  return new Observable((subscriber) => {
    subscriber.add(removed.subscribe({ error: (error: unknown) => subscriber.error(error) }));
    stream.subscribe(subscriber);
  });
}

/** What a watch tells has been seen, too. */
function note(part: DuplexPart, revisions: Revisions): void {
  if (part.type === 'message' && isRecord(part.json)) revisions.take(part.json['result'], 0, {});
}
