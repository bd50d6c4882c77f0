import { toBase64, type BytesLike } from '../../model/bytes.js';
import { key as on, type Compare } from '../../model/compare.js';
import type { LeaseId } from '../../model/ids.js';
import { KeyValue } from '../../model/keyValue.js';
import { del, put, type Op } from '../../model/op.js';
import { binaryKey, holds, keyBytes, rangeOf, spanOf, without, type BinaryKey, type Span } from '../../model/spans.js';

interface Pending {
  readonly value: BytesLike;
  readonly lease: LeaseId | undefined;
}

/** What a transaction will write when it is committed: of each key the last that was said of it. */
export class WriteSet {
  private readonly puts = new Map<BinaryKey, Pending>();
  /** A put that came after one of these is among the puts, too. */
  private readonly deletes: Span[] = [];

  put(key: BytesLike, value: BytesLike, lease: LeaseId | undefined): void {
    this.puts.set(spanOf({ key }).from, { value, lease });
  }

  delete(span: Span): void {
    for (const key of this.puts.keys()) if (holds(span, key)) this.puts.delete(key);
    this.deletes.push(span);
  }

  /** Whether a key is written, and what it will be. */
  find(key: BinaryKey): { readonly kv: KeyValue | undefined } | undefined {
    const pending = this.puts.get(key);
    if (pending !== undefined) return { kv: toKeyValue(key, pending) };
    return this.deletes.some((span) => holds(span, key)) ? { kv: undefined } : undefined;
  }

  /** What a range will hold, given what the store has there; in the order of the keys. */
  over(span: Span, stored: readonly KeyValue[]): readonly KeyValue[] {
    const all = new Map<BinaryKey, KeyValue>();
    for (const kv of stored) {
      const key = binaryKey(kv.keyBytes);
      if (this.find(key) === undefined) all.set(key, kv);
    }
    for (const [key, pending] of this.puts) if (holds(span, key)) all.set(key, toKeyValue(key, pending));
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kv]) => kv);
  }

  /** A txn may name no key twice: what is put is cut out of what is deleted. */
  ops(): readonly Op[] {
    const puts = [...this.puts].map(([key, { value, lease }]) => put(keyBytes(key), value, lease === undefined ? {} : { lease }));
    return [...puts, ...this.remaining().map((span) => del(rangeOf(span)))];
  }

  /** Hold as long as nobody has written there after a revision. Of what was read more than that is known. */
  compares(revision: number, isRead: (key: BinaryKey) => boolean): readonly Compare[] {
    const keys = [...this.puts.keys()].filter((key) => !isRead(key));
    const put = keys.map((key) => on({ key: keyBytes(key) }).modRevision.less(revision + 1));
    return [...put, ...this.remaining().map((span) => on(rangeOf(span)).modRevision.less(revision + 1))];
  }

  private remaining(): readonly Span[] {
    return this.deletes.flatMap((span) => without(span, this.puts.keys()));
  }
}

/** What is not committed has no revision and no version yet. */
function toKeyValue(key: BinaryKey, { value, lease }: Pending): KeyValue {
  return new KeyValue({ key64: toBase64(keyBytes(key)), value64: toBase64(value), createRevision: 0, modRevision: 0, version: 0, lease });
}
