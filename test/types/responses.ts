/** Compares the exported response types with the codecs of the responses. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import type * as api from 'rxetcd';
import type { authRpcs } from '../../src/codec/auth.js';
import type { clusterRpcs } from '../../src/codec/cluster.js';
import type { electionRpcs, lockRpcs } from '../../src/codec/concurrency.js';
import type { leaseRpcs } from '../../src/codec/lease.js';
import type { maintenanceRpcs } from '../../src/codec/maintenance.js';
import type { AnswerOf } from '../../src/codec/descriptors.js';

export function auth(): void {
  type Rpcs = typeof authRpcs;
  expectTypeOf<api.HeaderResponse>().toEqualTypeOf<AnswerOf<Rpcs['enable']>>();
  expectTypeOf<api.AuthStatusResponse>().toEqualTypeOf<AnswerOf<Rpcs['status']>>();
  expectTypeOf<api.AuthenticateResponse>().toEqualTypeOf<AnswerOf<Rpcs['authenticate']>>();
  expectTypeOf<api.UserGetResponse>().toEqualTypeOf<AnswerOf<Rpcs['userGet']>>();
  expectTypeOf<api.UserListResponse>().toEqualTypeOf<AnswerOf<Rpcs['userList']>>();
  expectTypeOf<api.RoleGetResponse>().toEqualTypeOf<AnswerOf<Rpcs['roleGet']>>();
  expectTypeOf<api.RoleListResponse>().toEqualTypeOf<AnswerOf<Rpcs['roleList']>>();
}

export function cluster(): void {
  type Rpcs = typeof clusterRpcs;
  expectTypeOf<api.MemberAddResponse>().toEqualTypeOf<AnswerOf<Rpcs['memberAdd']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<AnswerOf<Rpcs['memberList']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<AnswerOf<Rpcs['memberRemove']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<AnswerOf<Rpcs['memberUpdate']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<AnswerOf<Rpcs['memberPromote']>>();
}

export function lease(): void {
  type Rpcs = typeof leaseRpcs;
  expectTypeOf<api.LeaseGrantResponse>().toEqualTypeOf<AnswerOf<Rpcs['grant']>>();
  expectTypeOf<api.LeaseRevokeResponse>().toEqualTypeOf<AnswerOf<Rpcs['revoke']>>();
  expectTypeOf<api.LeaseKeepAliveResponse>().toEqualTypeOf<AnswerOf<Rpcs['keepAlive']>>();
  expectTypeOf<api.LeaseTimeToLiveResponse>().toEqualTypeOf<AnswerOf<Rpcs['timeToLive']>>();
  expectTypeOf<api.LeaseLeasesResponse>().toEqualTypeOf<AnswerOf<Rpcs['leases']>>();
}

export function lockAndElection(): void {
  expectTypeOf<api.LockResponse>().toEqualTypeOf<AnswerOf<(typeof lockRpcs)['lock']>>();
  expectTypeOf<api.CampaignResponse>().toEqualTypeOf<AnswerOf<(typeof electionRpcs)['campaign']>>();
  expectTypeOf<api.LeaderResponse>().toEqualTypeOf<AnswerOf<(typeof electionRpcs)['leader']>>();
}

export function maintenance(): void {
  type Rpcs = typeof maintenanceRpcs;
  expectTypeOf<api.AlarmResponse>().toEqualTypeOf<AnswerOf<Rpcs['alarms']>>();
  expectTypeOf<api.StatusResponse>().toEqualTypeOf<AnswerOf<Rpcs['status']>>();
  expectTypeOf<api.HashResponse>().toEqualTypeOf<AnswerOf<Rpcs['hash']>>();
  expectTypeOf<api.HashKvResponse>().toEqualTypeOf<AnswerOf<Rpcs['hashKv']>>();
  expectTypeOf<api.DowngradeResponse>().toEqualTypeOf<AnswerOf<Rpcs['downgrade']>>();
}
