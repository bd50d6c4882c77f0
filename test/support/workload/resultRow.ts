import { LOCK_TTL } from './contender.js';
import { idOf } from './writeMarker.js';
import type { CallNote, WriteNote } from './callLog.js';
import type { Records } from './workload.js';

/** A fault that happened, and when. */
export interface Struck {
  readonly fault: string;
  readonly from: number;
  /**
   * The time from which the cluster could work again: recovery is measured from here. For a fault that leaves most
   * members well, it is the beginning.
   */
  readonly mendable: number;
  /** The time at which the next fault began, or the end. */
  readonly until: number;
}

/** The effects of a fault; times are in milliseconds. */
export interface Row {
  readonly fault: string;
  /** Whether most members stayed well. */
  readonly ofOne: boolean;
  readonly times: number;
  /**
   * The longest times since the cluster could work again: of a read, of a write, and of a change on its way to a watch.
   */
  readonly readsBack: number;
  /** The failures of the attempts of the longest read. */
  readonly slowest: string | undefined;
  readonly writesBack: number;
  readonly watchesBack: number;
  readonly reads: number;
  readonly failedReads: number;
  /** The number of reads that failed with `DeadlineExceeded`. */
  readonly lateReads: number;
  /** The reason of one of the failed reads. */
  readonly failure: string | undefined;
  readonly writes: number;
  readonly ambiguous: number;
  /**
   * The numbers of acknowledged writes that are missing, and of writes that exist more often than they were sent, or
   * although they were rejected.
   */
  readonly lost: number;
  readonly repeated: number;
  readonly leasesLost: number;
  /** The longest time without work under the lock, since the cluster could work again. */
  readonly locksBack: number;
  readonly locksLost: number;
}

type Span = Pick<CallNote, 'begin' | 'end'>;

/**
 * The limits, in milliseconds: for a fault that leaves most members well, and for one from which the whole cluster
 * recovers.
 */
const LIMITS = {
  // For a lock: the TTL of its lease, and the time that the watch of the next waiter may take.
  ofOne: { reads: 2_000, watches: 5_000, locks: LOCK_TTL * 1_000 + 5_000 },
  ofAll: { reads: 10_000, watches: 15_000, locks: LOCK_TTL * 1_000 + 15_000 },
};

const READ_DEADLINE_MS = 10_000;

const isLate = ({ reason }: CallNote): boolean => reason?.startsWith('DeadlineExceeded') === true;

/** Summarises the records of one fault. */
export function rowOf({ fault, from, mendable, until }: Struck, records: Records): Row {
  const isNow = (at: number): boolean => at >= from && at < until;
  const within = ({ begin, end }: Span): boolean => begin < until && end >= from;
  // An effect that lasts until the next fault begins is counted until then.
  const waited = ({ begin, end }: Span): number => Math.min(end, until) - Math.max(begin, mendable);
  const reads = records.reads.filter(within);
  const writes = records.writes.filter(({ begin }) => begin >= from && begin < until);
  const done = <N extends CallNote>(notes: readonly N[]): N[] => notes.filter(({ outcome }) => outcome === 'done');
  const slowest = longest(done(reads), waited);
  const ofOne = mendable === from;
  // A call that had begun before the cluster could work again may have any outcome; one that ended later failed by the
  // next fault.
  const failed = reads.filter(({ outcome, begin, end }) => outcome !== 'done' && end < until && (ofOne || begin >= mendable));
  const counts = writes.map((write) => faultsOf(write, records));
  return {
    fault,
    ofOne,
    times: 1,
    readsBack: slowest === undefined ? 0 : waited(slowest),
    slowest: slowest?.reason,
    writesBack: most(done(writes).map(waited)),
    watchesBack: most(writes.flatMap((write) => delaysOf(write, mendable, records))),
    reads: reads.length,
    failedReads: failed.length,
    lateReads: failed.filter(isLate).length,
    failure: (failed.find((note) => !isLate(note)) ?? failed[0])?.reason,
    writes: writes.length,
    ambiguous: writes.filter(({ outcome }) => outcome === 'ambiguous').length,
    lost: sum(counts.map(({ lost }) => lost)),
    repeated: sum(counts.map(({ repeated }) => repeated)),
    leasesLost: records.leaseLosses.filter(isNow).length,
    locksBack: most(pausesOf(records.lockSteps).filter(within).map(waited)),
    locksLost: records.lockLosses.filter(isNow).length,
  };
}

