import { ResponseHeader } from './common.js';
import { Member, memberListRpc } from './connection.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, memberIdCodec, string } from './scalars.js';

export const MemberAddRequest = message('MemberAddRequest', {
  peerUrls: field(array(string), { wire: 'peerURLs', required: true }),
  isLearner: field(bool, { wire: 'isLearner', since: '3.4' }),
});

export const MemberAddResponse = message('MemberAddResponse', {
  header: ResponseHeader,
  /** The new member. */
  member: Member,
  /** All members, including the new one. */
  members: array(Member),
});

export const MemberRemoveRequest = message('MemberRemoveRequest', { id: field(memberIdCodec, { wire: 'ID', required: true }) });
export const MemberRemoveResponse = message('MemberRemoveResponse', { header: ResponseHeader, members: array(Member) });

export const MemberUpdateRequest = message('MemberUpdateRequest', {
  id: field(memberIdCodec, { wire: 'ID', required: true }),
  peerUrls: field(array(string), { wire: 'peerURLs', required: true }),
});
export const MemberUpdateResponse = message('MemberUpdateResponse', { header: ResponseHeader, members: array(Member) });

export const MemberPromoteRequest = message('MemberPromoteRequest', {
  id: field(memberIdCodec, { wire: 'ID', since: '3.4', required: true }),
});
export const MemberPromoteResponse = message('MemberPromoteResponse', {
  header: field(ResponseHeader, { since: '3.4' }),
  members: field(array(Member), { since: '3.4' }),
});

export const clusterRpcs = {
  memberAdd: rpc({
    name: 'Cluster.MemberAdd',
    path: '/cluster/member/add',
    request: MemberAddRequest,
    response: MemberAddResponse,
    safety: 'write',
  }),
  memberRemove: rpc({
    name: 'Cluster.MemberRemove',
    path: '/cluster/member/remove',
    request: MemberRemoveRequest,
    response: MemberRemoveResponse,
    safety: 'write',
  }),
  memberUpdate: rpc({
    name: 'Cluster.MemberUpdate',
    path: '/cluster/member/update',
    request: MemberUpdateRequest,
    response: MemberUpdateResponse,
    safety: 'write',
  }),
  memberList: memberListRpc,
  memberPromote: rpc({
    name: 'Cluster.MemberPromote',
    path: '/cluster/member/promote',
    request: MemberPromoteRequest,
    response: MemberPromoteResponse,
    safety: 'write',
    since: '3.4',
  }),
} as const;
