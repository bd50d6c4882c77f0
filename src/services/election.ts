import type { Observable } from 'rxjs';
import type { Done } from './auth.js';
import { electionRpcs } from '../codec/election.js';
import type { AnswerOf } from '../codec/rpc.js';
import type { BytesLike } from '../model/bytes.js';
import { LEASE } from '../model/validate.js';
import type { LeaseId } from '../model/ids.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** A leadership that was won. */
export type CampaignResponse = AnswerOf<typeof electionRpcs.campaign>;
/** What a leader proclaims and resigns by. */
export type LeaderKey = CampaignResponse['leader'];
/** The leader's key, with the value that it proclaims. */
export type LeaderResponse = AnswerOf<typeof electionRpcs.leader>;

/** etcd's Election service: the server does the waiting. For a leadership that says when it ends, see `etcd.election`. */
export interface ElectionService {
  /**
   * Waits to be elected (`Election.Campaign`), for as long as it takes unless `timeoutMs` says otherwise. Unsubscribing while it waits stands down.
   *
   * @param options.lease what the leadership is held by. Left out, the server grants one of 60 s that nobody refreshes. `LeaseNotFound`
   */
  campaign(name: BytesLike, value: BytesLike, options?: { readonly lease?: LeaseId } & CallOptions): Observable<CampaignResponse>;
  /** Says something else as the leader (`Election.Proclaim`). `ElectionNotLeader` for one who no longer is. */
  proclaim(leader: LeaderKey, value: BytesLike, options?: CallOptions): Observable<Done>;
  /** Who leads (`Election.Leader`). `ElectionNoLeader` where nobody does. */
  leader(name: BytesLike, options?: CallOptions): Observable<LeaderResponse>;
  /** Who leads, and each who follows (`Election.Observe`): a stream until the server ends it. */
  observe(name: BytesLike, options?: CallOptions): Observable<LeaderResponse>;
  /** Gives the leadership up (`Election.Resign`). */
  resign(leader: LeaderKey, options?: CallOptions): Observable<Done>;
}

/** The Election service over a caller. */
export function electionService(caller: Caller): ElectionService {
  return {
    campaign: (name, value, options = {}) =>
      withOptions('electionService.campaign', options, { ...CALL, lease: LEASE }, (request, call) =>
        caller.unary(electionRpcs.campaign, { name, value, ...request }, call),
      ),
    proclaim: (leader, value, options) => caller.unary(electionRpcs.proclaim, { leader, value }, options),
    leader: (name, options) => caller.unary(electionRpcs.leader, { name }, options),
    observe: (name, options) => caller.stream(electionRpcs.observe, { name }, options),
    resign: (leader, options) => caller.unary(electionRpcs.resign, { leader }, options),
  };
}