/** Merges several rows of the same fault. */
export function together(rows: readonly Row[]): Row {
  const [first, ...others] = rows;
  if (first === undefined) throw new Error('there is no row');
  return others.reduce(
    (all, row) => ({
      ...all,
      times: all.times + row.times,
      readsBack: Math.max(all.readsBack, row.readsBack),
      slowest: all.readsBack > row.readsBack ? all.slowest : row.slowest,
      writesBack: Math.max(all.writesBack, row.writesBack),
      watchesBack: Math.max(all.watchesBack, row.watchesBack),
      reads: all.reads + row.reads,
      failedReads: all.failedReads + row.failedReads,
      lateReads: all.lateReads + row.lateReads,
      failure: all.failure ?? row.failure,
      writes: all.writes + row.writes,
      ambiguous: all.ambiguous + row.ambiguous,
      lost: all.lost + row.lost,
      repeated: all.repeated + row.repeated,
      leasesLost: all.leasesLost + row.leasesLost,
      locksBack: Math.max(all.locksBack, row.locksBack),
      locksLost: all.locksLost + row.locksLost,
    }),
    first,
  );
}

/** Describes what must not be in a row. Times may be `slack` times as long as on a quiet machine. */
export function breachesOf(row: Row, slack = 1): string[] {
  const limit = row.ofOne ? LIMITS.ofOne : LIMITS.ofAll;
  // A read whose limit is above its deadline may fail with `DeadlineExceeded`.
  const failedReads = row.failedReads - (slack * limit.reads > READ_DEADLINE_MS ? row.lateReads : 0);
  const limits: readonly (readonly [boolean, string])[] = [
    [row.readsBack > slack * limit.reads, `a read took ${Math.round(row.readsBack)} ms: ${row.slowest ?? 'no try of it failed'}`],
    [row.watchesBack > slack * limit.watches, `a watch heard of a change after ${Math.round(row.watchesBack)} ms`],
    [row.locksBack > slack * limit.locks, `nobody worked under the lock for ${Math.round(row.locksBack)} ms`],
    [row.ofOne && failedReads > 0, `${failedReads} reads failed, one with ${row.failure ?? ''}`],
    [row.reads === 0 || row.writes === 0, 'nothing was read or written'],
    [row.lost > 0, `${row.lost} writes were lost`],
    [row.repeated > 0, `${row.repeated} writes were carried out twice, or though they were refused`],
  ];
  return limits.flatMap(([broken, what]) => (broken ? [`${row.fault}: ${what}`] : []));
}

/** Compares how often a write was carried out with its outcome. */
function faultsOf(write: WriteNote, { carriedOut }: Records): { lost: number; repeated: number } {
  const { outcome, revision } = write;
  const at = carriedOut.get(idOf(write)) ?? [];
  const least = outcome === 'done' ? 1 : 0;
  const atMost = outcome === 'failed' ? 0 : 1;
  // A response with another revision belongs to a write that does not exist.
  const missing = revision !== undefined && !at.includes(revision);
  return { lost: missing ? 1 : Math.max(0, least - at.length), repeated: Math.max(0, at.length - atMost) };
}

/** Returns how long a write took, from its response to each of the watches that received it. */
function delaysOf({ revision, end }: WriteNote, mendable: number, { heard }: Records): number[] {
  if (revision === undefined) return [];
  return heard.flatMap((when) => {
    const at = when.get(revision);
    return at === undefined ? [] : [Math.max(0, at - Math.max(end, mendable))];
  });
}

/** Returns the intervals between consecutive times. */
const pausesOf = (times: readonly number[]): Span[] => times.slice(1).map((end, index) => ({ begin: times[index] ?? end, end }));

/** Returns the item with the highest measure; undefined if there are none. */
function longest<T>(all: readonly T[], measure: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>((found, one) => (found === undefined || measure(one) > measure(found) ? one : found), undefined);
}

const most = (values: readonly number[]): number => values.reduce((all, value) => Math.max(all, value), 0);
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
