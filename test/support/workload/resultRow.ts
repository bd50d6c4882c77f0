import { LOCK_TTL } from './contender.js';
import { idOf } from './writeMarker.js';
import type { CallNote, WriteNote } from './callLog.js';
import type { Records } from './workload.js';

/** A fault that was there, and when. */
export interface Struck {
  readonly fault: string;
  readonly from: number;
  /** When all can go on again, as far as the cluster goes: from here on it is counted how long that takes. At the beginning for one that leaves most members well. */
  readonly mendable: number;
  /** When the next one began, or the end. */
  readonly until: number;
}

/** How a fault was stood: times in milliseconds. */
export interface Row {
  readonly fault: string;
  /** Whether most members stayed well. */
  readonly ofOne: boolean;
  readonly times: number;
  /** The longest that a read took, a write, and a change on its way to a watch, since the cluster could go on. */
  readonly readsBack: number;
  /** Where the time of the longest read went. */
  readonly slowest: string | undefined;
  readonly writesBack: number;
  readonly watchesBack: number;
  readonly reads: number;
  readonly failedReads: number;
  /** Why one of them did. */
  readonly failure: string | undefined;
  readonly writes: number;
  readonly ambiguous: number;
  /** Writes that were acknowledged, and are not there; and those that are there more often than they were sent, or in spite of a refusal. */
  readonly lost: number;
  readonly repeated: number;
  readonly leasesLost: number;
  /** The longest that nobody worked under the lock, since the cluster could go on. */
  readonly locksBack: number;
  readonly locksLost: number;
}

type Span = Pick<CallNote, 'begin' | 'end'>;

/** What is held, in milliseconds: of a fault that leaves most members well, and of one that the whole cluster comes back from. */
const LIMITS = {
  // Of a lock: the time of its lease, and what the watch of the next may take.
  ofOne: { reads: 2_000, watches: 5_000, locks: LOCK_TTL * 1_000 + 5_000 },
  ofAll: { reads: 10_000, watches: 15_000, locks: LOCK_TTL * 1_000 + 15_000 },
};

/** What the records say of one fault. */
export function rowOf({ fault, from, mendable, until }: Struck, records: Records): Row {
  const isNow = (at: number): boolean => at >= from && at < until;
  const within = ({ begin, end }: Span): boolean => begin < until && end >= from;
  // What goes on when the next fault begins goes on because of that.
  const waited = ({ begin, end }: Span): number => Math.min(end, until) - Math.max(begin, mendable);
  const reads = records.reads.filter(within);
  const writes = records.writes.filter(({ begin }) => begin >= from && begin < until);
  const done = <N extends CallNote>(notes: readonly N[]): N[] => notes.filter(({ outcome }) => outcome === 'done');
  const slowest = longest(done(reads), waited);
  const ofOne = mendable === from;
  // What had begun before the cluster could go on may end as it likes; what ended later failed by the next fault.
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
    failure: failed[0]?.reason,
    writes: writes.length,
    ambiguous: writes.filter(({ outcome }) => outcome === 'ambiguous').length,
    lost: sum(counts.map(({ lost }) => lost)),
    repeated: sum(counts.map(({ repeated }) => repeated)),
    leasesLost: records.leaseLosses.filter(isNow).length,
    locksBack: most(pausesOf(records.lockSteps).filter(within).map(waited)),
    locksLost: records.lockLosses.filter(isNow).length,
  };
}

/** Several of the same fault as one. */
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

/** What of a row must not be. Times may be `slack` times as long as is held on a quiet machine. */
export function breachesOf(row: Row, slack = 1): string[] {
  const limit = row.ofOne ? LIMITS.ofOne : LIMITS.ofAll;
  const limits: readonly (readonly [boolean, string])[] = [
    [row.readsBack > slack * limit.reads, `a read took ${Math.round(row.readsBack)} ms: ${row.slowest ?? 'no try of it failed'}`],
    [row.watchesBack > slack * limit.watches, `a watch heard of a change after ${Math.round(row.watchesBack)} ms`],
    [row.locksBack > slack * limit.locks, `nobody worked under the lock for ${Math.round(row.locksBack)} ms`],
    [row.ofOne && row.failedReads > 0, `${row.failedReads} reads failed, one with ${row.failure ?? ''}`],
    [row.reads === 0 || row.writes === 0, 'nothing was read or written'],
    [row.lost > 0, `${row.lost} writes were lost`],
    [row.repeated > 0, `${row.repeated} writes were carried out twice, or though they were refused`],
  ];
  return limits.flatMap(([broken, what]) => (broken ? [`${row.fault}: ${what}`] : []));
}

/** How often a write was carried out, against what was said of it. */
function faultsOf(write: WriteNote, { carriedOut }: Records): { lost: number; repeated: number } {
  const { outcome, revision } = write;
  const at = carriedOut.get(idOf(write)) ?? [];
  const least = outcome === 'done' ? 1 : 0;
  const atMost = outcome === 'failed' ? 0 : 1;
  // An answer that names another revision tells of a write that is not there.
  const missing = revision !== undefined && !at.includes(revision);
  return { lost: missing ? 1 : Math.max(0, least - at.length), repeated: Math.max(0, at.length - atMost) };
}

/** How long a write took from its answer to each of the watches that heard of it. */
function delaysOf({ revision, end }: WriteNote, mendable: number, { heard }: Records): number[] {
  if (revision === undefined) return [];
  return heard.flatMap((when) => {
    const at = when.get(revision);
    return at === undefined ? [] : [Math.max(0, at - Math.max(end, mendable))];
  });
}

/** What was between one time and the next. */
const pausesOf = (times: readonly number[]): Span[] => times.slice(1).map((end, index) => ({ begin: times[index] ?? end, end }));

/** The one that is the greatest by a measure; undefined of none. */
function longest<T>(all: readonly T[], measure: (one: T) => number): T | undefined {
  return all.reduce<T | undefined>((found, one) => (found === undefined || measure(one) > measure(found) ? one : found), undefined);
}

const most = (values: readonly number[]): number => values.reduce((all, value) => Math.max(all, value), 0);
const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);
