import { concat, concatMap, defer, EMPTY, from, map, type Observable, reduce, switchMap, throwError } from 'rxjs';
import { maintenanceRpcs } from '../codec/maintenance.js';
import { EtcdError } from '../errors/index.js';
import { CALL, type Caller, type CallOptions } from '../transport/call.js';
import { ANYTHING, checkOptions, FROM_ZERO, oneOf, required, type OptionKinds } from '../model/validate.js';
import {
  AlarmType as AlarmTypes,
  type AlarmType,
  type AlarmResponse,
  type HeaderResponse,
  type DowngradeResponse,
  type HashKvResponse,
  type HashResponse,
  type StatusResponse,
} from '../model/responses.js';
import type { MemberId } from '../model/ids.js';
import { withOptions } from './internal/callOptions.js';

/** An alarm of a member. */
export interface Alarm {
  readonly alarm: 'NOSPACE' | 'CORRUPT';
  /** The member of the alarm. By default the alarm has the member id 0, which is no member. */
  readonly memberId?: MemberId;
}

/** The options that select alarms. */
export interface AlarmFilter {
  /** The type of the alarm; `NONE` means any type. */
  readonly alarm?: AlarmType;
  /**
   * The member of the alarm; any member by default. See {@link MaintenanceService.alarmDeactivate} for an exception.
   */
  readonly memberId?: MemberId;
}

/**
 * The options of `alarmActivate`. `alarm` is required, as etcd would select all alarms without it. The codec checks
 * `memberId`.
 */
const ALARM: OptionKinds<Alarm> = { alarm: required(oneOf('NOSPACE', 'CORRUPT')), memberId: ANYTHING };
const ALARM_KIND = oneOf(...AlarmTypes);
const DEACTIVATE: OptionKinds<AlarmFilter> = { alarm: required(ALARM_KIND), memberId: ANYTHING };
const ALARMS: OptionKinds<AlarmFilter & CallOptions> = { ...CALL, alarm: ALARM_KIND, memberId: ANYTHING };

/**
 * etcd's Maintenance service. Every method returns a cold Observable: one subscription, one call. An exception is
 * `alarmDeactivate` with `NONE`, which makes a call for the list and one for each alarm. Calls that concern a single
 * member (`status`, `defragment`, `hash`, `hashKv`, `snapshot`) are sent to the endpoint in the option `endpoint`, or
 * to the next endpoint in turn.
 */
export interface MaintenanceService {
  /**
   * Lists the active alarms (`Maintenance.Alarm`, `GET`): all of them, or those of one type or one member.
   *
   * ```ts
   * etcd.maintenance.alarms({ alarm: 'NOSPACE' }).subscribe(({ alarms }) => console.log(alarms.length));
   * ```
   */
  alarms(options?: AlarmFilter & CallOptions): Observable<AlarmResponse>;
  /**
   * Raises an alarm (`Maintenance.Alarm`, `ACTIVATE`), at most once. With `NOSPACE` the cluster rejects writes that
   * need space.
   */
  alarmActivate(alarm: Alarm, options?: CallOptions): Observable<AlarmResponse>;
  /**
   * Clears an alarm (`Maintenance.Alarm`, `DEACTIVATE`), at most once. With a type such as `NOSPACE`, pass the
   * `memberId` of the alarm: without it, etcd clears only an alarm that was raised without a member. With `NONE` the
   * method lists the alarms, of all members or of the given member, and clears each of them. The response has the
   * cleared alarms.
   *
   * ```ts
   * const cleared = etcd.maintenance.alarmDeactivate({ alarm: 'NONE' });
   * cleared.subscribe(({ alarms }) => console.log(`${alarms.length} cleared`));
   * ```
   */
  alarmDeactivate(alarm: AlarmFilter & { readonly alarm: AlarmType }, options?: CallOptions): Observable<AlarmResponse>;
  /** Reads the version, the sizes, the leader and the position in the log of a member (`Maintenance.Status`). */
  status(options?: CallOptions): Observable<StatusResponse>;
  /**
   * Frees the disk space that a member's database no longer uses (`Maintenance.Defragment`). By default the call has no
   * deadline. The member responds to no other requests during the call.
   */
  defragment(options?: CallOptions): Observable<HeaderResponse>;
  /** Reads the hash of a member's whole database (`Maintenance.Hash`). This RPC is for tests of etcd itself. */
  hash(options?: CallOptions): Observable<HashResponse>;
  /**
   * Reads the hash of a member's keys up to a revision (`Maintenance.HashKV`, in the gateway since etcd 3.5). The
   * revision 0 is the newest one. Errors: `Compacted`, `FutureRev`.
   */
  hashKv(options?: { readonly revision?: number } & CallOptions): Observable<HashKvResponse>;
  /**
   * Reads a member's whole database in its current state, in parts (`Maintenance.Snapshot`). Join the parts in their
   * order to get the file, with its checksum, that `etcdutl snapshot restore` accepts. The Observable completes after
   * the last part. If the stream ends earlier, the Observable errors with `ConnectionLost`.
   *
   * ```ts
   * etcd.maintenance.snapshot().subscribe(({ blob, bytesSent, remainingBytes }) => {
   *   file.write(blob);
   *   show(bytesSent / (bytesSent + remainingBytes));
   * });
   * ```
   */
  snapshot(options?: CallOptions): Observable<SnapshotPart>;
  /**
   * Makes another member the leader (`Maintenance.MoveLeader`), at most once. Only the current leader accepts the
   * request, so pass its `endpoint`. Errors: `NotLeader`, `BadLeaderTransferee`.
   */
  moveLeader(targetId: MemberId, options?: CallOptions): Observable<HeaderResponse>;
  /**
   * Validates, starts or cancels a downgrade of the cluster to a version such as `3.4.0` (`Maintenance.Downgrade`, etcd
   * 3.5 and newer).
   */
  downgrade(action: 'VALIDATE' | 'ENABLE' | 'CANCEL', version: string, options?: CallOptions): Observable<DowngradeResponse>;
}

