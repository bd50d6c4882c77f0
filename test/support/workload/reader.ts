import { firstValueFrom } from 'rxjs';
import { isEtcdError, type Client } from '../../../src/index.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import type { Gate } from './pauseGate.js';
import { markKey } from './writeMarker.js';
import type { Breach, CallNote } from './callLog.js';
import type { Tries } from './attemptLog.js';
import type { Writer } from './writer.js';

/** Reads that take longer are recorded with the failures of their attempts. */
const SLOW_MS = 1_200;

/** The dependencies of a reader. */
interface ReaderMeans {
  readonly etcd: Client;
  /** The failed attempts of this client. */
  readonly tries: Tries;
  readonly writers: readonly Writer[];
  readonly random: Random;
  readonly gate: Gate;
  readonly everyMs: number;
}

/**
 * Reads at a steady rate, whether earlier reads have a response or not. A read must contain all writes that were
 * acknowledged before it began.
 */
export class Reader {
  readonly notes: CallNote[] = [];
  readonly breaches: Breach[] = [];
  private readonly timer: NodeJS.Timeout;
  private readonly pending = new Set<Promise<void>>();

  constructor(private readonly means: ReaderMeans) {
    this.timer = setInterval(() => {
      if (!means.gate.open) return;
      const read: Promise<void> = this.read().finally(() => this.pending.delete(read));
      this.pending.add(read);
    }, means.everyMs);
  }

  async finish(): Promise<void> {
    clearInterval(this.timer);
    await this.drained();
  }

  /** Resolves when all running reads have ended. */
  async drained(): Promise<void> {
    await Promise.all(this.pending);
  }

  private async read(): Promise<void> {
    const { etcd, tries, writers, random } = this.means;
    const begin = awakeNow();
    const writer = random.pick(writers);
    const due = writer.revision;
    try {
      const found = await firstValueFrom(etcd.kv.get(markKey(writer.name)));
      // Compares revisions: an ambiguous write may be carried out late, and replace a newer number by an older one.
      const { modRevision } = found ?? { modRevision: 0 };
      if (modRevision < due) {
        const what = `a read found ${writer.name} as of revision ${modRevision}, of which ${due} had been acknowledged before`;
        this.breaches.push({ at: begin, what });
      }
      const end = awakeNow();
      const why = end - begin > SLOW_MS ? tries.between(begin, end) : undefined;
      this.notes.push({ begin, end, outcome: 'done', reason: why });
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      const end = awakeNow();
      const reason = `${error.reason}: ${error.message}; its tries: ${tries.between(begin, end)}`;
      this.notes.push({ begin, end, outcome: 'failed', reason });
    }
  }
}
