import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, bytes, int64, leaseIdCodec, string } from './scalars.js';

export const LeaseGrantRequest = message('LeaseGrantRequest', {
  /** The TTL in seconds, from the grant and from each refresh. The server raises a TTL below its minimum. */
  ttl: field(int64, { wire: 'TTL', required: true }),
  /** The requested id; the server chooses one by default. */
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
  /** The remaining seconds; 0, which is omitted on the wire, if the lease does not exist. */
  ttl: field(int64, { wire: 'TTL' }),
};

export const LeaseKeepAliveResponse = message('LeaseKeepAliveResponse', { header: ResponseHeader, ...refreshed });

/**
 * The same response without its header, for speed: with a thousand leases, a stream of keepalives receives several
 * hundred a second.
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

/** The stream of keepalives, whose responses are read without their headers. */
export const refreshRpc = rpc({
  name: 'Lease.LeaseKeepAlive',
  path: '/lease/keepalive',
  request: LeaseKeepAliveRequest,
  response: LeaseRefreshed,
  safety: 'read',
});

/**
 * Revoke, timeToLive and leases are also under `/lease`, but not on every server. All servers have them under
 * `/kv/lease`.
 */
export const leaseRpcs = {
  grant: rpc({ name: 'Lease.LeaseGrant', path: '/lease/grant', request: LeaseGrantRequest, response: LeaseGrantResponse, safety: 'write' }),
  revoke: rpc({ name: 'Lease.LeaseRevoke', path: '/kv/lease/revoke', request: LeaseRevokeRequest, response: HeaderOnly, safety: 'write' }),
  /** A bidirectional stream. A repeated refresh does no harm, so it counts as a read. */
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
