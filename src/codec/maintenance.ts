import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './rpc.js';
import { array, bool, bytes, enumeration, int32, int64, maybe, memberIdCodec, string, uint64 } from './scalars.js';

export const AlarmAction = enumeration('AlarmAction', ['GET', 'ACTIVATE', 'DEACTIVATE']);
export const AlarmType = enumeration('AlarmType', ['NONE', 'NOSPACE', 'CORRUPT']);

export const AlarmRequest = message('AlarmRequest', {
  action: AlarmAction,
  /** Left out: of all members. */
  memberId: field(memberIdCodec, { wire: 'memberID' }),
  /** `NONE`: of any kind. */
  alarm: AlarmType,
});

export const AlarmMember = message('AlarmMember', { memberId: field(memberIdCodec, { wire: 'memberID' }), alarm: AlarmType });
export const AlarmResponse = message('AlarmResponse', { header: ResponseHeader, alarms: array(AlarmMember) });

export const DowngradeInfo = message('DowngradeInfo', {
  enabled: field(bool, { since: '3.6' }),
  targetVersion: field(string, { wire: 'targetVersion', since: '3.6' }),
});

/** The state of the one member that was asked. */
export const StatusResponse = message('StatusResponse', {
  header: ResponseHeader,
  version: string,
  /** Bytes on disk, free pages and all. */
  dbSize: field(int64, { wire: 'dbSize' }),
  /** The leader as this member sees it; `'0'` where it knows none. */
  leader: memberIdCodec,
  raftIndex: field(uint64, { wire: 'raftIndex' }),
  raftTerm: field(uint64, { wire: 'raftTerm' }),
  raftAppliedIndex: field(uint64, { wire: 'raftAppliedIndex', since: '3.3' }),
  /** Alarms and the like, as text. */
  errors: field(array(string), { since: '3.3' }),
  /** Bytes on disk that hold data: what a defragmentation would leave. */
  dbSizeInUse: field(int64, { wire: 'dbSizeInUse', since: '3.3' }),
  isLearner: field(bool, { wire: 'isLearner', since: '3.4' }),
  storageVersion: field(string, { wire: 'storageVersion', since: '3.6' }),
  /** Bytes at which the member raises `NOSPACE`. */
  dbSizeQuota: field(int64, { wire: 'dbSizeQuota', since: '3.6' }),
  downgradeInfo: field(maybe(DowngradeInfo), { wire: 'downgradeInfo', since: '3.6' }),
});

export const HashResponse = message('HashResponse', { header: ResponseHeader, hash: int32 });

export const HashKvRequest = message('HashKVRequest', {
  /** Hash what was there at this revision; left out, now. */
  revision: field(int64, { since: '3.3' }),
});

export const HashKvResponse = message('HashKVResponse', {
  header: field(ResponseHeader, { since: '3.3' }),
  hash: field(int32, { since: '3.3' }),
  /** Hashes of two members compare only where these are the same. */
  compactRevision: field(int64, { since: '3.3' }),
  /** The revision up to which was hashed. */
  hashRevision: field(int64, { since: '3.6' }),
});

export const SnapshotResponse = message('SnapshotResponse', {
  header: ResponseHeader,
  /** Bytes that follow in the messages after this one. */
  remainingBytes: uint64,
  /** The next part of the database file. Its last 32 bytes, over all parts, are the SHA-256 of what is before them. */
  blob: bytes,
  /** The storage version of the database. */
  version: field(string, { since: '3.6' }),
});

export const MoveLeaderRequest = message('MoveLeaderRequest', {
  targetId: field(memberIdCodec, { wire: 'targetID', since: '3.3', required: true }),
});

export const DowngradeAction = enumeration('DowngradeAction', ['VALIDATE', 'ENABLE', 'CANCEL']);

export const DowngradeRequest = message('DowngradeRequest', {
  action: field(DowngradeAction, { since: '3.5', required: true }),
  /** The version to go down to, such as `3.5`. */
  version: field(string, { since: '3.5', required: true }),
});

export const DowngradeResponse = message('DowngradeResponse', {
  header: field(ResponseHeader, { since: '3.5' }),
  /** The cluster's version now. */
  version: field(string, { since: '3.5' }),
});

export const maintenanceRpcs = {
  alarm: rpc({ name: 'Maintenance.Alarm', path: '/maintenance/alarm', request: AlarmRequest, response: AlarmResponse, safety: 'write' }),
  /** The same RPC with the action `GET`: safe to repeat. */
  alarms: rpc({ name: 'Maintenance.Alarm', path: '/maintenance/alarm', request: AlarmRequest, response: AlarmResponse, safety: 'read' }),
  status: rpc({ name: 'Maintenance.Status', path: '/maintenance/status', request: Empty, response: StatusResponse, safety: 'read' }),
  defragment: rpc({
    name: 'Maintenance.Defragment',
    path: '/maintenance/defragment',
    request: Empty,
    response: HeaderOnly,
    safety: 'write',
    unbounded: true,
  }),
  /**
   * Of the whole database, for tests of etcd itself. The swagger files of 3.3 and 3.4 give this path to HashKV, as its gateway knew no other for it: which of
   * the two answers there depends on how the server was built (3.3.25 and 3.4.23 of Debian give this one, and ignore a revision).
   */
  hash: rpc({ name: 'Maintenance.Hash', path: '/maintenance/hash', request: Empty, response: HashResponse, safety: 'read' }),
  /** Of the keys up to a revision: what members can be compared by. */
  hashKv: rpc({
    name: 'Maintenance.HashKV',
    path: '/maintenance/hashkv',
    request: HashKvRequest,
    response: HashKvResponse,
    safety: 'read',
    since: '3.5',
  }),
  /** A stream of answers, until `remainingBytes` is 0. */
  snapshot: rpc({
    name: 'Maintenance.Snapshot',
    path: '/maintenance/snapshot',
    request: Empty,
    response: SnapshotResponse,
    safety: 'read',
  }),
  moveLeader: rpc({
    name: 'Maintenance.MoveLeader',
    path: '/maintenance/transfer-leadership',
    request: MoveLeaderRequest,
    response: HeaderOnly,
    safety: 'write',
    since: '3.3',
  }),
  downgrade: rpc({
    name: 'Maintenance.Downgrade',
    path: '/maintenance/downgrade',
    request: DowngradeRequest,
    response: DowngradeResponse,
    safety: 'write',
    since: '3.5',
  }),
} as const;
