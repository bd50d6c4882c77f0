import type { TestServer } from '../../../src/testing/index.js';

/** The calls for leases that have reached a server, such as `grant 7`. */
export const leaseCalls = ({ calls }: TestServer): string[] =>
  calls.flatMap(({ rpc, request }) => {
    const name = NAMES[rpc];
    return name === undefined ? [] : [`${name} ${(request as { readonly id: string }).id}`];
  });

const NAMES: Readonly<Record<string, string>> = {
  'Lease.LeaseGrant': 'grant',
  'Lease.LeaseRevoke': 'revoke',
  'Lease.LeaseKeepAlive': 'keepAlive',
};
