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

/** The kinds of alarms. `NONE` means any kind. */
export const AlarmType = ['NONE', 'NOSPACE', 'CORRUPT'] as const;
/** A kind of alarm. */
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
  /** Whether auth is on. */
  readonly enabled: boolean;
  /** Counts the changes to users and roles. */
  readonly authRevision: number;
}

/** The result of the RPC `Auth.Authenticate`. */
export interface AuthenticateResponse {
  readonly header: ResponseHeader;
  /** A secret: do not log it. */
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
  /** The first key after the range. Empty for a single key; one zero byte for all keys from `key` on. */
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
  /** Empty until the member has started. */
  readonly name: string;
  /** The URLs at which other members reach it. */
  readonly peerUrls: readonly string[];
  /** The URLs at which clients reach it; empty until the member has started. */
  readonly clientUrls: readonly string[];
  /** Whether the member follows the log without a vote. Always false before etcd 3.4. */
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
  /** Seconds to live from now on; 0 if the lease has expired. */
  readonly ttl: number;
}

/** The result of the RPC `Lease.LeaseTimeToLive`. */
export interface LeaseTimeToLiveResponse {
  readonly header: ResponseHeader;
  readonly id: LeaseId;
  /** Seconds that are left; -1 if the lease has expired or never existed. */
  readonly ttl: number;
  /** Seconds to live, as granted. */
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
  /** The key of the ownership, to unlock with; it exists for as long as the lock is held. */
  readonly key: Uint8Array;
}

/** A leadership: the proof to proclaim and resign with. */
export interface LeaderKey {
  /** The name of the election. */
  readonly name: Uint8Array;
  /** The key of the leadership; it exists for as long as the leadership lasts. */
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
  /** Size of the database file, free pages included. */
  readonly dbSize: number;
  /** The leader as this member knows it; `'0'` if it knows none. */
  readonly leader: MemberId;
  readonly raftIndex: number;
  readonly raftTerm: number;
  readonly raftAppliedIndex: number;
  /** Alarms and other faults, as text. */
  readonly errors: readonly string[];
  /** The size of the part of the database that holds data: the size after a defragmentation. */
  readonly dbSizeInUse: number;
  readonly isLearner: boolean;
  /** The version of the database's format, from etcd 3.6 on; empty before. */
  readonly storageVersion: string;
  /** The size at which the member raises `NOSPACE`, from etcd 3.6 on; 0 before. */
  readonly dbSizeQuota: number;
  /** The downgrade that is in progress, from etcd 3.6 on. */
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
  /** Hashes of two members can be compared only if these are equal. */
  readonly compactRevision: number;
  /** The revision up to which keys were hashed, from etcd 3.6 on; 0 before. */
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
  /** The revision of the store when the response was made, not the revision of the keys in it. */
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
  /** The key before the put: only with `prevKv`, and undefined for a new key. */
  readonly prevKv: KeyValue | undefined;
}

/** The response to a delete. */
export interface DeleteRangeResponse {
  readonly header: ResponseHeader;
  /** The number of deleted keys. */
  readonly deleted: number;
  /** The deleted keys: only with `prevKv`. */
  readonly prevKvs: readonly KeyValue[];
}
