import type { KeyValue } from '../../src/model/keyValue.js';
import type { PutEvent } from '../../src/model/events.js';

/** A stored value that a codec has accepted. */
export interface Decoded<A> {
  readonly key: string;
  readonly value: A;
  /** The revision of the key's last change, `modRevision`. */
  readonly revision: number;
  /** The source of the decoded value. */
  readonly kv: KeyValue;
}

/** A key with its value, from a read or from a watch: both can be decoded. */
export type Decodable = KeyValue | PutEvent;

export function kvOf(item: Decodable): KeyValue {
  return 'kv' in item ? item.kv : item;
}

export function decoded<A>(kv: KeyValue, value: A): Decoded<A> {
  return { key: kv.key, value, revision: kv.modRevision, kv };
}
