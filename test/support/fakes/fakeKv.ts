import { defer, of, type Observable } from 'rxjs';
import { type BytesLike, toText } from '../../../src/model/bytes.js';
import type { Compare, Op, TxnResult, TxnSpec } from '../../../src/model/op.js';
import type { KeyValue } from '../../../src/model/keyValue.js';
import type { PutResponse, ResponseHeader } from '../../../src/model/responses.js';
import { kv } from '../../operators/support.js';

/** As much of `etcd.kv` as the operators need, in memory: one key at a time, and every call a revision of its own. */
export class FakeKv {
  readonly keys = new Map<string, KeyValue>();
  /** What was asked, in order. */
  readonly asked: (TxnSpec | readonly [key: string, value: string, options: unknown])[] = [];
  #revision = 1;

  value(key: string): string | undefined {
    return this.keys.get(key)?.value;
  }

  delete(key: string): void {
    this.keys.delete(key);
    this.#revision++;
  }

  readonly get = (key: string): Observable<KeyValue | undefined> => defer(() => of(this.keys.get(key)));

  readonly put = (key: BytesLike, value: BytesLike, options: unknown = {}): Observable<PutResponse> =>
    defer(() => {
      this.asked.push([toText(key), toText(value), options]);
      this.#revision++;
      return of(this.#write(key, value));
    });

  readonly txn = <const S extends readonly Op[], const F extends readonly Op[]>(spec: TxnSpec<S, F>): Observable<TxnResult<S, F>> =>
    defer(() => {
      this.asked.push(spec);
      this.#revision++;
      return of(this.#commit(spec) as TxnResult<S, F>);
    });

  get #header(): ResponseHeader {
    return {
      clusterId: '1' as ResponseHeader['clusterId'],
      memberId: '1' as ResponseHeader['memberId'],
      revision: this.#revision,
      raftTerm: 1,
    };
  }

  #write(key: BytesLike, value: BytesLike): PutResponse {
    const before = this.keys.get(toText(key));
    const createRevision = before?.createRevision ?? this.#revision;
    this.keys.set(toText(key), kv(key, value, this.#revision, { createRevision, version: (before?.version ?? 0) + 1 }));
    return { header: this.#header, prevKv: undefined };
  }

  #commit({ compare = [], success = [], failure = [] }: TxnSpec): unknown {
    const succeeded = compare.every((condition) => this.#holds(condition));
    const responses = (succeeded ? success : failure).map((op) => {
      if (op.op === 'put') return this.#write(op.key, op.value);
      if (op.op === 'get') return this.keys.get(toText(op.key));
      if (op.op === 'txn') return this.#commit(op);
      throw new Error(`the fake has no ${op.op}`);
    });
    return { header: this.#header, succeeded, responses };
  }

  #holds({ range, target, value, result }: Compare): boolean {
    const given = typeof range === 'object' && 'key' in range ? range.key : range;
    const found = this.keys.get(toText(given as BytesLike));
    if (result !== 'EQUAL') throw new Error(`the fake has no ${result}`);
    if (target === 'VALUE') return found?.value === toText(value);
    if (target === 'LEASE') throw new Error('the fake has no leases');
    const field = { VERSION: 'version', CREATE: 'createRevision', MOD: 'modRevision' } as const;
    return (found?.[field[target]] ?? 0) === value;
  }
}
