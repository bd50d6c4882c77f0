import { setTimeout as delay } from 'node:timers/promises';
import { firstValueFrom } from 'rxjs';
import { del, hasReason, isEtcdError, key, put, type Client } from '../../../src/index.js';
import type { Random } from '../random.js';
import { awakeNow } from '../stopwatch.js';
import type { Gate } from './pauseGate.js';
import { changesOf, markKey, markValue, type Mark } from './writeMarker.js';
import type { Breach, WriteNote } from './callLog.js';

const KEYS = 6;
const PAUSE_MS = 40;
/** A write without a response is never repeated, so only this ends it. */
const TIMEOUT_MS = 3_000;

/** Writes different entries one after the other, and records the outcomes. */
export class Writer {
  readonly notes: WriteNote[] = [];
  readonly breaches: Breach[] = [];
  /** The revision of the last acknowledged write. */
  revision = 0;
  private readonly present = new Set<string>();
  private readonly end: Promise<void>;

  constructor(
    readonly name: string,
    private readonly etcd: Client,
    private readonly random: Random,
    private readonly gate: Gate,
  ) {
    this.end = this.work();
  }

  /** Resolves when the last write has ended; the gate must be closed for good. */
  finished(): Promise<void> {
    return this.end;
  }

  private async work(): Promise<void> {
    for (let number = 1; await this.gate.passed(); number++) {
      await this.write(number);
      await delay(this.random.int(0, 2 * PAUSE_MS));
    }
  }

  private async write(number: number): Promise<void> {
    const begin = awakeNow();
    const note = (rest: Pick<WriteNote, 'outcome' | 'revision' | 'reason'>): void =>
      void this.notes.push({ writer: this.name, number, begin, end: awakeNow(), ...rest });
    try {
      const revision = await this.send(number);
      this.revision = revision;
      note({ outcome: 'done', revision });
    } catch (error) {
      if (!isEtcdError(error)) throw error;
      note({ outcome: hasReason(error, 'AmbiguousWrite') ? 'ambiguous' : 'failed', reason: error.reason });
    }
  }

  /** Sends a put, a txn, or a txn that creates a missing key. @returns its revision */
  private async send(number: number): Promise<number> {
    const options = { timeoutMs: TIMEOUT_MS };
    const kind = this.random.pick(['put', 'txn', 'create'] as const);
    const mark: Mark = {
      writer: this.name,
      number,
      ...(kind === 'txn' ? this.someKeys() : { puts: kind === 'create' ? [`c/${this.name}/${number}`] : [], deletes: [] }),
    };
    if (kind === 'put') return (await firstValueFrom(this.etcd.kv.put(markKey(this.name), markValue(mark), options))).header.revision;
    const success = changesOf(mark).map((change) => (change.type === 'put' ? put(change.key, change.value) : del(change.key)));
    const compare = kind === 'create' ? mark.puts.map((name) => key(name).missing()) : [];
    const { succeeded, header } = await firstValueFrom(this.etcd.kv.txn({ compare, success }, options));
    if (!succeeded)
      this.breaches.push({ at: awakeNow(), what: `${this.name} created ${mark.puts.join()}, and was told that it was there` });
    return header.revision;
  }

  private someKeys(): Pick<Mark, 'puts' | 'deletes'> {
    const puts: string[] = [];
    const deletes: string[] = [];
    for (const name of new Set(
      Array.from({ length: this.random.int(1, KEYS) }, () => `${this.random.pick(['a', 'b'])}/${this.name}/${this.random.int(1, KEYS)}`),
    )) {
      // It is not always known whether the key exists: deleting a missing key does no harm.
      if (this.present.has(name) && this.random.chance(0.3)) deletes.push(name);
      else puts.push(name);
    }
    for (const name of puts) this.present.add(name);
    return { puts, deletes };
  }
}