/** Creates the Maintenance service over a caller. */
export function maintenanceService(caller: Caller): MaintenanceService {
  return {
    alarms: (options = {}) => withOptions('maintenance.alarms', options, ALARMS, (wanted, call) => alarms(caller, wanted, call)),
    alarmActivate: (alarm, options) =>
      defer(() =>
        caller.unary(maintenanceRpcs.alarm, { action: 'ACTIVATE', ...checkOptions('maintenance.alarmActivate', alarm, ALARM) }, options),
      ),
    alarmDeactivate: (alarm, options) =>
      defer(() => {
        const wanted = checkOptions('maintenance.alarmDeactivate', alarm, DEACTIVATE);
        return wanted.alarm === 'NONE' ? deactivateAll(caller, wanted, options) : deactivate(caller, wanted, options);
      }),
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

/** Lists alarms. etcd filters them only by type, so the client filters them by member. */
const alarms = (caller: Caller, { alarm = 'NONE', memberId }: AlarmFilter, options?: CallOptions): Observable<AlarmResponse> =>
  caller
    .unary(maintenanceRpcs.alarms, { action: 'GET', alarm }, options)
    .pipe(
      map((response) =>
        memberId === undefined ? response : { ...response, alarms: response.alarms.filter((each) => each.memberId === memberId) },
      ),
    );

const deactivate = (caller: Caller, alarm: AlarmFilter, options?: CallOptions): Observable<AlarmResponse> =>
  caller.unary(maintenanceRpcs.alarm, { action: 'DEACTIVATE', ...alarm }, options);

/** Clears alarms one by one, as etcd has no request that clears several. */
const deactivateAll = (caller: Caller, wanted: AlarmFilter, options?: CallOptions): Observable<AlarmResponse> =>
  alarms(caller, wanted, options).pipe(
    switchMap((listed) =>
      from(listed.alarms).pipe(
        concatMap((each) => deactivate(caller, each, options)),
        reduce((all, { header, alarms: cleared }) => ({ header, alarms: [...all.alarms, ...cleared] }), {
          header: listed.header,
          alarms: NO_ALARMS,
        }),
      ),
    ),
  );

const NO_ALARMS: AlarmResponse['alarms'] = [];

/** A part of a snapshot, and the progress of the transfer. */
export interface SnapshotPart {
  readonly blob: Uint8Array;
  /** The number of bytes that were received so far, including this part. */
  readonly bytesSent: number;
  /**
   * The number of bytes of the database that are still missing; 0 in the last part. etcd does not count the checksum at
   * the end, so the part before the checksum also has 0.
   */
  readonly remainingBytes: number;
  /** The storage version of the database, such as `3.6.0`. It is empty before etcd 3.6. */
  readonly version: string;
}

/**
 * The size of a database is a multiple of this number of bytes. The checksum after the database is shorter. `etcdutl
 * snapshot restore` detects a missing checksum in the same way.
 */
const SECTOR_BYTES = 512;

/**
 * Reads a member's database in parts. If the stream ends early, the Observable errors, so that no incomplete file is
 * written.
 */
export function snapshot(caller: Caller, options?: CallOptions): Observable<SnapshotPart> {
  return defer(() => {
    let bytesSent = 0;
    let complete = false;
    const parts = caller.stream(maintenanceRpcs.snapshot, {}, options).pipe(
      map(({ blob, remainingBytes, version }): SnapshotPart => {
        bytesSent += blob.length;
        complete = remainingBytes === 0 && bytesSent % SECTOR_BYTES > 0;
        return { blob, bytesSent, remainingBytes, version };
      }),
    );
    const cutShort = (): EtcdError =>
      new EtcdError('ConnectionLost', `the snapshot ended after ${bytesSent} bytes, before it was complete`, {
        rpc: maintenanceRpcs.snapshot.name,
      });
    return concat(
      parts,
      defer(() => (complete ? EMPTY : throwError(() => cutShort()))),
    );
  });
}
