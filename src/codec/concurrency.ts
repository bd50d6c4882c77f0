import { HeaderOnly, ResponseHeader, KeyValueCodec } from './common.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { bytes, leaseIdCodec, int64, maybe } from './scalars.js';

export const LockRequest = message('LockRequest', {
  name: field(bytes, { required: true }),
  /** The lease of the lock. By default the server grants a lease of 60 seconds, which is not refreshed. */
  lease: leaseIdCodec,
});

export const LockResponse = message('LockResponse', {
  header: ResponseHeader,
  /** The key of the ownership. It is passed to `unlock`, and exists as long as the lock is held. */
  key: bytes,
});

export const UnlockRequest = message('UnlockRequest', { key: field(bytes, { required: true }) });

export const lockRpcs = {
  /**
   * The RPC that acquires a lock. The response arrives when the lock is acquired; until then the call waits at the
   * server.
   */
  lock: rpc({ name: 'Lock.Lock', path: '/lock/lock', request: LockRequest, response: LockResponse, safety: 'write', unbounded: true }),
  unlock: rpc({ name: 'Lock.Unlock', path: '/lock/unlock', request: UnlockRequest, response: HeaderOnly, safety: 'write' }),
} as const;

/** A leadership, as requests to proclaim and to resign contain it. */
export const LeaderKey = message('LeaderKey', {
  /** The name of the election. */
  name: field(bytes, { required: true }),
  /** The key of the leadership. It exists as long as the leadership lasts. */
  key: field(bytes, { required: true }),
  /** The revision at which that key was created. */
  rev: field(int64, { required: true }),
  lease: field(leaseIdCodec, { required: true }),
});

export const CampaignRequest = message('CampaignRequest', {
  name: field(bytes, { required: true }),
  /** The lease of the leadership. By default the server grants a lease of 60 seconds, which is not refreshed. */
  lease: leaseIdCodec,
  value: field(bytes, { required: true }),
});
export const CampaignResponse = message('CampaignResponse', { header: ResponseHeader, leader: LeaderKey });

export const ProclaimRequest = message('ProclaimRequest', {
  leader: field(LeaderKey, { required: true }),
  value: field(bytes, { required: true }),
});

export const LeaderRequest = message('LeaderRequest', { name: field(bytes, { required: true }) });
export const LeaderResponse = message('LeaderResponse', {
  header: ResponseHeader,
  /** The leader's key, with the value that the leader proclaims. */
  kv: maybe(KeyValueCodec),
});

export const ResignRequest = message('ResignRequest', { leader: field(LeaderKey, { required: true }) });

export const electionRpcs = {
  /**
   * The RPC that campaigns in an election. The response arrives when the leadership is acquired; until then the call
   * waits at the server.
   */
  campaign: rpc({
    name: 'Election.Campaign',
    path: '/election/campaign',
    request: CampaignRequest,
    response: CampaignResponse,
    safety: 'write',
    unbounded: true,
  }),
  proclaim: rpc({ name: 'Election.Proclaim', path: '/election/proclaim', request: ProclaimRequest, response: HeaderOnly, safety: 'write' }),
  leader: rpc({ name: 'Election.Leader', path: '/election/leader', request: LeaderRequest, response: LeaderResponse, safety: 'read' }),
  /** The RPC that observes an election. It responds with a stream: the current leader, and then each later one. */
  observe: rpc({ name: 'Election.Observe', path: '/election/observe', request: LeaderRequest, response: LeaderResponse, safety: 'read' }),
  resign: rpc({ name: 'Election.Resign', path: '/election/resign', request: ResignRequest, response: HeaderOnly, safety: 'write' }),
} as const;
