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
  /** The member of the alarm; all members by default. */
  readonly memberId?: MemberId;
}

/** Selects the alarms of a method. */
export interface AlarmFilter {
  /** The kind of alarm; `NONE` means any kind. */
  readonly alarm?: AlarmType;
  /** The member of the alarm; any member by default. */
  readonly memberId?: MemberId;
}

/** `alarm` is required, as etcd would otherwise select all alarms. The codec checks the id. */
const ALARM: OptionKinds<Alarm> = { alarm: required(oneOf('NOSPACE', 'CORRUPT')), memberId: ANYTHING };
const ALARM_KIND = oneOf(...AlarmTypes);
const DEACTIVATE: OptionKinds<AlarmFilter> = { alarm: required(ALARM_KIND), memberId: ANYTHING };
const ALARMS: OptionKinds<AlarmFilter & CallOptions> = { ...CALL, alarm: ALARM_KIND, memberId: ANYTHING };

/**
 * etcd's Maintenance service. Every method returns a cold Observable: one subscription, one call. Calls that concern a
 * single member (`status`, `defragment`, `hash`, `hashKv`, `snapshot`) go to the endpoint of the option `endpoint`, or
 * to the next in turn.
 */
export interface MaintenanceService {
  /**
   * Lists the active alarms (`Maintenance.Alarm`, `GET`), all of them, or those of one kind or one member.
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
   * Clears an alarm (`Maintenance.Alarm`, `DEACTIVATE`), at most once. With `NONE` it lists the alarms and clears each,
   * of all members or of the given one. The response has the cleared alarms.
   *
   * ```ts
   * const cleared = etcd.maintenance.alarmDeactivate({ alarm: 'NONE' });
   * cleared.subscribe(({ alarms }) => console.log(`${alarms.length} cleared`));
   * ```
   */
  alarmDeactivate(alarm: AlarmFilter & { readonly alarm: AlarmType }, options?: CallOptions): Observable<AlarmResponse>;
  /** Reads a member's version, sizes, leader and position in the log (`Maintenance.Status`). */
  status(options?: CallOptions): Observable<StatusResponse>;
  /**
   * Releases a member's free space to its disk (`Maintenance.Defragment`). The call has no deadline by default. The
   * member responds to no other requests meanwhile.
   */
  defragment(options?: CallOptions): Observable<HeaderResponse>;
  /** Reads the hash of a member's whole database (`Maintenance.Hash`), for tests of etcd itself. */
  hash(options?: CallOptions): Observable<HashResponse>;
  /**
   * Reads the hash of a member's keys up to a revision, 0 for the newest (`Maintenance.HashKV`; in the gateway since
   * etcd 3.5). Errors: `Compacted`, `FutureRev`.
   */
  hashKv(options?: { readonly revision?: number } & CallOptions): Observable<HashKvResponse>;
  /**
   * Reads a member's whole database in its current state, in parts (`Maintenance.Snapshot`). Joined in their order, the
   * parts are the file that `etcdutl snapshot restore` accepts, checksum included. The Observable completes only after
   * all parts, and errors with `ConnectionLost` otherwise.
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

/** Lists alarms. etcd itself filters by the kind alone. */
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

/** Clears alarms one by one, as etcd has no request for several. */
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
  /** The bytes received so far, including this part. */
  readonly bytesSent: number;
  /** The bytes that are still to be received; 0 in the last part. */
  readonly remainingBytes: number;
  /** The storage version of the database (`3.6.0`), from etcd 3.6 on; empty before. */
  readonly version: string;
}

/** Reads a member's database in parts. A stream that ends early causes an error, never a short file. */
export function snapshot(caller: Caller, options?: CallOptions): Observable<SnapshotPart> {
  return defer(() => {
    let bytesSent = 0;
    let complete = false;
    const parts = caller.stream(maintenanceRpcs.snapshot, {}, options).pipe(
      map(({ blob, remainingBytes, version }): SnapshotPart => {
        bytesSent += blob.length;
        complete = remainingBytes === 0;
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
