import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, memberIdCodec, string } from './scalars.js';

// The RPCs that a client itself needs to reach the cluster. They are in a separate file, so that a browser need not
// load the other RPCs of these services before they are used.

const REQUIRED = field(string, { required: true });

export const AuthenticateRequest = message('AuthenticateRequest', { name: REQUIRED, password: REQUIRED });
export const AuthenticateResponse = message('AuthenticateResponse', { header: ResponseHeader, token: string });

/** The RPC that returns a token. It does not change the store. */
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
  /** The name of the member; empty until the member has started. */
  name: string,
  /** The URLs at which other members reach it. */
  peerUrls: field(array(string), { wire: 'peerURLs' }),
  /** The URLs at which clients reach the member; empty until the member has started. */
  clientUrls: field(array(string), { wire: 'clientURLs' }),
  /** Whether the member is a learner, which receives the log but has no vote. */
  isLearner: field(bool, { wire: 'isLearner', since: '3.4' }),
});

export const MemberListRequest = message('MemberListRequest', {
  /** Whether to read the list of the leader, and not the list that the endpoint has. */
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

/** The RPC that reads the state of a member. Only the header of its response is used. */
export const identifyRpc = rpc({
  name: 'Maintenance.Status',
  path: '/maintenance/status',
  request: Empty,
  response: HeaderOnly,
  safety: 'read',
});
