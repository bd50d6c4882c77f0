import type { ClusterId, LeaseId, MemberId } from './ids.js';
import type { KeyValue } from './keyValue.js';

/**
 * The enums of etcd's API, as lists of the names of their values. The index of a name is its number, and the first name
 * is the default. Each list has a type of the same name.
 *
 * @module
 */

/** The orders of a sorted range. */
export const SortOrder = ['NONE', 'ASCEND', 'DESCEND'] as const;
/** An order of a sorted range. */
export type SortOrder = (typeof SortOrder)[number];

/** The fields by which a range can be sorted. */
export const SortTarget = ['KEY', 'VERSION', 'CREATE', 'MOD', 'VALUE'] as const;
/** A field by which a range can be sorted. */
export type SortTarget = (typeof SortTarget)[number];

/** The operators of a compare. */
export const CompareResult = ['EQUAL', 'GREATER', 'LESS', 'NOT_EQUAL'] as const;
/** An operator of a compare. */
export type CompareResult = (typeof CompareResult)[number];

/** The fields that a compare can check. */
export const CompareTarget = ['VERSION', 'CREATE', 'MOD', 'VALUE', 'LEASE'] as const;
/** A field that a compare can check. */
export type CompareTarget = (typeof CompareTarget)[number];

/** The types of alarms. `NONE` means any type. */
export const AlarmType = ['NONE', 'NOSPACE', 'CORRUPT'] as const;
/** A type of alarm. */
export type AlarmType = (typeof AlarmType)[number];

/** The kinds of access that a permission can grant. */
export const PermissionType = ['READ', 'WRITE', 'READWRITE'] as const;
/** The kind of access that a permission grants. */
export type PermissionType = (typeof PermissionType)[number];

/** The actions of a downgrade. */
export const DowngradeAction = ['VALIDATE', 'ENABLE', 'CANCEL'] as const;
/** An action of a downgrade. */
export type DowngradeAction = (typeof DowngradeAction)[number];

/** The response of an RPC that returns only a header. */
export interface HeaderResponse {
  readonly header: ResponseHeader;
}

// --- Auth

/** The result of the RPC `Auth.AuthStatus`. */
export interface AuthStatusResponse {
  readonly header: ResponseHeader;
  /** Whether auth is enabled. */
  readonly enabled: boolean;
  /** The number of changes to users and roles so far. */
  readonly authRevision: number;
}

/** The result of the RPC `Auth.Authenticate`. */
export interface AuthenticateResponse {
  readonly header: ResponseHeader;
  /** The token. It is a secret, so do not log it. */
  readonly token: string;
}

/** The result of the RPC `Auth.UserGet`. */
export interface UserGetResponse {
  readonly header: ResponseHeader;
  /** The names of the user's roles. */
  readonly roles: readonly string[];
}

/** The result of the RPC `Auth.UserList`. */
export interface UserListResponse {
  readonly header: ResponseHeader;
  /** The names of all users. */
  readonly users: readonly string[];
}

/** A permission of a role on a key or on a range of keys. */
export interface Permission {
  readonly permType: PermissionType;
  /** The key, or the first key of the range. */
  readonly key: Uint8Array;
  /** The first key after the range. It is empty for a single key, and one zero byte for all keys from `key` on. */
  readonly rangeEnd: Uint8Array;
}

/** The result of the RPC `Auth.RoleGet`. */
export interface RoleGetResponse {
  readonly header: ResponseHeader;
  /** The permissions of the role. */
  readonly perm: readonly Permission[];
}

/** The result of the RPC `Auth.RoleList`. */
export interface RoleListResponse {
  readonly header: ResponseHeader;
  /** The names of all roles. */
  readonly roles: readonly string[];
}

// --- Cluster

/** A member of the cluster. */
export interface Member {
  readonly id: MemberId;
  /** The name of the member; empty until the member has started. */
  readonly name: string;
  /** The URLs at which other members reach the member. */
  readonly peerUrls: readonly string[];
  /** The URLs at which clients reach the member; empty until the member has started. */
  readonly clientUrls: readonly string[];
  /** Whether the member is a learner, which receives the log but has no vote. Always false before etcd 3.4. */
  readonly isLearner: boolean;
}

/** The result of the RPC `Cluster.MemberAdd`. */
export interface MemberAddResponse {
  readonly header: ResponseHeader;
  /** The new member. */
  readonly member: Member;
  /** All members, including the new one. */
  readonly members: readonly Member[];
}

/** The result of the RPC `Cluster.MemberList`, and of the RPCs that change or remove a member. */
export interface MemberListResponse {
  readonly header: ResponseHeader;
  /** All members, after the change. */
  readonly members: readonly Member[];
}

// --- Lease

/** The result of the RPC `Lease.LeaseGrant`. */
export interface LeaseGrantResponse {
  readonly header: ResponseHeader;
  readonly id: LeaseId;
  /** The granted TTL in seconds, which can be more than the requested one. */
  readonly ttl: number;
  /** The server's own description of a failure; empty on success. */
  readonly error: string;
}

/** The result of the RPC `Lease.LeaseRevoke`. */
export type LeaseRevokeResponse = HeaderResponse;

/** The result of the RPC `Lease.LeaseKeepAlive`. */
export interface LeaseKeepAliveResponse {
  readonly header: ResponseHeader;
  readonly id: LeaseId;
  /** The seconds for which the lease is valid from now on; 0 if the lease has expired. */
  readonly ttl: number;
}

