import * as enums from '../model/responses.js';
import { Empty, HeaderOnly, ResponseHeader } from './common.js';
import { field, message } from './message.js';
import { rpc } from './descriptors.js';
import { array, bool, bytes, enumeration, int32, int64, maybe, memberIdCodec, string, uint64 } from './scalars.js';

export const AlarmAction = enumeration('AlarmAction', ['GET', 'ACTIVATE', 'DEACTIVATE']);
export const AlarmType = enumeration('AlarmType', enums.AlarmType);

export const AlarmRequest = message('AlarmRequest', {
  action: AlarmAction,
  /** The member of the alarm; all members by default. */
  memberId: field(memberIdCodec, { wire: 'memberID' }),
  /** The type of the alarm; `NONE` means any type. */
  alarm: AlarmType,
});

export const AlarmMember = message('AlarmMember', { memberId: field(memberIdCodec, { wire: 'memberID' }), alarm: AlarmType });
export const AlarmResponse = message('AlarmResponse', { header: ResponseHeader, alarms: array(AlarmMember) });

export const DowngradeInfo = message('DowngradeInfo', {
  enabled: field(bool, { since: '3.6' }),
  targetVersion: field(string, { wire: 'targetVersion', since: '3.6' }),
});

/** The state of the member that sent the response. */
export const StatusResponse = message('StatusResponse', {
  header: ResponseHeader,
  version: string,
  /** The size on disk in bytes, including free pages. */
  dbSize: field(int64, { wire: 'dbSize' }),
  /** The id of the leader, as this member sees it; `'0'` if it sees no leader. */
  leader: memberIdCodec,
  raftIndex: field(uint64, { wire: 'raftIndex' }),
  raftTerm: field(uint64, { wire: 'raftTerm' }),
  raftAppliedIndex: field(uint64, { wire: 'raftAppliedIndex', since: '3.3' }),
  /** Alarms and other faults, as text. */
  errors: field(array(string), { since: '3.3' }),
  /** The number of bytes on disk that contain data. After a defragmentation, the file has this size. */
  dbSizeInUse: field(int64, { wire: 'dbSizeInUse', since: '3.3' }),
  isLearner: field(bool, { wire: 'isLearner', since: '3.4' }),
  storageVersion: field(string, { wire: 'storageVersion', since: '3.6' }),
  /** The size in bytes at which the member raises `NOSPACE`. */
  dbSizeQuota: field(int64, { wire: 'dbSizeQuota', since: '3.6' }),
  downgradeInfo: field(maybe(DowngradeInfo), { wire: 'downgradeInfo', since: '3.6' }),
});

export const HashResponse = message('HashResponse', { header: ResponseHeader, hash: int32 });

export const HashKvRequest = message('HashKVRequest', {
  /** The revision of the keys to hash; the current one by default. */
  revision: field(int64, { since: '3.3' }),
});

export const HashKvResponse = message('HashKVResponse', {
  header: field(ResponseHeader, { since: '3.3' }),
  hash: field(int32, { since: '3.3' }),
  /** The revision of the last compaction. The hashes of two members can be compared only if this revision is equal. */
  compactRevision: field(int64, { since: '3.3' }),
  /** The revision up to which keys were hashed. */
  hashRevision: field(int64, { since: '3.6' }),
});

export const SnapshotResponse = message('SnapshotResponse', {
  header: ResponseHeader,
  /** The number of bytes of the database in the messages after this one. The checksum at the end does not count. */
  remainingBytes: uint64,
  /** The next part of the database file. The last 32 bytes of the file are the SHA-256 of the bytes before them. */
  blob: bytes,
  /** The storage version of the database. */
  version: field(string, { since: '3.6' }),
});

export const MoveLeaderRequest = message('MoveLeaderRequest', {
  targetId: field(memberIdCodec, { wire: 'targetID', since: '3.3', required: true }),
});

export const DowngradeAction = enumeration('DowngradeAction', enums.DowngradeAction);

export const DowngradeRequest = message('DowngradeRequest', {
  action: field(DowngradeAction, { since: '3.5', required: true }),
  /** The version to downgrade to, such as `3.5`. */
  version: field(string, { since: '3.5', required: true }),
});

export const DowngradeResponse = message('DowngradeResponse', {
  header: field(ResponseHeader, { since: '3.5' }),
  /** The current version of the cluster. */
  version: field(string, { since: '3.5' }),
});

export const maintenanceRpcs = {
  alarm: rpc({ name: 'Maintenance.Alarm', path: '/maintenance/alarm', request: AlarmRequest, response: AlarmResponse, safety: 'write' }),
  /** The RPC for alarms with the action `GET`, which is safe to retry. */
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
   * The RPC that hashes the whole database, for tests of etcd itself. In the swagger files of 3.3 and 3.4, this is the
   * path of HashKV, which had no other path. The build of the server decides which of the two RPCs responds. Debian's
   * 3.3.25 and 3.4.23 respond with this RPC, which ignores a revision.
   */
  hash: rpc({ name: 'Maintenance.Hash', path: '/maintenance/hash', request: Empty, response: HashResponse, safety: 'read' }),
  /** The RPC that hashes the keys up to a revision, so that members can be compared. */
  hashKv: rpc({
    name: 'Maintenance.HashKV',
    path: '/maintenance/hashkv',
    request: HashKvRequest,
    response: HashKvResponse,
    safety: 'read',
    since: '3.5',
  }),
  /** The RPC that reads the database. It responds with a stream, until `remainingBytes` is 0. */
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
