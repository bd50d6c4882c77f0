import { firstValueFrom, retry, timeout, timer } from 'rxjs';
import { del, isEtcdError, put, type Client } from '../../../../src/index.js';
import type { Written } from '../../../support/watchGuarantees.js';
import type { Random } from '../../../support/random.js';
import { waitFor } from '../../../support/waitFor.js';

const KEYS = 8;

export interface WritersOptions {
  /** How many write at a time. */
  readonly count: number;
  /** Whether the next write may go, after the last that was carried out: how writers are held back. */
  readonly mayGo: (revision: number) => boolean;
}

/**
 * Writers that know what they wrote. Each is the only one to write its keys, and each write puts a value that no other does: one of which nobody heard the
 * end can be looked up, once the server is there again.
 */
export class Writers {
  /** All that was carried out, by revision. */
  readonly written = new Map<number, readonly Written[]>();
  /** The last revision that was carried out. */
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
   * The revisions that only put keys. To these the store may be compacted: before 3.5.17 a watch that begins at the very revision that it was compacted to is not
   * told of what that one deleted.
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

  /** @returns the revision; undefined where it turned out not to have been carried out */
  private async carryOut(changes: readonly Written[]): Promise<number | undefined> {
    const ops = changes.map(({ type, key, value }) => (type === 'put' ? put(key, value) : del(key)));
    try {
      return (await firstValueFrom(this.client.kv.txn({ success: ops }))).header.revision;
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      return this.lookUp(changes);
    }
  }

  /** The server was killed meanwhile: what it has when it is back is what it will ever have of this write. */
  private async lookUp(changes: readonly Written[]): Promise<number | undefined> {
    const mark = changes.find(({ type }) => type === 'put');
    if (mark === undefined) throw new Error('a write without a put cannot be looked up');
    const get = this.client.kv.get(mark.key).pipe(retry({ delay: () => timer(20) }), timeout(20_000));
    const found = await firstValueFrom(get);
    return found?.value === mark.value ? found.modRevision : undefined;
  }
}

/** A put, or a txn of several keys in two trees, sometimes with deletions. */
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
