import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, bytes, int64, leaseIdCodec, string } from './scalars.js';

export const LeaseGrantRequest = message('LeaseGrantRequest', {
  /**
   * The TTL in seconds, which is counted from the grant and from each refresh. The server raises a TTL below its
   * minimum.
   */
  ttl: field(int64, { wire: 'TTL', required: true }),
  /** The requested id; by default the server chooses one. */
  id: field(leaseIdCodec, { wire: 'ID' }),
});

export const LeaseGrantResponse = message('LeaseGrantResponse', {
  header: ResponseHeader,
  id: field(leaseIdCodec, { wire: 'ID' }),
  /** The granted TTL in seconds, which may differ from the requested one. */
  ttl: field(int64, { wire: 'TTL' }),
  error: string,
});

export const LeaseRevokeRequest = message('LeaseRevokeRequest', { id: field(leaseIdCodec, { wire: 'ID', required: true }) });

export const LeaseKeepAliveRequest = message('LeaseKeepAliveRequest', { id: field(leaseIdCodec, { wire: 'ID', required: true }) });

const refreshed = {
  id: field(leaseIdCodec, { wire: 'ID' }),
  /** The remaining seconds; 0 if the lease does not exist. The 0 is omitted on the wire. */
  ttl: field(int64, { wire: 'TTL' }),
};

export const LeaseKeepAliveResponse = message('LeaseKeepAliveResponse', { header: ResponseHeader, ...refreshed });

/**
 * The same response without its header. It is faster to read: with a thousand leases, a stream receives several hundred
 * of these responses in a second.
 */
export const LeaseRefreshed = message('LeaseKeepAliveResponse', refreshed);

export const LeaseTimeToLiveRequest = message('LeaseTimeToLiveRequest', {
  id: field(leaseIdCodec, { wire: 'ID', required: true }),
  /** Whether to list the keys attached to the lease. */
  keys: bool,
});

export const LeaseTimeToLiveResponse = message('LeaseTimeToLiveResponse', {
  header: ResponseHeader,
  id: field(leaseIdCodec, { wire: 'ID' }),
  /** The remaining seconds; -1 if the lease has expired or never existed. */
  ttl: field(int64, { wire: 'TTL' }),
  /** The granted TTL in seconds. */
  grantedTtl: field(int64, { wire: 'grantedTTL' }),
  /** The attached keys; empty unless requested. */
  keys: array(bytes),
});

export const LeaseStatus = message('LeaseStatus', { id: field(leaseIdCodec, { wire: 'ID', since: '3.3' }) });

export const LeaseLeasesResponse = message('LeaseLeasesResponse', {
  header: field(ResponseHeader, { since: '3.3' }),
  leases: field(array(LeaseStatus), { since: '3.3' }),
});

/** The RPC of the stream of keepalives. The headers of its responses are not read. */
export const refreshRpc = rpc({
  name: 'Lease.LeaseKeepAlive',
  path: '/lease/keepalive',
  request: LeaseKeepAliveRequest,
  response: LeaseRefreshed,
  safety: 'read',
});

/**
 * The RPCs of leases. All servers have revoke, timeToLive and leases under `/kv/lease`. Only some servers also have
 * them under `/lease`.
 */
export const leaseRpcs = {
  grant: rpc({ name: 'Lease.LeaseGrant', path: '/lease/grant', request: LeaseGrantRequest, response: LeaseGrantResponse, safety: 'write' }),
  revoke: rpc({ name: 'Lease.LeaseRevoke', path: '/kv/lease/revoke', request: LeaseRevokeRequest, response: HeaderOnly, safety: 'write' }),
  /**
   * The RPC that refreshes leases over a bidirectional stream. A second refresh does no harm, so the RPC counts as a
   * read.
   */
  keepAlive: rpc({
    name: 'Lease.LeaseKeepAlive',
    path: '/lease/keepalive',
    request: LeaseKeepAliveRequest,
    response: LeaseKeepAliveResponse,
    safety: 'read',
    bounded: true,
  }),
  timeToLive: rpc({
    name: 'Lease.LeaseTimeToLive',
    path: '/kv/lease/timetolive',
    request: LeaseTimeToLiveRequest,
    response: LeaseTimeToLiveResponse,
    safety: 'read',
  }),
  leases: rpc({
    name: 'Lease.LeaseLeases',
    path: '/kv/lease/leases',
    request: Empty,
    response: LeaseLeasesResponse,
    safety: 'read',
    since: '3.3',
  }),
} as const;
