import { EtcdError } from '../errors/index.js';
import { isBytesLike, toBytes, type BytesLike } from '../model/bytes.js';
import { typeName } from '../model/failures.js';
import type { KeyValue } from '../model/keyValue.js';
import { prefixEnd } from '../model/range.js';
import type { WatchEvent } from '../model/watchEvent.js';

const TO_THE_END = '\0';

/** The keys that a request is about. */
interface Keys {
  readonly key?: BytesLike | undefined;
  readonly rangeEnd?: BytesLike | undefined;
}

/** What all keys of a namespace begin with: put before what is asked, and taken from what is answered. In bytes, as a key need not be text. */
export class Prefix {
  private readonly bytes: Uint8Array;
  private readonly end: BytesLike;

  /** @throws EtcdError `InvalidArgument` for what is no key, and for an empty one, which would be the whole store */
  constructor(prefix: BytesLike) {
    if (!isBytesLike(prefix) || prefix.length === 0) {
      const given = isBytesLike(prefix) ? 'an empty one' : typeName(prefix);
      throw new EtcdError('InvalidArgument', `the prefix of a namespace is a string or Uint8Array that is not empty, not ${given}`);
    }
    // A copy: its owner may change it. A Buffer's own `slice` would be none.
    this.bytes = new Uint8Array(toBytes(prefix));
    this.end = prefixEnd(this.bytes);
  }

  /** A key, or a name that keys will begin with. What is neither text nor bytes is left to the codec, which names the field. */
  before(key: BytesLike): BytesLike {
    if (!isBytesLike(key)) return key;
    const bytes = toBytes(key);
    const whole = new Uint8Array(this.bytes.length + bytes.length);
    whole.set(this.bytes);
    whole.set(bytes, this.bytes.length);
    return whole;
  }

  /** The keys of a request. Where they go on to the end of the store, they go on to the end of the namespace. */
  readonly around = <R extends Keys>(request: R): R => {
    const { key, rangeEnd } = request;
    if (isBytesLike(key) && key.length === 0) {
      // The server's own word: with the prefix before it, it would no longer be empty.
      throw new EtcdError('EmptyKey', 'etcdserver: key is not provided');
    }
    const whole = { ...request, key: key === undefined ? key : this.before(key) };
    return !isBytesLike(rangeEnd) || rangeEnd.length === 0
      ? whole
      : { ...whole, rangeEnd: isToTheEnd(rangeEnd) ? this.end : this.before(rangeEnd) };
  };

  /** True for a key of the namespace. */
  begins(key: Uint8Array): boolean {
    return this.bytes.every((byte, index) => key[index] === byte);
  }

  after(key: Uint8Array): Uint8Array {
    return key.slice(this.bytes.length);
  }

  /** A pair as the namespace has it. */
  readonly inside = (kv: KeyValue): KeyValue => kv.withoutPrefix(this.bytes.length);

  /** An event as the namespace has it. */
  readonly insideEvent = (event: WatchEvent): WatchEvent => {
    const { kv, prevKv } = event;
    return { ...event, kv: this.inside(kv), ...(prevKv === undefined ? {} : { prevKv: this.inside(prevKv) }) };
  };
}

function isToTheEnd(rangeEnd: BytesLike): boolean {
  return rangeEnd.length === 1 && (rangeEnd === TO_THE_END || rangeEnd[0] === 0);
}
