import { firstValueFrom, retry, timeout, timer } from 'rxjs';
import { del, isEtcdError, put, type Client } from '../../../../src/index.js';
import type { Written } from '../../../support/watchGuarantees.js';
import type { Random } from '../../../support/random.js';
import { waitFor } from '../../../support/waitFor.js';

const KEYS = 8;

export interface WritersOptions {
  /** The number of concurrent writers. */
  readonly count: number;
  /** Returns whether the next write may begin, given the last committed revision: this limits the writers. */
  readonly mayGo: (revision: number) => boolean;
}

/**
 * Writers that record their writes. Each has its own keys, and each write puts a unique value, so a write whose
 * response was lost can be looked up later.
 */
export class Writers {
  /** All committed writes, by revision. */
  readonly written = new Map<number, readonly Written[]>();
  /** The last committed revision. */
  revision = 0;
  private running = true;
  private readonly ends: Promise<void>[];

  constructor(
    private readonly client: Client,
    random: Random,
    private readonly options: WritersOptions,
  ) {
    this.ends = Array.from({ length: options.count }, (_, index) => this.work(`${index % 4}/${index}`, random.fork(`writer ${index}`)));
  }

  /**
   * The revisions that only put keys. The store may be compacted to these: before 3.5.17 a watch that begins at the
   * compacted revision does not get the deletes of that revision.
   */
  get puts(): readonly number[] {
    return [...this.written].flatMap(([revision, changes]) => (changes.every(({ type }) => type === 'put') ? [revision] : []));
  }

  async stop(): Promise<void> {
    this.running = false;
    await Promise.all(this.ends);
  }

  private async work(name: string, random: Random): Promise<void> {
    const present = new Set<string>();
    for (let count = 1; this.running; count++) {
      await waitFor('the next write may go', () => !this.running || this.options.mayGo(this.revision), 60_000);
      const changes = changesOf(name, count, random, present);
      const revision = await this.carryOut(changes);
      if (revision === undefined) continue;
      this.written.set(revision, changes);
      this.revision = Math.max(this.revision, revision);
      for (const { type, key } of changes) {
        if (type === 'put') present.add(key);
        else present.delete(key);
      }
    }
  }

  /** @returns the revision; undefined if the write was not carried out */
  private async carryOut(changes: readonly Written[]): Promise<number | undefined> {
    const ops = changes.map(({ type, key, value }) => (type === 'put' ? put(key, value) : del(key)));
    try {
      return (await firstValueFrom(this.client.kv.txn({ success: ops }))).header.revision;
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      return this.lookUp(changes);
    }
  }

  /** The server was killed: once it is back, it will not carry this write out any more. */
  private async lookUp(changes: readonly Written[]): Promise<number | undefined> {
    const mark = changes.find(({ type }) => type === 'put');
    if (mark === undefined) throw new Error('a write without a put cannot be looked up');
    const get = this.client.kv.get(mark.key).pipe(retry({ delay: () => timer(20) }), timeout(20_000));
    const found = await firstValueFrom(get);
    return found?.value === mark.value ? found.modRevision : undefined;
  }
}

/** Returns a put, or a txn of several keys in two trees, sometimes with deletes. */
function changesOf(name: string, count: number, random: Random, present: ReadonlySet<string>): Written[] {
  const value = `${name}:${count}:${'x'.repeat(random.chance(0.05) ? 2_000 : random.int(0, 200))}`;
  const mark: Written = { type: 'put', key: `m/${name}`, value };
  const key = (index: number): string => `${random.chance(0.5) ? 'a' : 'b'}/${name}/${index}`;
  if (random.chance(0.5)) return [{ ...mark, key: key(random.int(0, KEYS - 1)) }];
  const changes = Array.from({ length: random.int(1, KEYS) }, (_, index): Written => {
    const chosen = key(index);
    return present.has(chosen) && random.chance(0.3) ? { type: 'delete', key: chosen, value: '' } : { type: 'put', key: chosen, value };
  });
  return [mark, ...changes];
}
