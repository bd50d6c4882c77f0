import { setTimeout as delay } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import type { Client, KeyValue } from '../../../src/index.js';
import { awakeNow } from '../stopwatch.js';
import { countKey, COUNTS, type Contender, type CountNote } from './contender.js';
import type { Breach } from './callLog.js';

const TICK_MS = 25;
/** The allowed delay of a report, as timers are late on a busy machine. */
const SLACK_MS = 500;
/** How long to wait for a count once the cluster has recovered. The rows of the table check how long that may take. */
const LONGEST_MS = 60_000;

/** Contenders for one lock, of which one at a time counts up. */
export class LockWork {
  private readonly begun = awakeNow();
  private readonly found: Breach[] = [];
  /** The time since which the clock shows that the lock is lost, without a report. */
  private readonly untold = new Map<Contender, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly contenders: readonly Contender[]) {
    this.timer = setInterval(() => this.look(), TICK_MS);
  }

  /** The times at which the work began, and at which it continued. */
  get steps(): readonly number[] {
    return [this.begun, ...this.counts.map(({ at }) => at)].sort((a, b) => a - b);
  }

  get losses(): readonly number[] {
    return this.contenders.flatMap(({ losses }) => losses);
  }

  get breaches(): readonly Breach[] {
    return [...this.found, ...this.contenders.flatMap(({ breaches }) => breaches)];
  }

  /** Resolves when a contender has counted from now on, or after a timeout. */
  async goesOn(): Promise<void> {
    const before = this.counts.length;
    for (const end = performance.now() + LONGEST_MS; this.counts.length === before && performance.now() < end;) await delay(10);
    if (this.counts.length === before) this.breach(`nobody counted for ${LONGEST_MS} ms, though all is well again`);
  }

  /** Ends the work. The gate must be closed for good. */
  async finish(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.contenders.map((contender) => contender.finish()));
  }

  /** Checks that the store has exactly the counts of the owners, one after the other. */
  async verify(direct: Client): Promise<void> {
    const { kvs } = await firstValueFrom(direct.kv.range({ prefix: COUNTS }));
    for (const what of countFaults(kvs, this.counts)) this.breach(what);
  }

  private get counts(): readonly CountNote[] {
    return this.contenders.flatMap(({ counts }) => counts);
  }

  private look(): void {
    const now = awakeNow();
    const owners = this.contenders.filter(({ owned }) => owned?.alive === true);
    if (owners.length > 1) this.breach(`${owners.length} own the lock at a time`);
    for (const contender of this.contenders) {
      const isUntold = contender.owned?.alive === false;
      if (!isUntold) this.untold.delete(contender);
      else if (!this.untold.has(contender)) this.untold.set(contender, now);
      else if (now - (this.untold.get(contender) ?? now) > SLACK_MS)
        contender.breach(`was not told within ${SLACK_MS} ms that the lock is lost`);
    }
  }

  private breach(what: string): void {
    this.found.push({ at: awakeNow(), what: `locks: ${what}` });
  }
}

/**
 * Describes wrong counts: each must exist once, in order, and be from an owner that is not older than the one before.
 */
export function countFaults(
  kvs: readonly Pick<KeyValue, 'key' | 'value' | 'version' | 'modRevision'>[],
  notes: readonly CountNote[],
): string[] {
  const wrong: string[] = [];
  kvs.forEach(({ key, value, version, modRevision }, index) => {
    const before = kvs[index - 1];
    if (key !== countKey(index + 1)) wrong.push(`${key} is in the place of ${countKey(index + 1)}`);
    if (version !== 1) wrong.push(`${key} was counted ${version} times`);
    if (before === undefined) return;
    if (modRevision < before.modRevision) wrong.push(`${key} was counted before ${before.key}`);
    if (Number(value) < Number(before.value)) wrong.push(`${key} was counted by ${value}, who owned before ${before.value}`);
  });
  const owners = new Map(kvs.map(({ key, value }) => [key, Number(value)]));
  for (const { n, owner } of notes)
    if (owners.get(countKey(n)) !== owner) wrong.push(`${countKey(n)} by ${owner} was acknowledged, and is not there`);
  return wrong;
}
