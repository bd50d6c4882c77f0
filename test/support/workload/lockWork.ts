import { setTimeout as delay } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import type { Client, KeyValue } from '../../../src/index.js';
import { awakeNow } from '../stopwatch.js';
import { countKey, COUNTS, type Contender, type CountNote } from './contender.js';
import type { Breach } from './callLog.js';

const TICK_MS = 25;
/** So late may be told what was known: a busy machine comes to its timers late. */
const SLACK_MS = 500;
/** So long is waited, once all is well, until somebody counts again. How long that may take is held by the rows of the table. */
const LONGEST_MS = 60_000;

/** Contenders for one lock, of which one at a time counts up. */
export class LockWork {
  private readonly begun = awakeNow();
  private readonly found: Breach[] = [];
  /** Since when an owner knows by the clock that it is none, and was not told. */
  private readonly untold = new Map<Contender, number>();
  private readonly timer: NodeJS.Timeout;

  constructor(private readonly contenders: readonly Contender[]) {
    this.timer = setInterval(() => this.look(), TICK_MS);
  }

  /** When the work began, and each time that it went on. */
  get steps(): readonly number[] {
    return [this.begun, ...this.counts.map(({ at }) => at)].sort((a, b) => a - b);
  }

  get losses(): readonly number[] {
    return this.contenders.flatMap(({ losses }) => losses);
  }

  get breaches(): readonly Breach[] {
    return [...this.found, ...this.contenders.flatMap(({ breaches }) => breaches)];
  }

  /** Resolves when somebody has counted from now on, or has had time enough. */
  async goesOn(): Promise<void> {
    const before = this.counts.length;
    for (const end = performance.now() + LONGEST_MS; this.counts.length === before && performance.now() < end;) await delay(10);
    if (this.counts.length === before) this.breach(`nobody counted for ${LONGEST_MS} ms, though all is well again`);
  }

  /** Ends it. The gate has to be closed for good. */
  async finish(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.contenders.map((contender) => contender.finish()));
  }

  /** Whether what the store holds is what owners did, one after the other. */
  async judge(direct: Client): Promise<void> {
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

/** What is wrong with the counts: each is there once, in its turn, by an owner that is none of before. */
export function countFaults(
  kvs: readonly Pick<KeyValue, 'key' | 'value' | 'version' | 'modRevision'>[],
  told: readonly CountNote[],
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
  for (const { n, owner } of told)
    if (owners.get(countKey(n)) !== owner) wrong.push(`${countKey(n)} by ${owner} was acknowledged, and is not there`);
  return wrong;
}
