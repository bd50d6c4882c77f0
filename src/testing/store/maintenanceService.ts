import { Empty, HeaderOnly } from '../../codec/common.js';
import {
  AlarmRequest,
  AlarmResponse,
  DowngradeRequest,
  DowngradeResponse,
  HashKvRequest,
  HashKvResponse,
  HashResponse,
  MoveLeaderRequest,
  SnapshotResponse,
  StatusResponse,
} from '../../codec/maintenance.js';
import type { Core } from './core.js';
import { type Endpoint, streaming, unary } from './endpoint.js';
import { refusal } from './refusal.js';
import type { Alarm } from './space.js';
import type { Mvcc } from './mvcc.js';

/** The size of the parts of a snapshot, in bytes. */
const PART_BYTES = 32 * 1024;
/** The length of the checksum at the end of a snapshot. etcd does not count it as remaining. */
const CHECKSUM_BYTES = 32;

/** Writes an alarm in the form that the status response contains. Fields with their defaults are omitted. */
const textOf = ({ memberId, alarm }: Alarm): string =>
  `${memberId === '0' ? '' : `memberID:${memberId} `}${alarm === 'NONE' ? '' : `alarm:${alarm} `}`;

/** Creates the RPCs for the state of the server itself. */
export function maintenanceService({ mvcc, cluster, space, version, traits }: Core): Readonly<Record<string, Endpoint>> {
  let downgradeTo = '';
  const minor = version.cluster.split('.').slice(0, 2).join('.');
  const storageVersion = version.has('3.6') ? version.cluster : '';

  return {
    '/maintenance/alarm': unary(AlarmRequest, AlarmResponse, ({ action, alarm, memberId }, { header, access }) => {
      access().known();
      const one = { memberId, alarm };
      const ownHeader = header(traits.alarmsHaveRevision ? undefined : 0);
      switch (action) {
        case 'GET':
          return { header: ownHeader, alarms: space.all().filter((known) => alarm === 'NONE' || known.alarm === alarm) };
        case 'ACTIVATE':
          return { header: ownHeader, alarms: alarm === 'NONE' && !traits.raisesAlarmOfNoKind ? [] : [space.raise(one)] };
        case 'DEACTIVATE':
          return { header: ownHeader, alarms: space.disarm(one) ? [one] : [] };
      }
    }),

    '/maintenance/status': unary(Empty, StatusResponse, (_, { header, access }) => {
      if (traits.needsUser) access().identified();
      const ownHeader = header();
      return {
        header: ownHeader,
        version: version.text,
        dbSize: space.size,
        leader: cluster.leader,
        raftIndex: mvcc.revision + 3,
        raftTerm: cluster.term,
        raftAppliedIndex: mvcc.revision + 3,
        errors: version.has('3.4') ? space.all().map(textOf) : [],
        dbSizeInUse: space.inUse,
        isLearner: cluster.members.some(({ id, isLearner }) => isLearner && id === ownHeader.memberId),
        storageVersion,
        dbSizeQuota: version.has('3.6') ? space.quota : 0,
        downgradeInfo: version.has('3.6') ? { enabled: downgradeTo !== '', targetVersion: downgradeTo } : undefined,
      };
    }),

    '/maintenance/defragment': unary(Empty, HeaderOnly, (_, { header, access }) => {
      access().admin();
      space.defragment();
      return { header: header() };
    }),

    '/maintenance/hash': unary(Empty, HashResponse, (_, { header, access }) => {
      access().admin();
      return { header: header(), hash: hashOf(mvcc, mvcc.revision) };
    }),

    '/maintenance/hashkv': unary(HashKvRequest, HashKvResponse, ({ revision }, { header, access }) => {
      access().admin();
      mvcc.checkRevision(revision);
      const hashRevision = revision > 0 ? revision : mvcc.revision;
      return {
        header: header(),
        hash: hashOf(mvcc, hashRevision),
        compactRevision: mvcc.compactRevision,
        hashRevision: version.has('3.6') ? hashRevision : 0,
      };
    }),

    '/maintenance/snapshot': streaming(Empty, SnapshotResponse, ({ header, access }, { next, complete }) => ({
      receive: () => {
        access().admin();
        const file = new Uint8Array(space.size);
        for (let at = 0; at < file.length; at += PART_BYTES) {
          const blob = file.slice(at, at + PART_BYTES);
          next({ header: header(), remainingBytes: file.length - at - blob.length, blob, version: storageVersion });
        }
        next({ header: header(), remainingBytes: 0, blob: new Uint8Array(CHECKSUM_BYTES), version: storageVersion });
        complete();
      },
    })),

    '/maintenance/transfer-leadership': unary(MoveLeaderRequest, HeaderOnly, ({ targetId }, { header, access }) => {
      access().admin();
      if (header().memberId !== cluster.leader) throw refusal('NotLeader');
      if (!cluster.members.some(({ id }) => id === targetId)) throw refusal('BadLeaderTransferee');
      if (targetId !== cluster.leader) cluster.lead(targetId);
      return { header: header() };
    }),

    '/maintenance/downgrade': unary(DowngradeRequest, DowngradeResponse, ({ action, version: target }, { header, access }) => {
      access().admin();
      if (action === 'CANCEL') {
        if (downgradeTo === '' && !version.has('3.6')) throw refusal('NoInflightDowngrade');
        downgradeTo = '';
        return { header: header(), version: version.has('3.6') ? minor : version.cluster };
      }
      const wanted = /^(\d+)\.(\d+)(?:\.\d+)?$/.exec(target);
      if (wanted === null) throw refusal('WrongDowngradeVersionFormat');
      const [major, own] = minor.split('.').map(Number);
      if (Number(wanted[1]) !== major || Number(wanted[2]) !== (own ?? 0) - 1) throw refusal('InvalidDowngradeTargetVersion');
      if (downgradeTo !== '') throw refusal('DowngradeInProcess');
      if (action === 'ENABLE') downgradeTo = `${wanted[1]}.${wanted[2]}.0`;
      return { header: header(), version: version.cluster };
    }),
  };
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Calculates a hash of the history up to a revision. Two stores with the same history have the same hash. The hash
 * differs from etcd's hash, which depends on the format of etcd's database.
 */
export function hashOf(mvcc: Mvcc, revision: number): number {
  let hash = FNV_OFFSET;
  mvcc.forEachChange(0, ({ key, event: { type, kv, revision: changed } }) => {
    if (changed > revision) return;
    const text = `${key}\0${type}\0${changed}\0${kv.toJSON().value}`;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  });
  return hash >>> 0;
}
