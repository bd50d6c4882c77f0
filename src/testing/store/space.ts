import type { MemberId } from '../../model/ids.js';
import type { AlarmMember } from '../../codec/maintenance.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import type { Mvcc } from './mvcc.js';
import { refusal } from './refusal.js';
import type { Traits } from './traits.js';

export type Alarm = DecodedBy<typeof AlarmMember>;
type Kind = Exclude<Alarm['alarm'], 'NONE'>;

/** The default quota of etcd, in bytes. */
const QUOTA = 2 * 2 ** 30;
/** The size of an empty database, in bytes. */
const EMPTY_BYTES = 20 * 1024;
const PAGE = 4096;

/** Tracks the size of the database, and holds the alarms. */
export class Space {
  readonly quota: number;
  private alarms: readonly Alarm[] = [];
  /** The kind of alarm because of which writes are rejected; undefined if writes are accepted. */
  private refusing: Kind | undefined;
  /** The largest size since the last defragmentation. */
  private high = 0;

  constructor(
    private readonly mvcc: Mvcc,
    quota: number | undefined,
    private readonly ownId: () => MemberId,
    private readonly traits: Pick<Traits, 'refusesByAllAlarms'>,
  ) {
    this.quota = quota ?? QUOTA;
  }

  /** The size on disk. Only a defragmentation reduces it. */
  get size(): number {
    this.high = Math.max(this.high, this.inUse);
    return this.high;
  }

  get inUse(): number {
    return EMPTY_BYTES + Math.ceil(this.mvcc.usedBytes / PAGE) * PAGE;
  }

  defragment(): void {
    this.high = this.inUse;
  }

  /** Whether writes are rejected because of corrupt data. */
  get isCorrupt(): boolean {
    return this.refusing === 'CORRUPT';
  }

  /**
   * Checks that the data are not corrupt.
   *
   * @throws Refusal if writes are rejected because of corrupt data
   */
  checkCorrupt(): void {
    if (this.isCorrupt) throw refusal('Corrupt');
  }

  /**
   * Checks that there is space for a write. If there is not enough, raises the alarm `NOSPACE`.
   *
   * @throws Refusal if there is not enough space, or if writes are rejected because of an alarm
   */
  reserve(bytes: number): void {
    this.checkCorrupt();
    if (bytes === 0) return;
    const isFull = this.size + bytes >= this.quota;
    if (isFull) this.raise({ memberId: this.ownId(), alarm: 'NOSPACE' });
    if (isFull || this.refusing === 'NOSPACE') throw refusal('NoSpace');
  }

  /** Raises an alarm. The first alarm of a kind, except `NONE`, causes writes to be rejected. */
  raise(raised: Alarm): Alarm {
    const isFirst = !this.has(raised.alarm);
    if (!this.alarms.some((alarm) => isSame(alarm, raised))) this.alarms = [...this.alarms, raised];
    if (isFirst && raised.alarm !== 'NONE') this.refuse(raised.alarm);
    return raised;
  }

  /**
   * Clears an alarm, and returns whether it was raised. Without the trait `refusesByAllAlarms`, writes are accepted
   * after the last alarm of a kind was cleared, even if alarms of another kind remain.
   */
  disarm(ended: Alarm): boolean {
    const before = this.alarms.length;
    this.alarms = this.alarms.filter((alarm) => !isSame(alarm, ended));
    if (this.alarms.length === before) return false;
    if (ended.alarm !== 'NONE' && !this.has(ended.alarm)) this.refuse(undefined);
    return true;
  }

  /** Rejects writes if alarms are raised. A server does this at its start. */
  restart(): void {
    this.refusing = (['CORRUPT', 'NOSPACE'] as const).find((alarm) => this.has(alarm));
  }

  private refuse(kind: Kind | undefined): void {
    if (this.traits.refusesByAllAlarms) this.restart();
    else this.refusing = kind;
  }

  private has(kind: Alarm['alarm']): boolean {
    return this.alarms.some(({ alarm }) => alarm === kind);
  }

  all(): readonly Alarm[] {
    return this.alarms;
  }
}

const isSame = (a: Alarm, b: Alarm): boolean => a.memberId === b.memberId && a.alarm === b.alarm;
