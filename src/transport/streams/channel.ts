import { catchError, concat, defer, EMPTY, exhaustMap, ignoreElements, map, merge, Observable, of, retry, throwError, timeout } from 'rxjs';
import { identifyRpc } from '../../codec/connection.js';
import { type EtcdError, hasReason, type Reason } from '../../errors/index.js';
import { type Activity, checksDue, IDLE_CHECK_MS, type LeaseActivity } from '../endpoints/activity.js';
import type { Channel, Revisions, Route } from '../call.js';
import { type DuplexAttempt, type DuplexTransport, type DuplexEvent, isPageLeft, type Wire } from '../wire.js';
import { leaseRpcs } from '../../codec/lease.js';
import type { Rpc } from '../../codec/descriptors.js';
import type { TransportSelector } from './transportSelector.js';
import { retryAction } from '../retryPolicy.js';
import type { TokenProvider } from '../tokenProvider.js';

/** The dependencies of a channel. */
interface ChannelDeps extends LeaderDeps {
  readonly wire: Wire;
  readonly tokens: TokenProvider;
  readonly transports: TransportSelector;
  readonly revisions: Revisions;
  readonly leases: LeaseActivity;
}

/** Creates the channel for a route, with a stream transport that works there. */
export function openChannel<In, A>(route: Route, rpc: Rpc<In, A>, deps: ChannelDeps): Channel<In, A> {
  const { endpoint, info, credential } = route;
  const { tokens, transports, leases } = deps;
  const { address: origin } = endpoint;
  const terms = { origin, version: info.version, authenticated: credential.token !== undefined };
  const transport = transports.choose(terms);
  let responded = false;
  const activity: Activity = {
    inUse: () => leases.inUse || endpoint.activity.inUse,
    changes: merge(leases.changes, endpoint.activity.changes),
  };
  return {
    transport,
    endpoint: origin,
    version: info.version,
    removed: merge(endpoint.removed, endpoint.connectionsLost),
    gateway: gatewayOf(route, rpc, deps),
    activity,
    duplex:
      transport === 'chunked'
        ? undefined
        : (onLateOpen) => untilRemoved(openDuplex(route, rpc, { transport, onLateOpen }, activity, deps), endpoint),
    responded: () => {
      // Only the first response counts. After it, a member that has lost its leader still responds on the stream, but
      // not to calls.
      if (!responded) {
        endpoint.markHealthy();
        transports.responded(origin, transport);
      }
      responded = true;
    },
    failed: (error: EtcdError): boolean => {
      if (isPageLeft(error)) return true;
      if (error.reason === 'TransportUnsupported' || error.reason === 'ResponseTooLarge') {
        if (error.reason === 'TransportUnsupported') transports.refused(origin, transport);
        // A message that is too long for the transport would end the stream again, with all its watches.
        else transports.outgrown(origin, transport);
        return transports.choose(terms) !== transport;
      }
      if (transport !== 'chunked' && !responded && mayBeItsFault(error, transport))
        transports.withoutResponse(origin, transport, endpoint.responses);
      if (error.reason === 'ConnectionLost') transports.lost(terms, transport);
      const next = retryAction(error, 'read', true);
      if (next === 'retry' || next === 'retryOtherEndpoint') endpoint.markFailed(error.reason === 'ConnectionLost');
      if (next === 'reprobeVersion') endpoint.invalidate();
      return next !== 'reauthenticate' || tokens.discardRejected(credential);
    },
    outdated: () => tokens.known !== credential,
  };
}

/** The generation of a gateway, by the status of its response to a GET request where only POST is allowed. */
const GENERATIONS: ReadonlyMap<number, 1 | 2> = new Map([
  [405, 1],
  [501, 2],
]);

function gatewayOf({ endpoint, info }: Route, rpc: Rpc<never, unknown>, { wire }: ChannelDeps): Observable<1 | 2 | undefined> {
  const path = info.prefix + rpc.path;
  return wire.get({ to: { endpoint }, path, name: `GET ${path}` }).pipe(
    map(({ status }) => GENERATIONS.get(status)),
    catchError(() => of(undefined)),
  );
}

/**
 * Returns whether the transport may be the reason why a stream received no response. The transport is suspected if the
 * handshake failed. Over HTTP/2, it is also suspected if the connection was lost, or if the response is not from etcd.
 */
