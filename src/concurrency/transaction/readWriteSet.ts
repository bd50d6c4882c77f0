import { toBase64, type BytesLike } from '../../model/bytes.js';
import { type Compare, del, key as on, type Op, put } from '../../model/op.js';
import type { LeaseId } from '../../model/ids.js';
import { KeyValue } from '../../model/keyValue.js';
import { binaryKey, type BinaryKey, holds, isPoint, keyBytes, rangeOf, type Span, spanOf, without } from '../../model/range.js';

interface Read {
  readonly span: Span;
  readonly kvs: ReadonlyMap<BinaryKey, KeyValue>;
  /** The revision of the store that the read shows. */
  readonly revision: number;
}

/** The reads of a transaction. They include keys that did not exist. */
export class ReadSet {
  private readonly reads: Read[] = [];

  /** The revision of the first read; undefined if there is none. */
  get first(): number | undefined {
    return this.reads[0]?.revision;
  }

  /** Returns the result of the read of a key; undefined if it was not read. */
  find(key: BinaryKey): { readonly kv: KeyValue | undefined } | undefined {
    const read = this.reads.find(({ span }) => holds(span, key));
    return read && { kv: read.kvs.get(key) };
  }

  /** Returns the keys that a read of the range has found; undefined if the range was not read. */
  findAll({ from, to }: Span): readonly KeyValue[] | undefined {
    const read = this.reads.find(({ span }) => span.from === from && span.to === to);
    return read && [...read.kvs.values()];
  }

  /**
   * Adds a read. Returns false if the read contradicts an earlier one, because a key has changed between the two reads.
   */
  add(span: Span, found: readonly KeyValue[], revision: number): boolean {
    const read: Read = { span, kvs: new Map(found.map((kv) => [binaryKey(kv.keyBytes), kv])), revision };
    const agreed = this.reads.every((earlier) => agrees(earlier, read) && agrees(read, earlier));
    this.reads.push(read);
    return agreed;
  }

  /**
   * Returns compares that are true as long as the reads are valid. Each key must have the mod revision that was read.
   * No key of a range may have a mod revision that is newer than the read. This also excludes keys that were created
   * since the read.
   */
  compares(): readonly Compare[] {
    const byKey = new Map<BinaryKey, Compare>();
    const byRange: Compare[] = [];
    for (const { span, kvs, revision } of this.reads) {
      for (const [key, { modRevision }] of kvs) byKey.set(key, on({ key: keyBytes(key) }).modRevision.equals(modRevision));
      if (!isPoint(span)) byRange.push(on(rangeOf(span)).modRevision.less(revision + 1));
      else if (kvs.size === 0) byKey.set(span.from, on(rangeOf(span)).modRevision.equals(0));
    }
    return [...byKey.values(), ...byRange];
  }
}

/** Returns whether two reads agree on the keys that both have read. */
function agrees(one: Read, other: Read): boolean {
  for (const [key, { modRevision }] of one.kvs) {
    if (holds(other.span, key) && other.kvs.get(key)?.modRevision !== modRevision) return false;
  }
  return true;
}

interface Pending {
  readonly value: BytesLike;
  readonly lease: LeaseId | undefined;
}

/** The writes of a transaction before its commit. If a key is written several times, only the last write counts. */
export class WriteSet {
  private readonly puts = new Map<BinaryKey, Pending>();
  /** The deleted ranges. If a key was put after its range was deleted, the put is in `puts`, and takes precedence. */
  private readonly deletes: Span[] = [];

  put(key: BytesLike, value: BytesLike, lease: LeaseId | undefined): void {
    this.puts.set(spanOf({ key }).from, { value, lease });
  }

  delete(span: Span): void {
    for (const key of this.puts.keys()) if (holds(span, key)) this.puts.delete(key);
    this.deletes.push(span);
  }

  /** Returns the state of a key after the commit; undefined if the transaction does not write it. */
  find(key: BinaryKey): { readonly kv: KeyValue | undefined } | undefined {
    const pending = this.puts.get(key);
    if (pending !== undefined) return { kv: toKeyValue(key, pending) };
    return this.deletes.some((span) => holds(span, key)) ? { kv: undefined } : undefined;
  }

  /** Applies the writes to the stored keys of a range, and returns the result in the order of the keys. */
  over(span: Span, stored: readonly KeyValue[]): readonly KeyValue[] {
    const all = new Map<BinaryKey, KeyValue>();
    for (const kv of stored) {
      const key = binaryKey(kv.keyBytes);
      if (this.find(key) === undefined) all.set(key, kv);
    }
    for (const [key, pending] of this.puts) if (holds(span, key)) all.set(key, toKeyValue(key, pending));
    return [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, kv]) => kv);
  }

  /**
   * Returns the operations of the commit. A txn may not write a key twice, so keys that are put are excluded from the
   * deleted ranges.
   */
  ops(): readonly Op[] {
    const puts = [...this.puts].map(([key, { value, lease }]) => put(keyBytes(key), value, lease === undefined ? {} : { lease }));
    return [...puts, ...this.remaining().map((span) => del(rangeOf(span)))];
  }

  /**
   * Returns compares that are true as long as no written key has changed since a revision. Keys that were also read are
   * left out, as they have stricter compares already.
   */
  compares(revision: number, isRead: (key: BinaryKey) => boolean): readonly Compare[] {
    const keys = [...this.puts.keys()].filter((key) => !isRead(key));
    const put = keys.map((key) => on({ key: keyBytes(key) }).modRevision.less(revision + 1));
    return [...put, ...this.remaining().map((span) => on(rangeOf(span)).modRevision.less(revision + 1))];
  }

  private remaining(): readonly Span[] {
    return this.deletes.flatMap((span) => without(span, this.puts.keys()));
  }
}

/** Creates the key-value of a write before its commit. Its revisions and its version are 0. */
function toKeyValue(key: BinaryKey, { value, lease }: Pending): KeyValue {
  return new KeyValue({ key64: toBase64(keyBytes(key)), value64: toBase64(value), createRevision: 0, modRevision: 0, version: 0, lease });
}
