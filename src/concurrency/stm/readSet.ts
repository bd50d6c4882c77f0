import { key as on, type Compare } from '../../model/compare.js';
import type { KeyValue } from '../../model/keyValue.js';
import { binaryKey, holds, isPoint, keyBytes, rangeOf, type BinaryKey, type Span } from '../../model/spans.js';

interface Read {
  readonly span: Span;
  readonly kvs: ReadonlyMap<BinaryKey, KeyValue>;
  /** The store's revision of which it tells. */
  readonly revision: number;
}

/** What a transaction has read, keys that were not there included. */
export class ReadSet {
  private readonly reads: Read[] = [];

  /** The revision of the first read. */
  get first(): number | undefined {
    return this.reads[0]?.revision;
  }

  /** Whether a key was read, and what there was. */
  find(key: BinaryKey): { readonly kv: KeyValue | undefined } | undefined {
    const read = this.reads.find(({ span }) => holds(span, key));
    return read && { kv: read.kvs.get(key) };
  }

  /** What a range held when it was read. */
  findAll({ from, to }: Span): readonly KeyValue[] | undefined {
    const read = this.reads.find(({ span }) => span.from === from && span.to === to);
    return read && [...read.kvs.values()];
  }

  /** Adds what was read. False where it contradicts what was read before: then something has changed in between. */
  add(span: Span, found: readonly KeyValue[], revision: number): boolean {
    const read: Read = { span, kvs: new Map(found.map((kv) => [binaryKey(kv.keyBytes), kv])), revision };
    const agreed = this.reads.every((earlier) => agrees(earlier, read) && agrees(read, earlier));
    this.reads.push(read);
    return agreed;
  }

  /**
   * Hold as long as all is as it was read: each key has the revision that it had, and no key of a range a newer one, which a key that was not there
   * before would have.
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

/** What one read has found, the other has, as far as it looked there. */
function agrees(one: Read, other: Read): boolean {
  for (const [key, { modRevision }] of one.kvs) {
    if (holds(other.span, key) && other.kvs.get(key)?.modRevision !== modRevision) return false;
  }
  return true;
}
