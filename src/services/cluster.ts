import type { Observable } from 'rxjs';
import { clusterRpcs } from '../codec/cluster.js';
import type { AnswerOf } from '../codec/rpc.js';
import { BOOLEAN } from '../model/validate.js';
import type { MemberId } from '../model/ids.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** The new member, and all members with it. */
export type MemberAddResponse = AnswerOf<typeof clusterRpcs.memberAdd>;
/** All members. */
export type MemberListResponse = AnswerOf<typeof clusterRpcs.memberList>;
/** A member of the cluster; one that never started has no name and no `clientUrls`. */
export type Member = MemberListResponse['members'][number];

/** etcd's Cluster service. Every method gives a cold Observable: one subscription, one call, one value; the changing ones are sent at most once. */
export interface Cluster {
  /**
   * Adds a member that is to be reached by its peers at these URLs (`Cluster.MemberAdd`); start it next, with the cluster state `existing`.
   * `PeerURLExist`, `MemberBadURLs`, `Unhealthy`, `TooManyLearners`.
   *
   * @param options.isLearner it follows without a vote until {@link Cluster.memberPromote} (etcd 3.4 and newer)
   */
  memberAdd(peerUrls: readonly string[], options?: { readonly isLearner?: boolean } & CallOptions): Observable<MemberAddResponse>;
  /** Removes a member (`Cluster.MemberRemove`). `MemberNotFound`, `Unhealthy`, `MemberNotEnoughStarted`. */
  memberRemove(id: MemberId, options?: CallOptions): Observable<MemberListResponse>;
  /** Changes where a member's peers reach it (`Cluster.MemberUpdate`). `MemberNotFound`, `PeerURLExist`. */
  memberUpdate(id: MemberId, peerUrls: readonly string[], options?: CallOptions): Observable<MemberListResponse>;
  /** All members (`Cluster.MemberList`); with `linearizable: false` as this member knows them, without a quorum (etcd 3.5; older ones always do so). */
  memberList(options?: { readonly linearizable?: boolean } & CallOptions): Observable<MemberListResponse>;
  /** Gives a learner its vote (`Cluster.MemberPromote`, etcd 3.4 and newer). `MemberNotFound`, `MemberNotLearner`, `LearnerNotReady`. */
  memberPromote(id: MemberId, options?: CallOptions): Observable<MemberListResponse>;
}

/** The Cluster service over a caller. */
export function clusterService(caller: Caller): Cluster {
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
