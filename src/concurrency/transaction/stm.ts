import {
  catchError,
  concat,
  defer,
  defaultIfEmpty,
  ignoreElements,
  map,
  of,
  switchMap,
  throwError,
  type Observable,
  AsyncSubject,
  finalize,
  tap,
} from 'rxjs';
import type { KvService } from '../../services/kv.js';
import { type BytesLike, capturedBytes } from '../../model/bytes.js';
import { ARRAY, checkArgument, checkOptions, FUNCTION, oneOf, type OptionKinds, BYTES, LEASE } from '../../model/validate.js';
import { outcomeOf, type MaybeAsync } from '../../util/rx.js';
import { RETRY_OPTIONS, retryOptimistically, type RetryOptions } from './update.js';
import type { LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import { type Range, isPoint, rangeOf, spanOf, type Span } from '../../model/range.js';
import { EtcdError, hasReason } from '../../errors/index.js';
import { captured } from '../../model/captured.js';
import { range as rangeOp } from '../../model/op.js';
import { ReadSet, WriteSet } from './readWriteSet.js';

/**
 * One attempt of a transaction: its reads, its writes before the commit, and the commit. The commit checks that the
 * reads are still valid.
 */
export class StmAttempt implements Transaction {
  private readonly reads = new ReadSet();
  private readonly writes = new WriteSet();
  /** The revision that all reads show; undefined until it is known. */
  private revision: number | undefined;
  /** An Observable that completes when the read that determines the revision has ended. */
  private pinning: Observable<void> | undefined;
  /** The conflict that a read has found. If it is set, this attempt cannot be committed any more. */
  private stale: EtcdError | undefined;
  private over = false;

  constructor(
    private readonly kv: KvService,
    private readonly rules: IsolationRules,
  ) {}

  get(given: BytesLike): Observable<KeyValue | undefined> {
    const key = capturedBytes(given);
    return defer(() => {
      const span = this.checked({ key });
      const written = this.writes.find(span.from);
      return written === undefined ? this.read(span).pipe(map(([kv]) => kv)) : of(written.kv);
    });
  }

  range(given: Range): Observable<readonly KeyValue[]> {
    const which = captured(given);
    return defer(() => {
      const span = this.checked(which);
      return this.read(span).pipe(map((stored) => this.writes.over(span, stored)));
    });
  }

  put(key: BytesLike, value: BytesLike, options: { readonly lease?: LeaseId } = {}): void {
    this.checked({ key });
    checkArgument('tx.put', 'value', value, BYTES);
    const { lease } = checkOptions('tx.put', options, { lease: LEASE });
    this.writes.put(key, capturedBytes(value), lease);
  }

  delete(which: Range): void {
    this.writes.delete(this.checked(which));
  }

  /** Reads keys in one call, so that the body need not send a request for each. */
  prefetch(keys: readonly BytesLike[]): Observable<unknown> {
    return defer(() => {
      const spans = keys.map((key) => spanOf({ key }));
      return this.kv.txn({ success: spans.map((span) => rangeOp(rangeOf(span))) }).pipe(
        tap(({ header: { revision }, responses }) => {
          if (this.rules.snapshot) this.revision = revision;
          for (const [index, span] of spans.entries()) this.reads.add(span, responses[index]?.kvs ?? [], revision);
        }),
      );
    });
  }

  /** Commits the writes. Emits the revision of the commit, or undefined after a conflict. */
  commit(): Observable<number | undefined> {
    this.over = true;
    if (this.stale !== undefined) return of(undefined);
    const success = this.writes.ops();
    // If all reads show one revision and nothing is written, no commit is needed: the reads are valid at that revision.
    if (success.length === 0 && this.revision !== undefined) return of(this.revision);
    const { first } = this.reads;
    const compare = [
      ...(this.rules.validateReads ? this.reads.compares() : []),
      ...(this.rules.validateWrites && first !== undefined ? this.writes.compares(first, (key) => this.reads.find(key) !== undefined) : []),
    ];
    return this.kv.txn({ compare, success }).pipe(map(({ succeeded, header }) => (succeeded ? header.revision : undefined)));
  }

  /** Returns whether an error is the conflict that a read has found. Any other error is an error of the body. */
  isStale(error: unknown): boolean {
    return this.stale !== undefined && error === this.stale;
  }

  private checked(which: Range): Span {
    if (this.over) throw new EtcdError('InvalidArgument', 'the transaction is over: read and write only until its body ends');
    return spanOf(which);
  }

  private read(span: Span): Observable<readonly KeyValue[]> {
    return defer(() => {
      const known = this.known(span);
      if (known !== undefined) return of(known);
      const { snapshot } = this.rules;
      if (snapshot && this.revision === undefined && this.pinning !== undefined) return this.pinning.pipe(switchMap(() => this.read(span)));
      return snapshot && this.revision === undefined ? this.readFirst(span) : this.fetch(span);
    });
  }

  private known(span: Span): readonly KeyValue[] | undefined {
    if (!this.rules.validateReads) return undefined;
    if (!isPoint(span)) return this.reads.findAll(span);
    const known = this.reads.find(span.from);
    if (known === undefined) return undefined;
    return known.kv === undefined ? [] : [known.kv];
  }

  /**
   * Sends the first read, which determines the revision. Later reads wait for it. If the first read fails or is
   * cancelled, one of the later reads replaces it.
   */
  private readFirst(span: Span): Observable<readonly KeyValue[]> {
    return defer(() => {
      const settled = new AsyncSubject<void>();
      this.pinning = settled;
      return this.fetch(span).pipe(
        finalize(() => {
          this.pinning = undefined;
          settled.next();
          settled.complete();
        }),
      );
    });
  }

  private fetch(span: Span): Observable<readonly KeyValue[]> {
    const { revision } = this;
    return this.kv.range(rangeOf(span), revision === undefined ? {} : { revision }).pipe(
      catchError((error: unknown) => throwError(() => (hasReason(error, 'Compacted') ? this.fail('its revision was compacted') : error))),
      map(({ kvs, header }) => {
        if (this.rules.snapshot) this.revision ??= header.revision;
        // The header of a snapshot read has the current revision of the store, and not the revision that the read
        // shows.
        const agreed = this.reads.add(span, kvs, this.revision ?? header.revision);
        if (this.rules.validateReads && !agreed) throw this.fail('a key that it read has changed');
        return kvs;
      }),
    );
  }

  private fail(why: string): EtcdError {
    return (this.stale ??= new EtcdError('Conflict', `transaction attempt failed: ${why}`));
  }
}

/**
 * The isolation level of a transaction, by the names of etcd's Go client.
 * - `serializableSnapshot`: reads the store at one revision, and commits only if no key that it read or writes has
 *   changed since
 * - `serializable`: as `serializableSnapshot`, but keys that the transaction only writes may have changed
 * - `repeatableReads`: keeps the state of each key at its first read, and commits only if no key that it read has
 *   changed since
 * - `readCommitted`: each read shows the latest committed state; the commit checks no keys
 */
export type Isolation = 'serializableSnapshot' | 'serializable' | 'repeatableReads' | 'readCommitted';

/** The rules of an isolation level for reads and for the commit. */
export interface IsolationRules {
  /** Whether all reads show the revision of the first read. */
  readonly snapshot: boolean;
  /** Whether a key is read only once, and must be unchanged at the commit. */
  readonly validateReads: boolean;
  /** Whether the written keys must be unchanged since the first read. */
  readonly validateWrites: boolean;
}

export const ISOLATION_RULES: Readonly<Record<Isolation, IsolationRules>> = {
  serializableSnapshot: { snapshot: true, validateReads: true, validateWrites: true },
  serializable: { snapshot: true, validateReads: true, validateWrites: false },
  repeatableReads: { snapshot: false, validateReads: true, validateWrites: false },
  readCommitted: { snapshot: false, validateReads: false, validateWrites: false },
};

/** The reads and writes of a transaction. Nothing is written before the body has ended. */
export interface Transaction {
  /**
   * Reads a key with its value; undefined if the key does not exist. A value that this transaction has written takes
   * precedence over that of the store. The revisions and the version of such a key are still 0.
   */
  get(key: BytesLike): Observable<KeyValue | undefined>;
  /**
   * Reads the keys of a range with their values, in the order of the keys. Writes of this transaction are applied to
   * the result. At the commit, keys of the range that were created or deleted since the read also count as conflicts,
   * except with `readCommitted`. For this check, the commit needs a compare for each key and one for the range. By
   * default, a server accepts 128 compares in a txn, and rejects a commit with more compares with `TooManyOps`.
   */
  range(range: Range): Observable<readonly KeyValue[]>;
  /** Writes a key at the commit. Without `lease` the key is attached to no lease. */
  put(key: BytesLike, value: BytesLike, options?: { readonly lease?: LeaseId }): void;
  /** Deletes the keys of a range that exist at the commit. */
  delete(range: Range): void;
}

/** The options of `stm`: isolation, prefetching and retries. */
export interface StmOptions extends RetryOptions {
  /** The isolation level: `serializableSnapshot` by default. */
  readonly isolation?: Isolation;
  /**
   * Keys that the body will certainly read. They are read in one call before the body runs. With `readCommitted` this
   * has no use, as the body reads each key again.
   */
  readonly prefetch?: readonly BytesLike[];
}

const STM: OptionKinds<StmOptions> = { ...RETRY_OPTIONS, isolation: oneOf(...Object.keys(ISOLATION_RULES)), prefetch: ARRAY };

/** A transaction that was committed. */
export interface StmResult<T> {
  /** The result of the body. */
  readonly result: T;
  /**
   * The revision at which the transaction was committed. If nothing was written, it is the revision that the reads
   * show. With `repeatableReads` and `readCommitted`, it is then the revision of the store at the end of the
   * transaction.
   */
  readonly revision: number;
  /** The number of attempts, which is the number of times that the body ran. */
  readonly attempts: number;
}

/** Creates the method `stm`. */
export function transactions(
  kv: KvService,
): <T>(body: (tx: Transaction) => MaybeAsync<T>, options?: StmOptions) => Observable<StmResult<T>> {
  return <T>(body: (tx: Transaction) => MaybeAsync<T>, options: StmOptions = {}) =>
    defer(() => {
      checkArgument('stm', 'body', body, FUNCTION);
      const { isolation = 'serializableSnapshot', prefetch = [], ...retry } = checkOptions('stm', options, STM);
      return retryOptimistically<StmResult<T>>('stm', retry, (attempts) => {
        const attempt = new StmAttempt(kv, ISOLATION_RULES[isolation]);
        const work =
          prefetch.length === 0 ? bodyOf(body, attempt) : concat(attempt.prefetch(prefetch).pipe(ignoreElements()), bodyOf(body, attempt));
        return work.pipe(
          switchMap((result) =>
            attempt.commit().pipe(map((revision) => (revision === undefined ? undefined : { result, revision, attempts }))),
          ),
          catchError((error: unknown) => (attempt.isStale(error) ? of(undefined) : throwError(() => error))),
        );
      });
    });
}

/** Runs the body. If the body returns an Observable that completes without a value, the result is undefined. */
function bodyOf<T>(body: (tx: Transaction) => MaybeAsync<T>, tx: Transaction): Observable<T> {
  return outcomeOf(() => body(tx)).pipe(defaultIfEmpty(undefined as T));
}
