import { asyncScheduler, defer, NEVER, of, type Observable } from 'rxjs';
import { requestText } from '../../../src/codec/message.js';
import type { Op, TxnResult, TxnSpec } from '../../../src/model/op.js';
import { createTestEtcd } from '../../../src/testing/index.js';
import { createStore } from '../../../src/testing/store/index.js';
import type { Caller } from '../../../src/transport/call.js';

/** Calls an etcd in memory. It responds at once, also outside of virtual time, and has no streams. */
export function memoryCaller(): Caller {
  const store = createStore({ now: () => asyncScheduler.now() });
  return {
    unary: (rpc, request) => defer(() => of(store.call(rpc, requestText(rpc, request), { isTrusted: true }))),
    ...{ stream: () => NEVER, channel: () => NEVER, get: () => NEVER },
  };
}

/** The target of operators that write: an etcd in memory, which responds at once. */
export class MemoryKv {
  readonly server = createTestEtcd().server;
  /** The transactions that were sent, in order. */
  readonly txns: TxnSpec[] = [];

  readonly get = (key: string) => defer(() => of(this.server.get(key)));
  readonly put = (...args: Parameters<typeof this.server.put>) => defer(() => of(this.server.put(...args)));
  readonly txn = <const S extends readonly Op[], const F extends readonly Op[]>(spec: TxnSpec<S, F>): Observable<TxnResult<S, F>> =>
    defer(() => {
      this.txns.push(spec);
      return of(this.server.txn(spec));
    });
}