function mayBeItsFault({ reason, code }: EtcdError, transport: DuplexTransport): boolean {
  return reason === 'Unreachable' || (transport === 'http2' && code === 'Unavailable' && STANDING_IN.has(reason));
}

const STANDING_IN: ReadonlySet<Reason> = new Set<Reason>(['ConnectionLost', 'ProxyRefused', 'MalformedResponse', 'Unknown']);

/**
 * Opens a bidirectional stream. The stream ends if the RPC needs a leader and the member has none. Over a WebSocket,
 * this is checked only if there is another endpoint.
 */
function openDuplex<In, A>(
  route: Route,
  rpc: Rpc<In, A>,
  { transport, onLateOpen }: Pick<DuplexAttempt<In>, 'transport' | 'onLateOpen'>,
  activity: Activity,
  deps: ChannelDeps,
): Observable<DuplexEvent<In, A>> {
  const { wire, revisions } = deps;
  const { name, needsLeader = false } = rpc;
  // The header of a keepalive's response is not used, and several hundred of these responses may arrive in a second.
  const onRevision = name === leaseRpcs.keepAlive.name ? undefined : (revision: number) => revisions.take(revision, 0, name, '');
  const duplex = wire.duplex(rpc, { to: route, transport, onRevision, onLateOpen });
  if (!needsLeader || transport === 'http2') return duplex;
  // etcd's proxy for WebSockets does not pass on the header that requires a leader. So the client sends the member
  // separate requests that require a leader, the first one before the stream opens. Without that first request, watches
  // of a cluster without a leader would repeatedly show `connected` for a short time.
  const check = requireLeader(route, deps);
  return concat(check, merge(duplex, watchForLeaderLoss(check, activity)));
}

/**
 * Passes on a stream until its endpoint is removed. No operators are used, as each message would pass through all of
 * them.
 */
function untilRemoved<T>(stream: Observable<T>, { removed }: Route['endpoint']): Observable<T> {
  return new Observable((subscriber) => {
    subscriber.add(removed.subscribe({ error: (error: unknown) => subscriber.error(error) }));
    stream.subscribe(subscriber);
  });
}

/**
 * The intervals between checks whether a member has a leader, in milliseconds: while the client is in use, and while it
 * is idle.
 */
const INTERVALS = { inUseMs: 2_000, idleMs: IDLE_CHECK_MS };
/** The timeout of a response, in milliseconds. */
const RESPONSE_TIMEOUT_MS = 2_000;
/**
 * The pause before a member without a leader is checked again, in milliseconds. An election takes only a short time.
 */
const ELECTION_MS = 500;

/** The dependencies of the functions that check whether a member has a leader. */
export interface LeaderDeps {
  readonly wire: Pick<Wire, 'unary'>;
  /**
   * Returns whether there is another endpoint. Without another endpoint there is no check, as the client could not use
   * another member. Besides, several members may be behind one endpoint, so the check may reach another member than the
   * stream.
   */
  readonly elsewhere: () => boolean;
}

/**
 * Checks whether a member has a leader, for a stream that cannot carry the header which requires a leader. Completes if
 * there is a leader, and errors with `NoLeader` if there is none. Also completes after any other failure, such as a
 * missing permission, because only `NoLeader` shows that the leader is missing. Without another endpoint, it completes
 * without a request.
 */
export function requireLeader(to: Route, { wire, elsewhere }: LeaderDeps): Observable<never> {
  const send = wire.unary({ ...identifyRpc, needsLeader: true }, {});
  const recover = (failure: unknown): Observable<never> => (hasReason(failure, 'NoLeader') ? throwError(() => failure) : EMPTY);
  return defer(() => (elsewhere() ? send({ to, recover }) : EMPTY)).pipe(ignoreElements());
}

/** Errors when a member has been without a leader for longer than an election takes. */
export function watchForLeaderLoss(check: Observable<never>, activity: Activity): Observable<never> {
  // A missing response does not mean that the leader is lost. The stream itself detects an unresponsive member.
  const repeated = check.pipe(timeout({ each: RESPONSE_TIMEOUT_MS, with: () => EMPTY }), retry({ count: 1, delay: ELECTION_MS }));
  return checksDue(activity, INTERVALS).pipe(exhaustMap(() => repeated));
}
