import type { Observable } from 'rxjs';
import type { BytesLike } from '../../src/model/bytes.js';
import type { Op, PutOptions, TxnResult, TxnSpec } from '../../src/model/op.js';
import type { PutResponse } from '../../src/model/responses.js';

/** The target of txns: `etcd.kv`, or a fake of it in a test. */
export interface TxnTarget {
  txn<const S extends readonly Op[], const F extends readonly Op[]>(spec: TxnSpec<S, F>): Observable<TxnResult<S, F>>;
}

/** The target of puts: `etcd.kv`, or a fake of it in a test. */
export interface PutTarget {
  put(key: BytesLike, value: BytesLike, options: PutOptions): Observable<PutResponse>;
}