/** The result of the RPC `Lease.LeaseTimeToLive`. */
export interface LeaseTimeToLiveResponse {
  readonly header: ResponseHeader;
  readonly id: LeaseId;
  /** The seconds that are left; -1 if the lease has expired or never existed. */
  readonly ttl: number;
  /** The TTL in seconds, as the server granted it. */
  readonly grantedTtl: number;
  /** The keys attached to the lease; empty unless requested. */
  readonly keys: readonly Uint8Array[];
}

/** An entry of {@link LeaseLeasesResponse}. */
export interface LeaseStatus {
  readonly id: LeaseId;
}

/** The result of the RPC `Lease.LeaseLeases`. */
export interface LeaseLeasesResponse {
  readonly header: ResponseHeader;
  /** All leases of the store. */
  readonly leases: readonly LeaseStatus[];
}

// --- Lock and Election

/** The result of the RPC `Lock.Lock`. */
export interface LockResponse {
  readonly header: ResponseHeader;
  /** The key of the ownership. Pass it to `unlock`. It exists as long as the lock is held. */
  readonly key: Uint8Array;
}

/** A leadership. It is passed to `proclaim` and `resign`. */
export interface LeaderKey {
  /** The name of the election. */
  readonly name: Uint8Array;
  /** The key of the leadership. It exists as long as the leadership lasts. */
  readonly key: Uint8Array;
  /** The revision at which that key was created. */
  readonly rev: number;
  /** The lease that the key is attached to. */
  readonly lease: LeaseId;
}

/** The result of the RPC `Election.Campaign`. */
export interface CampaignResponse {
  readonly header: ResponseHeader;
  readonly leader: LeaderKey;
}

/** The result of the RPCs `Election.Leader` and `Election.Observe`. */
export interface LeaderResponse {
  readonly header: ResponseHeader;
  /** The leader's key, with the value that the leader proclaims. */
  readonly kv: KeyValue | undefined;
}

// --- Maintenance

/** An alarm that is raised at a member. */
export interface AlarmMember {
  readonly memberId: MemberId;
  readonly alarm: AlarmType;
}

/** The result of the RPC `Maintenance.Alarm`. */
export interface AlarmResponse {
  readonly header: ResponseHeader;
  /** The alarms that are raised, or those that the call changed. */
  readonly alarms: readonly AlarmMember[];
}

/** A downgrade of the cluster that is in progress. */
export interface DowngradeInfo {
  readonly enabled: boolean;
  /** The version to downgrade to, for example `3.5.0`. */
  readonly targetVersion: string;
}

/** The result of the RPC `Maintenance.Status`: the state of the member that responded. Sizes are in bytes. */
export interface StatusResponse {
  readonly header: ResponseHeader;
  /** The member's version, for example `3.5.16`. */
  readonly version: string;
  /** The size of the database file, including free pages. */
  readonly dbSize: number;
  /** The id of the leader, as this member sees it; `'0'` if it sees no leader. */
  readonly leader: MemberId;
  readonly raftIndex: number;
  readonly raftTerm: number;
  readonly raftAppliedIndex: number;
  /** Alarms and other faults, as text. */
  readonly errors: readonly string[];
  /** The size of the part of the database that contains data. After a defragmentation, the file has this size. */
  readonly dbSizeInUse: number;
  readonly isLearner: boolean;
  /** The version of the database's format; empty before etcd 3.6. */
  readonly storageVersion: string;
  /** The size at which the member raises the alarm `NOSPACE`; 0 before etcd 3.6. */
  readonly dbSizeQuota: number;
  /** The downgrade that is in progress; undefined before etcd 3.6. */
  readonly downgradeInfo: DowngradeInfo | undefined;
}

/** The result of the RPC `Maintenance.Hash`: the hash of a member's whole database. */
export interface HashResponse {
  readonly header: ResponseHeader;
  readonly hash: number;
}

/** The result of the RPC `Maintenance.HashKV`: the hash of a member's keys up to a revision. */
export interface HashKvResponse {
  readonly header: ResponseHeader;
  readonly hash: number;
  /** The revision of the last compaction. The hashes of two members can be compared only if this revision is equal. */
  readonly compactRevision: number;
  /** The revision up to which keys were hashed; 0 before etcd 3.6. */
  readonly hashRevision: number;
}

/** The result of the RPC `Maintenance.Downgrade`. */
export interface DowngradeResponse {
  readonly header: ResponseHeader;
  /** The current version of the cluster. */
  readonly version: string;
}

/** The header of every response: the member that sent it, and the revision of the store. */
export interface ResponseHeader {
  readonly clusterId: ClusterId;
  readonly memberId: MemberId;
  /** The revision of the store at the time of the response. It is not the revision of the keys in the response. */
  readonly revision: number;
  readonly raftTerm: number;
}

/** The response to a range. */
export interface RangeResponse {
  readonly header: ResponseHeader;
  readonly kvs: readonly KeyValue[];
  /** Whether the range has more keys than the limit allowed. */
  readonly more: boolean;
  /** The number of keys in the range, regardless of the limit. */
  readonly count: number;
}

/** The response to a put. */
export interface PutResponse {
  readonly header: ResponseHeader;
  /** The key before the put. It is present only with the option `prevKv`, if the key existed. */
  readonly prevKv: KeyValue | undefined;
}

/** The response to a delete. */
export interface DeleteRangeResponse {
  readonly header: ResponseHeader;
  /** The number of deleted keys. */
  readonly deleted: number;
  /** The deleted keys. They are present only with the option `prevKv`. */
  readonly prevKvs: readonly KeyValue[];
}
