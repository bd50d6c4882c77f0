import { AsyncSubject, catchError, defer, finalize, map, of, switchMap, tap, throwError, type Observable } from 'rxjs';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { Kv } from '../../services/kv.js';
import type { BytesLike } from '../../model/bytes.js';
import { BYTES, checkArgument, checkOptions, LEASE } from '../../model/validate.js';
import type { LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import { range as rangeOp } from '../../model/op.js';
import type { Range } from '../../model/range.js';
import type { Level } from '../stm/isolation.js';
import { ReadSet } from '../stm/readSet.js';
import { isPoint, rangeOf, spanOf, type Span } from '../../model/spans.js';
import type { Transaction } from '../stm/transaction.js';
import { WriteSet } from './readWriteSet.js';

/** One try of a transaction: what it reads, what it will write, and whether the two can be had together. */
export class Attempt implements Transaction {
  private readonly reads = new ReadSet();
  private readonly writes = new WriteSet();
  /** What all reads show, once it is known. */
  private revision: number | undefined;
  /** Settles when the read that finds out that revision is over. */
  private pinning: Observable<void> | undefined;
  /** Something was read that cannot be committed any more. */
  private stale: EtcdError | undefined;
  private over = false;

  constructor(
    private readonly kv: Kv,
    private readonly level: Level,
  ) {}

  get(key: BytesLike): Observable<KeyValue | undefined> {
    return defer(() => {
      const span = this.checked({ key });
      const written = this.writes.find(span.from);
      return written === undefined ? this.read(span).pipe(map(([kv]) => kv)) : of(written.kv);
    });
  }

  range(which: Range): Observable<readonly KeyValue[]> {
    return defer(() => {
      const span = this.checked(which);
      return this.read(span).pipe(map((stored) => this.writes.over(span, stored)));
    });
  }

  put(key: BytesLike, value: BytesLike, options: { readonly lease?: LeaseId } = {}): void {
    this.checked({ key });
    checkArgument('tx.put', 'value', value, BYTES);
    const { lease } = checkOptions('tx.put', options, { lease: LEASE });
    this.writes.put(key, value, lease);
  }

  delete(which: Range): void {
    this.writes.delete(this.checked(which));
  }

  /** Reads keys in one call, so that the body finds them here. */
  prefetch(keys: readonly BytesLike[]): Observable<unknown> {
    return defer(() => {
      const spans = keys.map((key) => spanOf({ key }));
      return this.kv.txn({ success: spans.map((span) => rangeOp(rangeOf(span))) }).pipe(
        tap(({ header: { revision }, responses }) => {
          if (this.level.pinned) this.revision = revision;
          for (const [index, span] of spans.entries()) this.reads.add(span, responses[index]?.kvs ?? [], revision);
        }),
      );
    });
  }

  /** The revision at which it was committed; undefined where others were faster. */
  commit(): Observable<number | undefined> {
    this.over = true;
    if (this.stale !== undefined) return of(undefined);
    const success = this.writes.ops();
    // What was read of one revision, and leads to nothing, was as good as done at that revision.
    if (success.length === 0 && this.revision !== undefined) return of(this.revision);
    const { first } = this.reads;
    const compare = [
      ...(this.level.readsHold ? this.reads.compares() : []),
      ...(this.level.writesHold && first !== undefined ? this.writes.compares(first, (key) => this.reads.find(key) !== undefined) : []),
    ];
    return this.kv.txn({ compare, success }).pipe(map(({ succeeded, header }) => (succeeded ? header.revision : undefined)));
  }

  /** Whether this is how a read said that the try has failed, and not an error of the body. */
  isStale(error: unknown): boolean {
    return this.stale !== undefined && error === this.stale;
  }

  private checked(which: Range): Span {
    if (this.over)
      throw new EtcdError('InvalidArgument', 'the transaction is over: nothing can be read or written in it after its body is done');
    return spanOf(which);
  }

  private read(span: Span): Observable<readonly KeyValue[]> {
    return defer(() => {
      const known = this.known(span);
      if (known !== undefined) return of(known);
      const { pinned } = this.level;
      if (pinned && this.revision === undefined && this.pinning !== undefined) return this.pinning.pipe(switchMap(() => this.read(span)));
      return pinned && this.revision === undefined ? this.readFirst(span) : this.fetch(span);
    });
  }

  private known(span: Span): readonly KeyValue[] | undefined {
    if (!this.level.readsHold) return undefined;
    if (!isPoint(span)) return this.reads.findAll(span);
    const known = this.reads.find(span.from);
    if (known === undefined) return undefined;
    return known.kv === undefined ? [] : [known.kv];
  }

  /** Reads that begin meanwhile wait for this one's revision. Should it fail or be given up, one of them takes its place. */
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
      catchError((error: unknown) =>
        throwError(() => (hasReason(error, 'Compacted') ? this.fail('the revision that it reads was compacted away') : error)),
      ),
      map(({ kvs, header }) => {
        if (this.level.pinned) this.revision ??= header.revision;
        // Of a pinned read the header tells the store's revision of now: it is not what the read shows.
        const agreed = this.reads.add(span, kvs, this.revision ?? header.revision);
        if (this.level.readsHold && !agreed) throw this.fail('what was read before has changed');
        return kvs;
      }),
    );
  }

  private fail(why: string): EtcdError {
    return (this.stale ??= new EtcdError('Conflict', `this try of the transaction cannot be committed: ${why}`));
  }
}
