import { defer, type Observable } from 'rxjs';
import type { Done } from './auth.js';
import { maintenanceRpcs } from '../codec/maintenance.js';
import type { AnswerOf } from '../codec/rpc.js';
import { ANYTHING, checkOptions, FROM_ZERO, oneOf, required, type OptionKinds } from '../model/validate.js';
import type { MemberId } from '../model/ids.js';
import { snapshot, type SnapshotPart } from '../snapshot.js';
import { withOptions } from './internal/callOptions.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';

/** The alarms that are raised. */
export type AlarmResponse = AnswerOf<typeof maintenanceRpcs.alarm>;
/** A member's state: sizes in bytes, `leader` the id of whom it follows. */
export type StatusResponse = AnswerOf<typeof maintenanceRpcs.status>;
/** The hash of a member's whole database. */
export type HashResponse = AnswerOf<typeof maintenanceRpcs.hash>;
/** The hash of a member's keys up to a revision. */
export type HashKvResponse = AnswerOf<typeof maintenanceRpcs.hashKv>;
/** The version that the cluster is at. */
export type DowngradeResponse = AnswerOf<typeof maintenanceRpcs.downgrade>;

/** An alarm of a member. */
export interface Alarm {
  readonly alarm: 'NOSPACE' | 'CORRUPT';
  /** Whose; of all members if left out. */
  readonly memberId?: MemberId;
}

/** Without the one it would be all alarms. The id is for the codec to look at. */
const ALARM: OptionKinds<Alarm> = { alarm: required(oneOf('NOSPACE', 'CORRUPT')), memberId: ANYTHING };

/**
 * etcd's Maintenance service. Every method gives a cold Observable: one subscription, one call. What concerns a single member (`status`,
 * `defragment`, `hash`, `hashKv`, `snapshot`) goes to the endpoint of the option `endpoint`, or to the next in turn.
 */
export interface Maintenance {
  /** The alarms that are raised (`Maintenance.Alarm`, `GET`). */
  alarms(options?: CallOptions): Observable<AlarmResponse>;
  /** Raises an alarm (`Maintenance.Alarm`, `ACTIVATE`), at most once: with `NOSPACE` the cluster refuses to grow. */
  alarmActivate(alarm: Alarm, options?: CallOptions): Observable<AlarmResponse>;
  /** Clears an alarm (`Maintenance.Alarm`, `DEACTIVATE`), at most once. */
  alarmDeactivate(alarm: Alarm, options?: CallOptions): Observable<AlarmResponse>;
  /** A member's version, sizes, leader and place in the log (`Maintenance.Status`). */
  status(options?: CallOptions): Observable<StatusResponse>;
  /** Gives a member's free space back to its disk (`Maintenance.Defragment`). It answers nothing else meanwhile, so this has no deadline of its own. */
  defragment(options?: CallOptions): Observable<Done>;
  /** The hash of a member's whole database (`Maintenance.Hash`): for tests of etcd itself. */
  hash(options?: CallOptions): Observable<HashResponse>;
  /** The hash of a member's keys up to a revision, 0 for the newest (`Maintenance.HashKV`; its gateway has it from etcd 3.5 on). `Compacted`, `FutureRev`. */
  hashKv(options?: { readonly revision?: number } & CallOptions): Observable<HashKvResponse>;
  /**
   * A member's whole database as it is now, in parts (`Maintenance.Snapshot`). Written one after the other they are the file that `etcdutl snapshot restore`
   * takes, checksum included. It completes only when nothing is missing, and errors with `ConnectionLost` otherwise.
   *
   * ```ts
   * etcd.maintenance.snapshot().subscribe(({ blob, bytesSent, remainingBytes }) => {
   *   file.write(blob);
   *   show(bytesSent / (bytesSent + remainingBytes));
   * });
   * ```
   */
  snapshot(options?: CallOptions): Observable<SnapshotPart>;
  /** Makes another member the leader (`Maintenance.MoveLeader`), at most once; the leader's endpoint has to be asked: `NotLeader`, `BadLeaderTransferee`. */
  moveLeader(targetId: MemberId, options?: CallOptions): Observable<Done>;
  /** Checks, starts or calls off a downgrade of the cluster to a version such as `3.4.0` (`Maintenance.Downgrade`, etcd 3.5 and newer). */
  downgrade(action: 'VALIDATE' | 'ENABLE' | 'CANCEL', version: string, options?: CallOptions): Observable<DowngradeResponse>;
}

/** The Maintenance service over a caller. */
export function maintenanceService(caller: Caller): Maintenance {
  return {
    alarms: (options) => caller.unary(maintenanceRpcs.alarms, { action: 'GET' }, options),
    alarmActivate: (alarm, options) =>
      defer(() =>
        caller.unary(maintenanceRpcs.alarm, { action: 'ACTIVATE', ...checkOptions('maintenance.alarmActivate', alarm, ALARM) }, options),
      ),
    alarmDeactivate: (alarm, options) =>
      defer(() =>
        caller.unary(
          maintenanceRpcs.alarm,
          { action: 'DEACTIVATE', ...checkOptions('maintenance.alarmDeactivate', alarm, ALARM) },
          options,
        ),
      ),
    status: (options) => caller.unary(maintenanceRpcs.status, {}, options),
    defragment: (options) => caller.unary(maintenanceRpcs.defragment, {}, options),
    hash: (options) => caller.unary(maintenanceRpcs.hash, {}, options),
    hashKv: (options = {}) =>
      withOptions('maintenance.hashKv', options, { ...CALL, revision: FROM_ZERO }, (request, call) =>
        caller.unary(maintenanceRpcs.hashKv, request, call),
      ),
    snapshot: (options) => snapshot(caller, options),
    moveLeader: (targetId, options) => caller.unary(maintenanceRpcs.moveLeader, { targetId }, options),
    downgrade: (action, version, options) => caller.unary(maintenanceRpcs.downgrade, { action, version }, options),
  };
}
