import { Empty, HeaderOnly } from '../../codec/common.js';
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '../../codec/lease.js';
import type { Access } from './auth.js';
import type { Core } from './core.js';
import { type Endpoint, streaming, unary } from './endpoint.js';
import { bytesOf, keySpan } from './keys.js';

/** The number of bytes that etcd counts for a lease. */
const LEASE_BYTES = 64;

/** Creates the RPCs for leases. */
export function leaseService({ leases, space, now, version, traits }: Core): Readonly<Record<string, Endpoint>> {
  const check = (access: Access): void => (traits.needsUser ? access.identified() : access.known());

  const revoke = unary(LeaseRevokeRequest, HeaderOnly, ({ id }, { header, access }) => {
    check(access());
    for (const key of leases.get(id)?.keys ?? []) access().write(keySpan(key));
    space.checkCorrupt();
    leases.revoke(id);
    return { header: header() };
  });

  const timeToLive = unary(LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, ({ id, keys }, { header, access }) => {
    // Since 3.5, etcd checks the token if keys are requested, and since 3.5.28 in all cases. Earlier versions do not
    // check the token.
    if (traits.needsUser || (keys && traits.checksTokenForLeaseKeys)) access().identified();
    const lease = leases.get(id);
    if (lease === undefined || lease.expiry <= now()) return { header: header(), id, ttl: -1, grantedTtl: 0, keys: [] };
    const names = keys ? [...lease.keys].sort() : [];
    for (const key of names) access().read(keySpan(key));
    const ttl = Math.floor((lease.expiry - now()) / 1000);
    return { header: header(), id, ttl, grantedTtl: lease.ttl, keys: names.map(bytesOf) };
  });

  const list = unary(Empty, LeaseLeasesResponse, (_, { header, access }) => {
    check(access());
    return { header: header(), leases: leases.all().map(({ id }) => ({ id })) };
  });

  return {
    '/lease/grant': unary(LeaseGrantRequest, LeaseGrantResponse, ({ id, ttl }, { header, access }) => {
      check(access());
      space.reserve(LEASE_BYTES);
      const lease = leases.grant(id, ttl);
      return { header: header(), id: lease.id, ttl: lease.ttl, error: '' };
    }),

    '/lease/keepalive': streaming(LeaseKeepAliveRequest, LeaseKeepAliveResponse, ({ header, access }, { next, complete }) => ({
      receive: ({ id }) => {
        if (traits.needsUser) access().identified();
        const ownHeader = header();
        next({ header: ownHeader, id, ttl: leases.refresh(id) });
      },
      end: complete,
    })),

    '/kv/lease/revoke': revoke,
    '/kv/lease/timetolive': timeToLive,
    '/kv/lease/leases': list,
    ...(version.has('3.4') ? { '/lease/revoke': revoke, '/lease/timetolive': timeToLive, '/lease/leases': list } : {}),
  };
}
