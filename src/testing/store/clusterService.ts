import { MemberListRequest, MemberListResponse } from '../../codec/connection.js';
import {
  MemberAddRequest,
  MemberAddResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
} from '../../codec/cluster.js';
import type { Core } from './core.js';
import { type Endpoint, unary } from './endpoint.js';

/** Creates the RPCs for the members of the cluster. The headers of their responses have no revision. */
export function clusterService({ cluster, version }: Core): Readonly<Record<string, Endpoint>> {
  return {
    '/cluster/member/add': unary(MemberAddRequest, MemberAddResponse, ({ peerUrls, isLearner }, { header, access }) => {
      access().admin();
      const member = cluster.add(peerUrls, isLearner && version.has('3.4'));
      return { header: header(0), member, members: cluster.members };
    }),
    '/cluster/member/remove': unary(MemberRemoveRequest, MemberRemoveResponse, ({ id }, { header, access }) => {
      access().admin();
      cluster.remove(id);
      return { header: header(0), members: cluster.members };
    }),
    '/cluster/member/update': unary(MemberUpdateRequest, MemberUpdateResponse, ({ id, peerUrls }, { header, access }) => {
      access().admin();
      cluster.update(id, peerUrls);
      return { header: header(0), members: cluster.members };
    }),
    '/cluster/member/list': unary(MemberListRequest, MemberListResponse, (_, { header }) => ({
      header: header(0),
      members: cluster.members,
    })),
    '/cluster/member/promote': unary(MemberPromoteRequest, MemberPromoteResponse, ({ id }, { header, access }) => {
      access().admin();
      cluster.promote(id);
      return { header: header(0), members: cluster.members };
    }),
  };
}
