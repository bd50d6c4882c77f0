import { type BytesLike, capturedBytes, isBytes, toText } from '../../model/bytes.js';
import type { KeyValue } from '../../model/keyValue.js';
import { defer, map, Observable, Subscription, type Observer, type Subscriber, type Unsubscribable } from 'rxjs';
import { kvRpcs } from '../../codec/kv.js';
import { EtcdError, hasReason } from '../../errors/index.js';
import type { GetOp } from '../../model/op.js';
import type { Caller, CallOptions } from '../../transport/call.js';
import { atEndOfTurn, monotonicNow } from '../../util/time.js';
import { compileTxn } from './txn.js';

/** The maximum number of operations in a txn, by etcd's default. A server may be configured with a lower maximum. */
const MAX_OPS = 128;

/**
 * Reads of single keys that are sent together. All reads that are requested in the same turn of the event loop are sent
 * as one txn. The txn only reads, so etcd does not append it to the raft log. For client and server, 64 reads cost
 * little more than one. A single read is sent as a plain `Range`. If the txn is rejected, each read is sent separately,
 * so that each has the right result. Large key-values are read one by one: a batch of them would cost more, and the
 * first one would wait for the last.
 */
export class GetBatcher {
  private waiting: Read[] = [];
  private most = MAX_OPS;

  /**
   * @param options the options of all reads. A whole txn is either linearizable or serializable
   * @param requestTimeoutMs the timeout of a read with all its attempts
   */
  constructor(
    private readonly caller: Caller,
    private readonly options: GetOp['options'],
    private readonly requestTimeoutMs: number,
    private readonly sizes: ReadSizes = new ReadSizes(),
  ) {}

  /** @param revision the revision to read at; by default the current one */
  get(given: BytesLike, revision?: number): Observable<KeyValue | undefined> {
    const key = capturedBytes(given);
    const options = revision === undefined ? this.options : { ...this.options, revision };
    return new Observable((subscriber) => {
      const read = new Read(key, options, subscriber);
      if (this.waiting.push(read) === 1) atEndOfTurn(() => this.send());
      return read;
    });
  }

  private send(): void {
    const reads = this.waiting.filter(isWanted);
    this.waiting = [];
    const [only] = reads;
    if (reads.length === 1 && only !== undefined) return this.sendAlone(only, only.subscriber);
    for (const batch of this.batchesOf(reads)) {
      const [first] = batch;
      if (batch.length === 1 && first !== undefined) this.sendAlone(first, this.noting(first));
      else this.sendTogether(batch);
    }
  }

  /** Splits reads into batches. The number of operations in a txn is limited, and so is the size of the response. */
  private batchesOf(reads: readonly Read[]): readonly (readonly Read[])[] {
    const batches: Read[][] = [];
    let batch: Read[] = [];
    let left = 0;
    for (const read of reads) {
      const size = this.sizes.of(read.key);
      if (size > MAX_IN_BATCH) {
        batches.push([read]);
        continue;
      }
      if (batch.length === 0 || batch.length === this.most || size > left) {
        batches.push((batch = []));
        left = BATCH_SIZE;
      }
      batch.push(read);
      left -= size;
    }
    return batches;
  }

  private sendAlone(read: Read, observer: Observer<KeyValue | undefined>, options?: CallOptions): void {
    read.call = this.caller.unary(kvRpcs.get, { key: read.key, ...read.options }, options).subscribe(observer);
  }

  /** Returns an observer that passes on the result of a read, and records its size. */
  private noting({ key, subscriber }: Read): Observer<KeyValue | undefined> {
    return {
      next: (kv) => {
        this.sizes.note(key, kv);
        subscriber.next(kv);
      },
      error: (error) => subscriber.error(error),
      complete: () => subscriber.complete(),
    };
  }

  private sendTogether(reads: readonly Read[]): void {
    // The timeout of the reads begins when the txn is sent, and not while it waits for a connection.
    let sentAt: number | undefined;
    const call = new Subscription();
    let left = reads.length;
    const leave = { unsubscribe: () => void (--left === 0 && call.unsubscribe()) };
    for (const read of reads) read.call = leave;
    call.add(
      this.txnOf(reads, () => (sentAt = monotonicNow())).subscribe({
        next: (kvs) =>
          reads.forEach(({ key, subscriber }, index) => {
            this.sizes.note(key, kvs[index]);
            respond(subscriber, kvs[index]);
          }),
        error: (error: unknown) => {
          const now = monotonicNow();
          this.settle(reads.filter(isWanted), error, this.requestTimeoutMs - (now - (sentAt ?? now)));
        },
      }),
    );
  }

