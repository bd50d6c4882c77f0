import { finalize, Subject, type Observable } from 'rxjs';
import type { TxnTarget } from '../../../operators/index.js';
import { toText } from '../../../src/model/bytes.js';
import type { Op, PutOp, TxnResult, TxnSpec } from '../../../src/model/op.js';

/** A txn of puts that waits for its response. */
export class HeldTxn {
  readonly #answer = new Subject<unknown>();
  open = true;

  constructor(readonly puts: readonly PutOp[]) {}

  get keys(): readonly string[] {
    return this.puts.map(({ key }) => toText(key));
  }

  get values(): readonly string[] {
    return this.puts.map(({ value }) => toText(value));
  }

  result(): Observable<unknown> {
    return this.#answer.pipe(finalize(() => (this.open = false)));
  }

  answer(revision: number): void {
    this.#answer.next({ header: { revision }, succeeded: true, responses: [] });
    this.#answer.complete();
  }

  fail(error: unknown): void {
    this.#answer.error(error);
  }
}

/** The part of `etcd.kv` that putAll needs: a test decides when a txn gets its response, and which. */
export class HeldKv implements TxnTarget {
  /** All txns that arrived, in order. */
  readonly txns: HeldTxn[] = [];

  get underWay(): readonly HeldTxn[] {
    return this.txns.filter(({ open }) => open);
  }

  /** The keys of all txns that arrived. */
  get keys(): readonly (readonly string[])[] {
    return this.txns.map(({ keys }) => keys);
  }

  txn<const S extends readonly Op[], const F extends readonly Op[]>({
    success = [] as unknown as S,
  }: TxnSpec<S, F>): Observable<TxnResult<S, F>> {
    const txn = new HeldTxn(success.filter((op) => op.op === 'put'));
    this.txns.push(txn);
    return txn.result() as Observable<TxnResult<S, F>>;
  }
}
