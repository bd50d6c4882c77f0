/** Compares the exported response types with the codecs of the responses. Checked by the compiler; never run. */
import { expectTypeOf } from 'expect-type';
import type * as api from 'rxetcd';
import type { authRpcs } from '../../src/codec/auth.js';
import type { clusterRpcs } from '../../src/codec/cluster.js';
import type { electionRpcs, lockRpcs } from '../../src/codec/concurrency.js';
import type { leaseRpcs } from '../../src/codec/lease.js';
import type { maintenanceRpcs } from '../../src/codec/maintenance.js';
import type { ResponseOf } from '../../src/codec/descriptors.js';

export function auth(): void {
  type Rpcs = typeof authRpcs;
  expectTypeOf<api.HeaderResponse>().toEqualTypeOf<ResponseOf<Rpcs['enable']>>();
  expectTypeOf<api.AuthStatusResponse>().toEqualTypeOf<ResponseOf<Rpcs['status']>>();
  expectTypeOf<api.AuthenticateResponse>().toEqualTypeOf<ResponseOf<Rpcs['authenticate']>>();
  expectTypeOf<api.UserGetResponse>().toEqualTypeOf<ResponseOf<Rpcs['userGet']>>();
  expectTypeOf<api.UserListResponse>().toEqualTypeOf<ResponseOf<Rpcs['userList']>>();
  expectTypeOf<api.RoleGetResponse>().toEqualTypeOf<ResponseOf<Rpcs['roleGet']>>();
  expectTypeOf<api.RoleListResponse>().toEqualTypeOf<ResponseOf<Rpcs['roleList']>>();
}

export function cluster(): void {
  type Rpcs = typeof clusterRpcs;
  expectTypeOf<api.MemberAddResponse>().toEqualTypeOf<ResponseOf<Rpcs['memberAdd']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<ResponseOf<Rpcs['memberList']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<ResponseOf<Rpcs['memberRemove']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<ResponseOf<Rpcs['memberUpdate']>>();
  expectTypeOf<api.MemberListResponse>().toEqualTypeOf<ResponseOf<Rpcs['memberPromote']>>();
}

export function lease(): void {
  type Rpcs = typeof leaseRpcs;
  expectTypeOf<api.LeaseGrantResponse>().toEqualTypeOf<ResponseOf<Rpcs['grant']>>();
  expectTypeOf<api.LeaseRevokeResponse>().toEqualTypeOf<ResponseOf<Rpcs['revoke']>>();
  expectTypeOf<api.LeaseKeepAliveResponse>().toEqualTypeOf<ResponseOf<Rpcs['keepAlive']>>();
  expectTypeOf<api.LeaseTimeToLiveResponse>().toEqualTypeOf<ResponseOf<Rpcs['timeToLive']>>();
  expectTypeOf<api.LeaseLeasesResponse>().toEqualTypeOf<ResponseOf<Rpcs['leases']>>();
}

export function lockAndElection(): void {
  expectTypeOf<api.LockResponse>().toEqualTypeOf<ResponseOf<(typeof lockRpcs)['lock']>>();
  expectTypeOf<api.CampaignResponse>().toEqualTypeOf<ResponseOf<(typeof electionRpcs)['campaign']>>();
  expectTypeOf<api.LeaderResponse>().toEqualTypeOf<ResponseOf<(typeof electionRpcs)['leader']>>();
}

export function maintenance(): void {
  type Rpcs = typeof maintenanceRpcs;
  expectTypeOf<api.AlarmResponse>().toEqualTypeOf<ResponseOf<Rpcs['alarms']>>();
  expectTypeOf<api.StatusResponse>().toEqualTypeOf<ResponseOf<Rpcs['status']>>();
  expectTypeOf<api.HashResponse>().toEqualTypeOf<ResponseOf<Rpcs['hash']>>();
  expectTypeOf<api.HashKvResponse>().toEqualTypeOf<ResponseOf<Rpcs['hashKv']>>();
  expectTypeOf<api.DowngradeResponse>().toEqualTypeOf<ResponseOf<Rpcs['downgrade']>>();
}
