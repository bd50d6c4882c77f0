import { KeyValue } from '../../model/keyValue.js';
import type { WatchEvent } from '../../model/events.js';
import { binaryKey, holds, type BinaryKey, type Span } from '../../model/range.js';
import type { Collector } from '../live/listAndWatch.js';

/**
 * The key-values of a range, in the order of etcd. Events change the list in place, so {@link SortedKeys.within}
 * returns a copy.
 */
export class SortedKeys {
  private readonly byKey = new Map<BinaryKey, KeyValue>();
  private readonly order: BinaryKey[] = [];
  /** The newest revision at which an existing key was changed; undefined if it must be computed again. */
  private newest: number | undefined = 0;

  /** Collects the keys of a list. The keys arrive in order. */
  static collect(): Collector<SortedKeys> {
    const keys = new SortedKeys();
    return {
      *add(kvs) {
        for (const kv of kvs) {
          keys.put(kv);
          yield;
        }
      },
      done: () => keys,
    };
  }

  get size(): number {
    return this.order.length;
  }

  /** The newest revision at which an existing key was changed; 0 if there is no key. */
  get newestChange(): number {
    if (this.newest === undefined) {
      this.newest = 0;
      for (const { modRevision } of this.byKey.values()) if (modRevision > this.newest) this.newest = modRevision;
    }
    return this.newest;
  }

  get(key: BinaryKey): KeyValue | undefined {
    return this.byKey.get(key);
  }

  /** Applies an event, and returns the previous key-value of its key. */
  apply({ type, kv }: WatchEvent): KeyValue | undefined {
    return type === 'put' ? this.put(kv) : this.delete(keyOf(kv));
  }

  /** Returns the key-values of a span, at most `limit` of them, and the number of all keys in the span. */
  within({ from, to }: Span, limit: number): { readonly kvs: readonly KeyValue[]; readonly count: number } {
    const first = this.placeOf(from);
    const end = to === undefined ? this.order.length : this.placeOf(to);
    const kvs: KeyValue[] = [];
    for (let place = first; place < end && kvs.length < limit; place++) {
      const kv = this.byKey.get(this.order[place] ?? '');
      if (kv !== undefined) kvs.push(kv);
    }
    return { kvs, count: Math.max(0, end - first) };
  }

  private put(kv: KeyValue): KeyValue | undefined {
    const key = keyOf(kv);
    const before = this.byKey.get(key);
    this.byKey.set(key, kv);
    if (before === undefined) this.insert(key);
    if (this.newest !== undefined && kv.modRevision > this.newest) this.newest = kv.modRevision;
    return before;
  }

  private insert(key: BinaryKey): void {
    const last = this.order.at(-1);
    if (last === undefined || last < key) this.order.push(key);
    else this.order.splice(this.placeOf(key), 0, key);
  }

  private delete(key: BinaryKey): KeyValue | undefined {
    const before = this.byKey.get(key);
    if (before === undefined) return undefined;
    this.byKey.delete(key);
    this.order.splice(this.placeOf(key), 1);
    if (before.modRevision === this.newest) this.newest = undefined;
    return before;
  }

  /** Returns the index of the first key that is not below a given key. */
  private placeOf(key: BinaryKey): number {
    let [low, high] = [0, this.order.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.order[middle] ?? '') < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Returns the key of a key-value in its binary form, even if the key is not UTF-8. */
function keyOf(kv: KeyValue): BinaryKey {
  const { key } = kv;
  // The text of an ASCII key identifies its bytes, so the text is used. The text of other keys may have lost bytes.
  const binary = binaryKey(key);
  return binary === key ? key : binaryKey(kv.keyBytes);
}

/** Returns whether the key of an event is in a span. */
export const isWithin = (span: Span, { kv }: WatchEvent): boolean => holds(span, keyOf(kv));

/** Returns a key-value without its value, as `keysOnly` returns it. */
export function withoutValue({ keyBase64, createRevision, modRevision, version, lease }: KeyValue): KeyValue {
  return new KeyValue({ key64: keyBase64, value64: '', createRevision, modRevision, version, lease });
}
