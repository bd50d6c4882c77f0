import { defer, of, type Observable } from 'rxjs';
import { kvRpcs, type RequestOpIn, type ResponseOpOut, type TxnRequestIn, type TxnResponseOut } from '../../../src/codec/kv.js';
import type { AnswerOf, RequestOf, Rpc } from '../../../src/codec/descriptors.js';
import { toBase64, toBytes, type BytesLike } from '../../../src/model/bytes.js';
import { KeyValue } from '../../../src/model/keyValue.js';
import type { Caller } from '../../../src/transport/call.js';

type Header = AnswerOf<typeof kvRpcs.range>['header'];
type Keys = Pick<RequestOf<typeof kvRpcs.range>, 'key' | 'rangeEnd'>;

const hex = (bytes: BytesLike): string => Buffer.from(toBytes(bytes)).toString('hex');

/** True for a key in what a request names, as etcd has it: one key, from one on up to another, or to the end. */
export function isIn(key: Uint8Array, { key: from = '', rangeEnd = '' }: Keys): boolean {
  const [low, end, at] = [hex(from), hex(rangeEnd), hex(key)];
  if (end === '') return at === low;
  return at >= low && (end === '00' || at < end);
}

/** As much of etcd's KV service as shows which keys are meant: versions count, revisions are all 1. */
export class FakeStore implements Pick<Caller, 'unary'> {
  private readonly pairs = new Map<string, KeyValue>();

  readonly unary: Caller['unary'] = <In, A>(rpc: Rpc<In, A>, request: In): Observable<A> =>
    // Each RPC is answered with its own answer, which the type checker cannot know.
    defer(() => of(this.answer(rpc as Rpc<unknown, unknown>, request) as A));

  get caller(): Caller {
    const none = (): never => {
      throw new Error('the fake has no streams');
    };
    return { unary: this.unary, stream: none, channel: none, get: none };
  }

  private answer(rpc: Rpc<unknown, unknown>, request: unknown): unknown {
    const all: readonly unknown[] = [kvRpcs.txn, kvRpcs.readTxn];
    if (all.includes(rpc)) return this.txn(request as TxnRequestIn);
    if (rpc === (kvRpcs.put as unknown)) return this.op({ requestPut: request as object }).responsePut;
    if (rpc === (kvRpcs.deleteRange as unknown)) return this.op({ requestDeleteRange: request as object }).responseDeleteRange;
    return this.op({ requestRange: request as object }).responseRange;
  }

  private found(keys: Keys): KeyValue[] {
    return [...this.pairs].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([, kv]) => (isIn(kv.keyBytes, keys) ? [kv] : []));
  }

  private txn({ compare = [], success = [], failure = [] }: TxnRequestIn): TxnResponseOut {
    const succeeded = compare.every((condition) => {
      const kvs = this.found(condition);
      if (condition.target !== 'VERSION') throw new Error('the fake compares versions');
      const versions = kvs.length === 0 ? [0] : kvs.map(({ version }) => version);
      return versions.every((version) => version === (condition.version ?? 0));
    });
    return { header, succeeded, responses: (succeeded ? success : failure).map((op) => this.op(op)) };
  }

  private op({ requestRange, requestPut, requestDeleteRange, requestTxn }: RequestOpIn): ResponseOpOut {
    const none = { responseRange: undefined, responsePut: undefined, responseDeleteRange: undefined, responseTxn: undefined };
    if (requestTxn !== undefined) return { ...none, responseTxn: this.txn(requestTxn) };
    if (requestPut !== undefined) {
      const { key = '', value = '' } = requestPut;
      const before = this.pairs.get(hex(key));
      const version = (before?.version ?? 0) + 1;
      this.pairs.set(
        hex(key),
        new KeyValue({ key64: toBase64(key), value64: toBase64(value), createRevision: 1, modRevision: 1, version, lease: undefined }),
      );
      return { ...none, responsePut: { header, prevKv: before } };
    }
    if (requestDeleteRange !== undefined) {
      const prevKvs = this.found(requestDeleteRange);
      for (const { keyBytes } of prevKvs) this.pairs.delete(hex(keyBytes));
      return { ...none, responseDeleteRange: { header, deleted: prevKvs.length, prevKvs } };
    }
    const kvs = this.found(requestRange ?? {});
    const limit = (requestRange?.limit ?? 0) || kvs.length;
    return { ...none, responseRange: { header, kvs: kvs.slice(0, limit), more: kvs.length > limit, count: kvs.length } };
  }
}

const header = { clusterId: '1', memberId: '1', revision: 1, raftTerm: 1 } as Header;
