import type { Observable } from 'rxjs';
import { clusterRpcs } from '../codec/cluster.js';
import { BOOLEAN } from '../model/validate.js';
import type { MemberId } from '../model/ids.js';
import type { MemberAddResponse, MemberListResponse } from '../model/responses.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/**
 * etcd's Cluster service. Every method returns a cold Observable: one subscription, one call, one value. Methods that
 * change the cluster are sent at most once.
 */
export interface ClusterService {
  /**
   * Adds a member, which its peers reach at these URLs (`Cluster.MemberAdd`). Start the member next, with the cluster
   * state `existing`. Errors: `PeerURLExist`, `MemberBadURLs`, `Unhealthy`, `TooManyLearners`.
   *
   * @param options.isLearner adds the member as a learner, which has no vote until {@link ClusterService.memberPromote}
   * (etcd 3.4 and newer)
   */
  memberAdd(peerUrls: readonly string[], options?: { readonly isLearner?: boolean } & CallOptions): Observable<MemberAddResponse>;
  /** Removes a member (`Cluster.MemberRemove`). Errors: `MemberNotFound`, `Unhealthy`, `MemberNotEnoughStarted`. */
  memberRemove(id: MemberId, options?: CallOptions): Observable<MemberListResponse>;
  /**
   * Changes the URLs at which its peers reach a member (`Cluster.MemberUpdate`). Errors: `MemberNotFound`,
   * `PeerURLExist`.
   */
  memberUpdate(id: MemberId, peerUrls: readonly string[], options?: CallOptions): Observable<MemberListResponse>;
  /**
   * Lists all members (`Cluster.MemberList`). By default the member responds with its own state, without a quorum. With
   * `linearizable: true` it responds with the list of the leader (etcd 3.5 and newer).
   */
  memberList(options?: { readonly linearizable?: boolean } & CallOptions): Observable<MemberListResponse>;
  /**
   * Promotes a learner to a voting member (`Cluster.MemberPromote`, etcd 3.4 and newer). Errors: `MemberNotFound`,
   * `MemberNotLearner`, `LearnerNotReady`.
   */
  memberPromote(id: MemberId, options?: CallOptions): Observable<MemberListResponse>;
}

/** Creates the Cluster service over a caller. */
export function clusterService(caller: Caller): ClusterService {
  return {
    memberAdd: (peerUrls, options = {}) =>
      withOptions('cluster.memberAdd', options, { ...CALL, isLearner: BOOLEAN }, (request, call) =>
        caller.unary(clusterRpcs.memberAdd, { peerUrls, ...request }, call),
      ),
    memberRemove: (id, options) => caller.unary(clusterRpcs.memberRemove, { id }, options),
    memberUpdate: (id, peerUrls, options) => caller.unary(clusterRpcs.memberUpdate, { id, peerUrls }, options),
    memberList: (options = {}) =>
      withOptions('cluster.memberList', options, { ...CALL, linearizable: BOOLEAN }, (request, call) =>
        caller.unary(clusterRpcs.memberList, request, call),
      ),
    memberPromote: (id, options) => caller.unary(clusterRpcs.memberPromote, { id }, options),
  };
}
