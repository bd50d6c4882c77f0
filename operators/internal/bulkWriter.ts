import { defer, type Subscriber } from 'rxjs';
import { AmbiguousWriteError, EtcdError, hasReason, isEtcdError } from '../../src/errors/index.js';
import type { PutOp } from '../../src/model/op.js';
import { EntryQueue } from './entryQueue.js';
import { PutAllError } from './putAllError.js';
import { inOrder, toItem, type Item, type PutEntry } from './putEntry.js';
import type { TxnTarget } from './putTarget.js';

/** The limits of a txn, and of the txns that are in progress at a time. */
export interface BulkLimits {
  readonly concurrency: number;
  readonly maxOps: number;
  readonly maxBytes: number;
}

/** Entries that were written together, at one revision. */
export interface PutAllResult<E extends PutEntry = PutEntry> {
  readonly revision: number;
  readonly entries: readonly E[];
}

/** A source of entries. */
export interface EntrySource {
  /** Called when there is room for more entries. */
  more(): void;
  /** Called when no more entries are needed, once or several times. */
  stop(): void;
}

/** The end of a source. The error is boxed, as it can be any value. */
export type Completion = 'completed' | { readonly error: unknown };

interface Failure<E extends PutEntry> {
  readonly batch: readonly Item<E>[];
  readonly error: EtcdError;
}

/** Writes the waiting entries in txns, until the source has ended or a txn has failed. */
export class BulkWriter<E extends PutEntry> {
  readonly #kv: TxnTarget;
  readonly #limits: BulkLimits;
  readonly #subscriber: Subscriber<PutAllResult<E>>;
  readonly #waiting = new EntryQueue<E>();
  readonly #failures: Failure<E>[] = [];
  #supply: EntrySource | undefined;
  /** The number of entries that have arrived. */
  #count = 0;
  #underWay = 0;
  #end: Completion | undefined;
  /**
   * Whether {@link send} is running. A response that arrives synchronously must not call `send` again, as the stack
   * would grow with each response.
   */
  #sending = false;

  constructor(kv: TxnTarget, limits: BulkLimits, subscriber: Subscriber<PutAllResult<E>>) {
    this.#kv = kv;
    this.#limits = limits;
    this.#subscriber = subscriber;
  }

  from(supply: EntrySource): void {
    this.#supply = supply;
    this.#subscriber.add(() => supply.stop());
    supply.more();
  }

  /** The number of entries that wait for their txn. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Whether more entries may wait: as many as fit into `concurrency` txns. */
  get hasRoom(): boolean {
    const { concurrency, maxOps, maxBytes } = this.#limits;
    return this.#waiting.size < concurrency * maxOps && this.#waiting.bytes < concurrency * maxBytes;
  }

  /** Whether the waiting entries fill the next txn. */
  get hasTxn(): boolean {
    return this.#waiting.ready >= this.#limits.maxOps;
  }

  /** Adds an entry, which must be a copy. The caller calls {@link send} after the last of several entries. */
  add(entry: E): void {
    try {
      this.#waiting.add(toItem(entry, this.#count++));
    } catch (error) {
      this.end({ error });
    }
  }

  /** Ends the source. Entries that have arrived are still written before the error or completion is passed on. */
  end(end: Completion): void {
    this.#end ??= end;
    this.#supply?.stop();
    this.send();
    this.#finish();
  }

  /** Sends txns as long as entries wait and another txn may be in progress. */
  send(): void {
    if (this.#sending) return;
    this.#sending = true;
    const { concurrency, maxOps, maxBytes } = this.#limits;
    while (this.#mayWrite && this.#underWay < concurrency && this.#waiting.ready > 0) this.#commit(this.#waiting.take(maxOps, maxBytes));
    this.#sending = false;
  }

  get #mayWrite(): boolean {
    return this.#failures.length === 0 && !this.#subscriber.closed;
  }

  get #goesOn(): boolean {
    return this.#mayWrite && this.#end === undefined;
  }

  #commit(batch: readonly Item<E>[]): void {
    this.#underWay++;
    const txn = defer(() => this.#kv.txn({ success: batch.map(opOf) })).subscribe({
      next: ({ header }) => this.#written(batch, header.revision),
      error: (error: unknown) => this.#failed(batch, error),
    });
    this.#subscriber.add(txn);
  }

  #written(batch: readonly Item<E>[], revision: number): void {
    this.#underWay--;
    this.#waiting.release(batch);
    this.#subscriber.next({ revision, entries: entriesOf(batch) });
    this.send();
    if (this.#goesOn) this.#supply?.more();
    this.#finish();
  }

  /**
   * Handles a failed txn: no further txn is sent. The operator errors only when the pending txns have ended, as their
   * outcomes must be known.
   */
  #failed(batch: readonly Item<E>[], error: unknown): void {
    this.#underWay--;
    this.#failures.push({ batch, error: asEtcdError(error) });
    this.#supply?.stop();
    this.#finish();
  }

  #finish(): void {
    if (this.#underWay > 0) return;
    const [first] = this.#failures;
    if (first !== undefined) return this.#subscriber.error(this.#stoppedBy(first));
    if (this.#end === undefined || this.#waiting.size > 0) return;
    if (this.#end === 'completed') this.#subscriber.complete();
    else this.#subscriber.error(this.#end.error);
  }

  #stoppedBy(first: Failure<E>): PutAllError<E> {
    const inDoubt = this.#failures.filter(({ error }) => hasReason(error, 'AmbiguousWrite'));
    const refused = this.#failures.filter((failure) => !inDoubt.includes(failure));
    const { error: cause } = inDoubt[0] ?? first;
    const ambiguous = inDoubt.flatMap(({ batch }) => batch);
    const unwritten = [...refused.flatMap(({ batch }) => batch), ...this.#waiting.rest()];
    return new PutAllError(cause, entriesOf(inOrder(ambiguous)), entriesOf(inOrder(unwritten)));
  }
}

// The function is created once, and not for each txn, as V8 keeps its optimized code only while the function exists.
const opOf = ({ op }: Item<PutEntry>): PutOp => op;
const entryOf = <E extends PutEntry>({ entry }: Item<E>): E => entry;
const entriesOf = <E extends PutEntry>(items: readonly Item<E>[]): readonly E[] => items.map(entryOf);

/** Converts an error to an `EtcdError`. If the error is not from etcd, the outcome of the write is unknown. */
function asEtcdError(error: unknown): EtcdError {
  if (isEtcdError(error)) return error;
  return new AmbiguousWriteError(new EtcdError('Unknown', 'the txn ended with an error that is not from etcd', { cause: error }));
}
