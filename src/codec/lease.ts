import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './rpc.js';
import { array, bool, bytes, int64, leaseIdCodec, string } from './scalars.js';

export const LeaseGrantRequest = message('LeaseGrantRequest', {
  /** Seconds to live after the grant and after each refresh; the server raises what is below its minimum. */
  ttl: field(int64, { wire: 'TTL', required: true }),
  /** The id wished for; left out, the server chooses. */
  id: field(leaseIdCodec, { wire: 'ID' }),
});

export const LeaseGrantResponse = message('LeaseGrantResponse', {
  header: ResponseHeader,
  id: field(leaseIdCodec, { wire: 'ID' }),
  /** Seconds, as granted: not always what was asked for. */
  ttl: field(int64, { wire: 'TTL' }),
  error: string,
});

export const LeaseRevokeRequest = message('LeaseRevokeRequest', { id: field(leaseIdCodec, { wire: 'ID', required: true }) });

export const LeaseKeepAliveRequest = message('LeaseKeepAliveRequest', { id: field(leaseIdCodec, { wire: 'ID', required: true }) });

const refreshed = {
  id: field(leaseIdCodec, { wire: 'ID' }),
  /** Seconds from now; 0, which the wire leaves out, says that the lease is gone. */
  ttl: field(int64, { wire: 'TTL' }),
};

export const LeaseKeepAliveResponse = message('LeaseKeepAliveResponse', { header: ResponseHeader, ...refreshed });

/** The same, without what a program that holds a thousand leases never looks at: a stream of keepalives brings some hundred of them a second. */
export const LeaseRefreshed = message('LeaseKeepAliveResponse', refreshed);

export const LeaseTimeToLiveRequest = message('LeaseTimeToLiveRequest', {
  id: field(leaseIdCodec, { wire: 'ID', required: true }),
  /** List the keys that hang on it, too. */
  keys: bool,
});

export const LeaseTimeToLiveResponse = message('LeaseTimeToLiveResponse', {
  header: ResponseHeader,
  id: field(leaseIdCodec, { wire: 'ID' }),
  /** Seconds left; -1 where the lease has expired or never was. */
  ttl: field(int64, { wire: 'TTL' }),
  /** Seconds, as granted. */
  grantedTtl: field(int64, { wire: 'grantedTTL' }),
  /** Empty unless asked for. */
  keys: array(bytes),
});

export const LeaseStatus = message('LeaseStatus', { id: field(leaseIdCodec, { wire: 'ID', since: '3.3' }) });

export const LeaseLeasesResponse = message('LeaseLeasesResponse', {
  header: field(ResponseHeader, { since: '3.3' }),
  leases: field(array(LeaseStatus), { since: '3.3' }),
});

/** Revoke, timeToLive and leases are under `/lease`, too, but not on every server: `/kv/lease` is where all of them have it. */
export const leaseRpcs = {
  grant: rpc({ name: 'Lease.LeaseGrant', path: '/lease/grant', request: LeaseGrantRequest, response: LeaseGrantResponse, safety: 'write' }),
  revoke: rpc({ name: 'Lease.LeaseRevoke', path: '/kv/lease/revoke', request: LeaseRevokeRequest, response: HeaderOnly, safety: 'write' }),
  /** A stream both ways. A refresh too many harms nobody, so it counts as a read. */
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
