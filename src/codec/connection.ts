import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, memberIdCodec, string } from './scalars.js';

// The RPCs that a client calls by itself, in order to reach the cluster. They are in a separate file, as a browser
// loads the other RPCs of their services only when they are used.

const REQUIRED = field(string, { required: true });

export const AuthenticateRequest = message('AuthenticateRequest', { name: REQUIRED, password: REQUIRED });
export const AuthenticateResponse = message('AuthenticateResponse', { header: ResponseHeader, token: string });

/** Returns a token, and does not change the store. */
export const authenticateRpc = rpc({
  name: 'Auth.Authenticate',
  path: '/auth/authenticate',
  request: AuthenticateRequest,
  response: AuthenticateResponse,
  safety: 'read',
  anonymous: true,
});

export const Member = message('Member', {
  id: field(memberIdCodec, { wire: 'ID' }),
  /** Empty until the member has started. */
  name: string,
  /** The URLs at which other members reach it. */
  peerUrls: field(array(string), { wire: 'peerURLs' }),
  /** The URLs at which clients reach it; empty until the member has started. */
  clientUrls: field(array(string), { wire: 'clientURLs' }),
  /** Whether the member follows the log without a vote. */
  isLearner: field(bool, { wire: 'isLearner', since: '3.4' }),
});

export const MemberListRequest = message('MemberListRequest', {
  /** Whether to read the leader's list, rather than the list that the endpoint has. */
  linearizable: field(bool, { since: '3.5' }),
});
export const MemberListResponse = message('MemberListResponse', { header: ResponseHeader, members: array(Member) });

export const memberListRpc = rpc({
  name: 'Cluster.MemberList',
  path: '/cluster/member/list',
  request: MemberListRequest,
  response: MemberListResponse,
  safety: 'read',
});

/** Requests the state of a member. Only the header of the response is read. */
export const identifyRpc = rpc({
  name: 'Maintenance.Status',
  path: '/maintenance/status',
  request: Empty,
  response: HeaderOnly,
  safety: 'read',
});
