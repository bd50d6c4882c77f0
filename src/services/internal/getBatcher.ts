import { defer, map, Observable, Subscription, type Subscriber, type Unsubscribable } from 'rxjs';
import { kvRpcs } from '../../codec/kv.js';
import { EtcdError, hasReason } from '../../errors/index.js';
import { isBytesLike, type BytesLike } from '../../model/bytes.js';
import type { KeyValue } from '../../model/keyValue.js';
import { get, type GetOp } from '../../model/op.js';
import type { Caller, CallOptions } from '../../transport/call.js';
import { atEndOfTurn } from '../../transport/endOfTurn.js';
import { toTxnRequest, toTxnResult } from './txn.js';

/** etcd's own limit to the operations of a txn; a server may have been started with a lower one. */
const MOST_OPS = 128;

/**
 * Reads of one key each that are asked for in the same turn of the event loop, as one txn: as it writes nothing, etcd answers it without a round of raft, and 64 of
 * them cost both sides little more than one. One that is alone goes as what it is. Where the txn is refused each goes by itself, and sees what it would have seen alone.
 */
export class GatheredReads {
  private waiting: Read[] = [];
  private most = MOST_OPS;

  /**
   * @param options all of them are linearizable, or all serializable: a txn is one or the other
   * @param requestTimeoutMs how long a read may take with all that is done for it
   */
  constructor(
    private readonly caller: Caller,
    private readonly options: GetOp['options'],
    private readonly requestTimeoutMs: number,
  ) {}

  get(key: BytesLike): Observable<KeyValue | undefined> {
    return new Observable((subscriber) => {
      const read = new Read(key, subscriber);
      if (this.waiting.push(read) === 1) atEndOfTurn(() => this.send());
      return read;
    });
  }

  private send(): void {
    const reads = this.waiting.filter(isWanted);
    this.waiting = [];
    for (let at = 0; at < reads.length; at += this.most) this.sendSome(reads.slice(at, at + this.most));
  }

  private sendSome(reads: readonly Read[]): void {
    if (reads.length > 1) this.sendTogether(reads);
    else reads.forEach((read) => this.sendAlone(read));
  }

  private sendAlone(read: Read, options?: CallOptions): void {
    read.call = this.caller.unary(kvRpcs.get, { key: read.key, ...this.options }, options).subscribe(read.subscriber);
  }

  private sendTogether(reads: readonly Read[]): void {
    const since = performance.now();
    const call = new Subscription();
    let left = reads.length;
    const leave = { unsubscribe: () => void (--left === 0 && call.unsubscribe()) };
    for (const read of reads) read.call = leave;
    call.add(
      this.txnOf(reads).subscribe({
        next: (kvs) => reads.forEach(({ subscriber }, index) => answer(subscriber, kvs[index])),
        error: (error: unknown) => this.settle(reads.filter(isWanted), error, this.requestTimeoutMs - (performance.now() - since)),
      }),
    );
  }

  private txnOf(reads: readonly Read[]): Observable<readonly (KeyValue | undefined)[]> {
    const spec = { success: reads.map(({ key }) => get(key, this.options)) };
    return defer(() => this.caller.unary(kvRpcs.gets, toTxnRequest(spec))).pipe(
      map((given) => {
        // It has no condition that could fail: what else says so is no etcd, and would make every key one that is not there.
        if (!given.succeeded)
          throw new EtcdError('MalformedResponse', 'a txn without a condition did not succeed', { rpc: kvRpcs.gets.name });
        return toTxnResult<readonly GetOp[], []>(spec, given).responses;
      }),
    );
  }

  private settle(reads: readonly Read[], error: unknown, timeLeftMs: number): void {
    // Nothing was refused: there was nobody to ask, or no time, and that is so for each.
    if (hasReason(error, 'Unreachable', 'ConnectionLost', 'DeadlineExceeded', 'ClientClosed') || timeLeftMs <= 0) {
      for (const { subscriber } of reads) subscriber.error(error);
      return;
    }
    if (hasReason(error, 'TooManyOps')) this.most = Math.min(this.most, Math.ceil(reads.length / 2));
    for (const read of reads) this.sendAlone(read, { timeoutMs: Math.ceil(timeLeftMs) });
  }
}

/** Somebody who waits for a key. */
class Read implements Unsubscribable {
  readonly key: BytesLike;
  /** What is under way for it. */
  call: Unsubscribable | undefined;

  constructor(
    key: BytesLike,
    readonly subscriber: Subscriber<KeyValue | undefined>,
  ) {
    // The bytes of now: they are the caller's, who may use them for something else before they are sent.
    this.key = isBytesLike(key) && typeof key !== 'string' ? new Uint8Array(key) : key;
  }

  unsubscribe(): void {
    this.call?.unsubscribe();
  }
}

const isWanted = ({ subscriber }: Read): boolean => !subscriber.closed;

function answer<T>(subscriber: Subscriber<T>, value: T): void {
  subscriber.next(value);
  subscriber.complete();
}