  private txnOf(reads: readonly Read[], onSent: () => void): Observable<readonly (KeyValue | undefined)[]> {
    return defer(() => {
      const { request, resultOf } = compileTxn<readonly GetOp[], []>({ success: reads.map(toOp) });
      return this.caller.unary(kvRpcs.gets, request, undefined, onSent).pipe(
        map((given) => {
          // The txn has no compare that could be false, so this response is not from etcd. If the response were
          // accepted, every key would seem to be missing.
          if (!given.succeeded)
            throw new EtcdError('MalformedResponse', 'a txn without a condition did not succeed', { rpc: kvRpcs.gets.name });
          return resultOf(given).responses;
        }),
      );
    });
  }

  private settle(reads: readonly Read[], error: unknown, timeLeftMs: number): void {
    // The failure concerns all reads: it does not depend on their keys, or no time is left.
    if (hasReason(error, ...FOR_ALL) || timeLeftMs <= 0) {
      for (const { subscriber } of reads) subscriber.error(error);
      return;
    }
    if (hasReason(error, 'TooManyOps')) this.most = Math.min(this.most, Math.ceil(reads.length / 2));
    if (hasReason(error, 'ResponseTooLarge')) for (const { key } of reads) this.sizes.noteTooLarge(key);
    for (const read of reads) this.sendAlone(read, this.noting(read), { timeoutMs: Math.ceil(timeLeftMs) });
  }
}

/**
 * The failures that do not depend on the keys. If a proxy limits or rejects requests, it must not receive another
 * request for each read.
 */
const FOR_ALL = [
  'Unreachable',
  'ConnectionLost',
  'DeadlineExceeded',
  'ClientClosed',
  'TooManyRequests',
  'TooManyPending',
  'ProxyRefused',
] as const;

/** A read of a key for one subscriber. */
class Read implements Unsubscribable {
  /** The pending call that reads the key. */
  call: Unsubscribable | undefined;

  constructor(
    readonly key: BytesLike,
    readonly options: GetOp['options'],
    readonly subscriber: Subscriber<KeyValue | undefined>,
  ) {}

  unsubscribe(): void {
    this.call?.unsubscribe();
  }
}

/** Creates the operation from a key and options that were copied already. The function `get` would copy them again. */
const toOp = ({ key, options }: Read): GetOp => ({ op: 'get', key, options });

const isWanted = ({ subscriber }: Read): boolean => !subscriber.closed;

function respond<T>(subscriber: Subscriber<T>, value: T): void {
  subscriber.next(value);
  subscriber.complete();
}

/**
 * The maximum size of the response to a batch of reads, in characters of base64. In a larger response, a read costs
 * more than a separate request.
 */
export const BATCH_SIZE = 131_072;
/** The maximum size of a key-value that is read together with others in a batch. */
export const MAX_IN_BATCH = BATCH_SIZE / 4;

/**
 * The assumed size of a key-value before any was read. It limits the first batch to 16 reads, as each key-value may be
 * a megabyte long.
 */
const UNSEEN = BATCH_SIZE / 16;
/**
 * The minimum size of the key-values whose sizes are recorded. Smaller ones do not matter, as a batch can hold dozens
 * of them.
 */
const LARGE = BATCH_SIZE / 32;
/** The maximum number of keys whose sizes are recorded. */
const MAX_KEYS = 1_000;
/** The part of the average that the newest size contributes. */
const WEIGHT = 1 / 16;

/**
 * The expected sizes of key-values, in characters of base64. They are estimated from the key-values that were read
 * before.
 */
export class ReadSizes {
  /** The sizes of large key-values by key. The newest is last. */
  private readonly large = new Map<BytesLike, number>();
  /** The average size of all other key-values. */
  private average: number | undefined;

  /** Returns the expected size of the key-value of a key. */
  of(key: BytesLike): number {
    return this.remembered(key) ?? this.average ?? UNSEEN;
  }

  /** Records the size of the key-value that was read for a key. */
  note(key: BytesLike, kv: KeyValue | undefined): void {
    this.noteSize(key, kv?.base64Length ?? 0);
  }

  /** Records that the response to a batch with this key was too large. */
  noteTooLarge(key: BytesLike): void {
    this.noteSize(key, BATCH_SIZE);
  }

  private noteSize(key: BytesLike, size: number): void {
    if (this.remembered(key) === undefined)
      this.average = this.average === undefined ? size : this.average + (size - this.average) * WEIGHT;
    else this.large.delete(idOf(key));
    if (size < LARGE) return;
    this.large.set(idOf(key), size);
    if (this.large.size <= MAX_KEYS) return;
    for (const oldest of this.large.keys()) {
      this.large.delete(oldest);
      return;
    }
  }

  private remembered(key: BytesLike): number | undefined {
    return this.large.size === 0 ? undefined : this.large.get(idOf(key));
  }
}

/**
 * Converts bytes to text, so that a key has the same id in both forms. An invalid key is returned unchanged, as the
 * codec rejects it later.
 */
const idOf = (key: BytesLike): BytesLike => (isBytes(key) ? toText(key) : key);
