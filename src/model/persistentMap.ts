import type { Map as ImmutableMap, ValueObject } from 'immutable';

/** A persistent map with text keys. A changed map shares all but O(log n) of its memory with the previous map. */
export type PersistentMap<V> = ImmutableMap<MapKey, V>;

/** A text, in the form that it has as a key of a {@link PersistentMap}. */
export type MapKey = string | LongKey;

/**
 * The length above which the library `immutable` caches the hash of a string. In the cache, the string is the name of a
 * property. So V8 adds the string to its table of property names. With a million keys, this took half of the CPU time
 * of the map. A turn of the event loop in which V8 enlarged the table took up to 170 ms.
 */
const CACHED_ABOVE = 16;

/** Returns the key of a text. */
export const mapKey = (text: string): MapKey => (text.length > CACHED_ABOVE ? new LongKey(text) : text);

/** Returns the text of a key. */
export const textOfKey = (key: MapKey): string => (typeof key === 'string' ? key : key.text);

/**
 * A random odd number, which is part of the hash. A map compares keys with equal hashes one by one, so an attacker must
 * not be able to choose such keys.
 */
const FACTOR = Math.floor(Math.random() * 2 ** 31) * 2 + 1;

/** A long text that computes its own hash. */
class LongKey implements ValueObject {
  constructor(readonly text: string) {}

  equals(other: unknown): boolean {
    return other instanceof LongKey && other.text === this.text;
  }

  hashCode(): number {
    const { text } = this;
    let hash = 0;
    for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, FACTOR) + text.charCodeAt(index)) | 0;
    return hash;
  }
}
