import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RequestOpOut,
  ResponseOpOut,
  TxnRequestOut,
  TxnResponseOut,
} from '../../codec/kv.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import { toBase64 } from '../../model/bytes.js';
import type { KeyValue } from '../../model/keyValue.js';
import { type Key, keyOf, type KeySpan, spanOf } from './keys.js';
import type { Leases } from './leases.js';
import type { Mvcc, NewValue } from './mvcc.js';
import { readRange, valueOf } from './ranges.js';
import { refusal } from './refusal.js';

export type Put = DecodedBy<typeof PutRequest>;
export type DeleteRange = DecodedBy<typeof DeleteRangeRequest>;
type Comparison = DecodedBy<typeof Compare>;

/** Creates the header of a response within a txn. It has only the revision. */
const innerHeader = (revision: number): TxnResponseOut['header'] => ({
  clusterId: '0' as TxnResponseOut['header']['clusterId'],
  memberId: '0' as TxnResponseOut['header']['memberId'],
  revision,
  raftTerm: 0,
});

/** Carries out the writes of requests. A transaction of the store must be in progress. */
export class Writer {
  constructor(
    private readonly mvcc: Mvcc,
    private readonly leases: Leases,
  ) {}

  /** Checks that the store allows a put. */
  checkPut({ key, ignoreValue, ignoreLease, lease }: Put): void {
    if ((ignoreValue || ignoreLease) && this.mvcc.get(keyOf(key)) === undefined) throw refusal('KeyNotFound');
    this.leases.check(lease);
  }

  /** Puts a key, and returns it as it was before. */
  put({ key, value, lease, ignoreValue, ignoreLease }: Put): KeyValue | undefined {
    const at = keyOf(key);
    const before = this.mvcc.get(at);
    const value64 = toBase64(ignoreValue && before !== undefined ? before.valueBytes : value);
    this.set(at, { value64, lease: ignoreLease ? before?.lease : lease === '0' ? undefined : lease });
    return before;
  }

  /** Puts a key, and attaches it to its lease. */
  set(key: Key, value: NewValue): void {
    const before = this.mvcc.get(key);
    this.mvcc.put(key, value);
    this.leases.attach(key, before?.lease, value.lease);
  }

  /** Deletes the keys of a span, and returns them as they were before. */
  delete(span: KeySpan): readonly KeyValue[] {
    const deleted = this.mvcc.delete(span);
    for (const kv of deleted) if (kv.lease !== undefined) this.leases.attach(keyOf(kv.keyBytes), kv.lease, undefined);
    return deleted;
  }

  /**
   * Carries out a txn. It evaluates all compares first, then checks the operations of the chosen branches, and then
   * runs them.
   */
  txn(request: TxnRequestOut): Omit<TxnResponseOut, 'header'> {
    const decided = this.decide(request);
    this.check(decided, ({ requestPut }) => {
      if (requestPut !== undefined) this.checkPut(requestPut);
    });
    this.check(decided, ({ requestRange }) => {
      if (requestRange !== undefined) this.mvcc.checkRevision(requestRange.revision);
    });
    return this.run(decided);
  }

  /** Evaluates the compares. The compares of nested txns read the state of the store before the outer txn. */
  private decide({ compare, success, failure }: TxnRequestOut): Decided {
    const succeeded = compare.every((comparison) => holds(this.mvcc, comparison));
    const ops = (succeeded ? success : failure).map((op): DecidedOp => ({ op, txn: op.requestTxn && this.decide(op.requestTxn) }));
    return { succeeded, ops };
  }

  private check({ ops }: Decided, one: (op: RequestOpOut) => void): void {
    for (const { op, txn } of ops) {
      if (txn !== undefined) this.check(txn, one);
      else one(op);
    }
  }

  private run({ succeeded, ops }: Decided): Omit<TxnResponseOut, 'header'> {
    return { succeeded, responses: ops.map((op) => this.runOp(op)) };
  }

  private runOp({ op: { requestRange, requestPut, requestDeleteRange }, txn }: DecidedOp): ResponseOpOut {
    if (txn !== undefined) return { ...NO_RESPONSE, responseTxn: { header: innerHeader(0), ...this.run(txn) } };
    if (requestRange !== undefined) {
      const header = innerHeader(this.mvcc.revision);
      return { ...NO_RESPONSE, responseRange: { header, ...readRange(this.mvcc, requestRange) } };
    }
    if (requestPut !== undefined) {
      const before = this.put(requestPut);
      const header = innerHeader(this.mvcc.revision);
      return { ...NO_RESPONSE, responsePut: { header, prevKv: requestPut.prevKv ? before : undefined } };
    }
    if (requestDeleteRange !== undefined) {
      const deleted = this.delete(spanOf(requestDeleteRange));
      const header = innerHeader(this.mvcc.revision);
      const prevKvs = requestDeleteRange.prevKv ? deleted : [];
      return { ...NO_RESPONSE, responseDeleteRange: { header, deleted: deleted.length, prevKvs } };
    }
    return NO_RESPONSE;
  }
}

interface Decided {
  readonly succeeded: boolean;
  readonly ops: readonly DecidedOp[];
}

interface DecidedOp {
  readonly op: RequestOpOut;
  readonly txn: Decided | undefined;
}

const NO_RESPONSE: ResponseOpOut = {
  responseRange: undefined,
  responsePut: undefined,
  responseDeleteRange: undefined,
  responseTxn: undefined,
};

/**
 * Returns whether a compare succeeds for all keys of its range. If the range has no keys, the compare is applied to a
 * key whose numbers are all 0.
 */
function holds(mvcc: Mvcc, comparison: Comparison): boolean {
  const kvs: KeyValue[] = [];
  mvcc.forEach(spanOf(comparison), 0, (kv) => void kvs.push(kv));
  // A compare of the value never succeeds for a missing key, even if the value in the compare is empty.
  if (kvs.length === 0) return comparison.target !== 'VALUE' && holdsFor(comparison, undefined);
  return kvs.every((kv) => holdsFor(comparison, kv));
}

function holdsFor(comparison: Comparison, kv: KeyValue | undefined): boolean {
  const order = orderOf(comparison, kv);
  switch (comparison.result) {
    case 'EQUAL':
      return order === 0;
    case 'NOT_EQUAL':
      return order !== 0;
    case 'GREATER':
      return order > 0;
    case 'LESS':
      return order < 0;
  }
}

/** Compares a property of a key with the value in a compare. Returns a negative number, 0 or a positive number. */
function orderOf({ target, version, createRevision, modRevision, value, lease }: Comparison, kv: KeyValue | undefined): number {
  switch (target) {
    case 'VERSION':
      return (kv?.version ?? 0) - version;
    case 'CREATE':
      return (kv?.createRevision ?? 0) - createRevision;
    case 'MOD':
      return (kv?.modRevision ?? 0) - modRevision;
    case 'VALUE':
      return inOrder(kv === undefined ? '' : valueOf(kv), keyOf(value));
    case 'LEASE':
      return inOrder(BigInt(kv?.lease ?? 0), BigInt(lease));
  }
}

const inOrder = <T extends bigint | string>(a: T, b: T): number => (a < b ? -1 : a > b ? 1 : 0);
