import { firstValueFrom } from 'rxjs';
import { isEtcdError, type Client } from '../../../src/index.js';
import type { Random } from '../random.js';
import type { Gate } from './gate.js';
import { markKey } from './marks.js';
import type { Breach, CallNote } from './notes.js';
import type { Writer } from './writer.js';

/** Reads at a steady rate, whether the last have been answered or not; what was acknowledged before a read began must be in it. */
export class Reader {
  readonly notes: CallNote[] = [];
  readonly breaches: Breach[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly pending = new Set<Promise<void>>();

  constructor(
    private readonly etcd: Client,
    private readonly writers: readonly Writer[],
    private readonly random: Random,
    gate: Gate,
    everyMs: number,
  ) {
    this.timer = setInterval(() => {
      if (!gate.open) return;
      const read: Promise<void> = this.read().finally(() => this.pending.delete(read));
      this.pending.add(read);
    }, everyMs);
  }

  async finish(): Promise<void> {
    clearInterval(this.timer);
    await Promise.all(this.pending);
  }

  private async read(): Promise<void> {
    const begin = performance.now();
    const writer = this.random.pick(this.writers);
    const due = writer.revision;
    try {
      const found = await firstValueFrom(this.etcd.kv.get(markKey(writer.name)));
      // By revisions: a write in doubt may be carried out late, and put an older number over a newer one.
      const { modRevision } = found ?? { modRevision: 0 };
      if (modRevision < due) {
        const what = `a read found ${writer.name} as of revision ${modRevision}, of which ${due} had been acknowledged before`;
        this.breaches.push({ at: begin, what });
      }
      this.notes.push({ begin, end: performance.now(), outcome: 'done' });
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      this.notes.push({ begin, end: performance.now(), outcome: 'failed', reason: `${error.reason}: ${error.message}` });
    }
  }
}
