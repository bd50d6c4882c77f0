import { COUNTERS, LOCKS, type Count, type Line } from './protocol.js';

/** A change of the store, from a watch since its first revision. */
export interface Happened {
  readonly revision: number;
  readonly type: 'put' | 'delete';
  readonly key: string;
  readonly value: string;
  readonly createRevision: number;
  /** The time at which the watch received it, which is not before the change. */
  readonly at: number;
}

/** The figures of a run without violations. */
export interface Figures {
  readonly writes: number;
  readonly owners: number;
  readonly refused: number;
  readonly lost: number;
  /** The shortest time between the loss that an owner received and the deletion of its key by the server. */
  readonly leastMarginMs: number;
  readonly failures: Readonly<Record<string, number>>;
}

/**
 * Checks mutual exclusion: every guarded write was by the owner at that time, the counter grew by one each time, and no
 * client believed that it owned a deleted key.
 *
 * @param revoked the keys of leases that were revoked while they were kept alive: the owners can only detect it
 * afterwards
 * @throws Error with all violations
 */
export function verify(history: readonly Happened[], lines: readonly Line[], revoked: ReadonlySet<string> = new Set()): Figures {
  const { wrong, deletedAt, writes, owners } = replay(history);
  for (const key of revoked) deletedAt.delete(key);
  const known = verifyOwners(lines, deletedAt);
  const all = [...wrong, ...known.wrong, ...unusualFailures(lines)];
  if (all.length > 0) throw new Error(`${all.length} faults:\n${all.slice(0, 20).join('\n')}`);
  const count = (is: Line['is']): number => lines.filter((line) => line.is === is).length;
  const failures: Record<string, number> = {};
  for (const line of lines) if (line.is === 'failed') failures[line.reason] = (failures[line.reason] ?? 0) + 1;
  const refused = lines.filter((line) => line.is === 'write' && !line.done).length;
  return { writes, owners, refused, lost: count('lost'), leastMarginMs: known.leastMarginMs, failures };
}

interface Replayed {
  readonly wrong: string[];
  readonly deletedAt: Map<string, number>;
  readonly writes: number;
  readonly owners: number;
}

/** Replays the history, with the queue of each lock. */
function replay(history: readonly Happened[]): Replayed {
  const wrong: string[] = [];
  const queues = new Map<string, Map<string, number>>();
  const last = new Map<string, Count>();
  const deletedAt = new Map<string, number>();
  let writes = 0;
  let owners = 0;
  for (const { revision, type, key, value, createRevision, at } of history) {
    if (key.startsWith(LOCKS)) {
      const lock = key.slice(LOCKS.length).split('/')[0] ?? '';
      const queue = queues.get(lock) ?? new Map<string, number>();
      queues.set(lock, queue);
      if (type === 'put') queue.set(key, createRevision);
      else {
        queue.delete(key);
        deletedAt.set(key, at);
      }
      continue;
    }
    const lock = key.slice(COUNTERS.length);
    const count = JSON.parse(value) as Count;
    const before = last.get(lock) ?? { n: 0, owner: 0 };
    last.set(lock, count);
    writes += 1;
    if (count.owner !== before.owner) owners += 1;
    const owner = Math.min(...(queues.get(lock)?.values() ?? []));
    if (count.n !== before.n + 1) wrong.push(`revision ${revision}: ${lock} went from ${before.n} to ${count.n}`);
    if (count.owner < before.owner) wrong.push(`revision ${revision}: ${lock} was written by ${count.owner} after ${before.owner}`);
    if (count.owner !== owner) wrong.push(`revision ${revision}: ${lock} was written by ${count.owner}, and ${owner} owned it`);
  }
  return { wrong, deletedAt, writes, owners };
}

/** Compares the losses that owners received with the deletions of their keys. */
function verifyOwners(lines: readonly Line[], deletedAt: ReadonlyMap<string, number>): { wrong: string[]; leastMarginMs: number } {
  const wrong: string[] = [];
  const aliveUntil = new Map<string, number>();
  const late = new Map<string, number>();
  let leastMarginMs = Infinity;
  for (const line of lines) {
    if (line.is !== 'tick' && line.is !== 'lost') continue;
    const { is, at, key } = line;
    const end = deletedAt.get(key) ?? Infinity;
    if (is === 'lost') leastMarginMs = Math.min(leastMarginMs, end - (aliveUntil.get(key) ?? -Infinity));
    else if (line.alive) aliveUntil.set(key, at);
    if (is === 'lost' || at <= end) continue;
    const behind = `${(at - end).toFixed(1)} ms after it was gone`;
    if (line.alive) wrong.push(`${key} was thought to be owned ${behind}`);
    const ticks = (late.get(key) ?? 0) + 1;
    late.set(key, ticks);
    // A paused process may run its tick before its timers, which then report the loss.
    if (ticks > 1) wrong.push(`${key}: its owner had not been told ${behind}`);
  }
  return { wrong, leastMarginMs };
}

/** Failures that contenders may see while the server cannot be reached; all others are bugs. */
const USUAL = new Set(['LockLost', 'Unreachable', 'ConnectionLost', 'DeadlineExceeded', 'AmbiguousWrite', 'LeaseNotFound']);

/** The messages of one process after the other, each in the order of its output. */
function unusualFailures(lines: readonly Line[]): string[] {
  const wrong: string[] = [];
  let closing = false;
  for (const line of lines) {
    if (line.is === 'ready') closing = false;
    if (line.is === 'closing') closing = true;
    if (line.is !== 'failed' || USUAL.has(line.reason)) continue;
    if (line.reason !== 'ClientClosed') wrong.push(`an attempt ended in ${line.reason}`);
    else if (!closing) wrong.push('an attempt ended in ClientClosed before the client was closed');
  }
  return wrong;
}
