import type { WatchMessage, WatchStream } from '../watch/messages.js';
import { EtcdError } from '../errors/index.js';
import { isBytesLike, toBytes, type BytesLike } from '../model/bytes.js';
import { BYTES, invalidArgument } from '../model/validate.js';
import type { KeyValue } from '../model/keyValue.js';
import { prefixEnd } from '../model/range.js';
import type { WatchEvent } from '../model/events.js';

const TO_THE_END = '\0';

/** The keys of a request. */
interface Keys {
  readonly key?: BytesLike | undefined;
  readonly rangeEnd?: BytesLike | undefined;
}

/**
 * The prefix of a namespace's keys. It is added to the keys of requests, and removed from those of responses. It is
 * bytes, as a key need not be text.
 */
export class Prefix {
  private readonly bytes: Uint8Array;
  private readonly end: BytesLike;

  /** @throws EtcdError `InvalidArgument` for an invalid key, and for an empty prefix, which would be the whole store */
  constructor(prefix: BytesLike) {
    if (!isBytesLike(prefix) || prefix.length === 0)
      throw invalidArgument('prefix of a namespace', `${BYTES.what} that is not empty`, isBytesLike(prefix) ? '' : prefix);
    // A copy, as the caller may change the bytes. The `slice` of a `Buffer` would be none.
    this.bytes = new Uint8Array(toBytes(prefix));
    this.end = prefixEnd(this.bytes);
  }

  /**
   * Adds the prefix to a key, or to a name that is a prefix of keys. Other values are left to the codec, whose error
   * names the field.
   */
  before(key: BytesLike): BytesLike {
    if (!isBytesLike(key)) return key;
    const bytes = toBytes(key);
    const whole = new Uint8Array(this.bytes.length + bytes.length);
    whole.set(this.bytes);
    whole.set(bytes, this.bytes.length);
    return whole;
  }

  /**
   * Adds the prefix to the range of a request. A range up to the end of the store becomes one up to the end of the
   * namespace.
   */
  readonly around = <R extends Keys>(request: R): R => {
    const { key, rangeEnd } = request;
    if (isBytesLike(key) && key.length === 0) {
      // The error that the server would send. With the prefix the key would not be empty any more.
      throw new EtcdError('EmptyKey', 'etcdserver: key is not provided');
    }
    const whole = { ...request, key: key === undefined ? key : this.before(key) };
    return !isBytesLike(rangeEnd) || rangeEnd.length === 0
      ? whole
      : { ...whole, rangeEnd: isToTheEnd(rangeEnd) ? this.end : this.before(rangeEnd) };
  };

  /** Tells whether a key is in the namespace. */
  begins(key: Uint8Array): boolean {
    return this.bytes.every((byte, index) => key[index] === byte);
  }

  after(key: Uint8Array): Uint8Array {
    return key.slice(this.bytes.length);
  }

  /** Removes the prefix from the key of a pair. */
  readonly inside = (kv: KeyValue): KeyValue => kv.withoutPrefix(this.bytes.length);

  /** Removes the prefix from the keys of an event. */
  readonly insideEvent = (event: WatchEvent): WatchEvent => {
    const { kv, prevKv } = event;
    return { ...event, kv: this.inside(kv), ...(prevKv === undefined ? {} : { prevKv: this.inside(prevKv) }) };
  };
}

function isToTheEnd(rangeEnd: BytesLike): boolean {
  return rangeEnd.length === 1 && (rangeEnd === TO_THE_END || rangeEnd[0] === 0);
}

/** Wraps a shared stream for the watches of a namespace. So any number of namespaces use one connection. */
export function watchStreamWithin(stream: WatchStream, prefix: Prefix): WatchStream {
  const inside = (report: WatchMessage): WatchMessage =>
    report.type === 'created' ? report : { ...report, events: report.events.map(prefix.insideEvent) };
  return {
    watch: (target, startRevision, fragment) => ({
      subscribe: (observer) =>
        stream.watch(prefix.around(target), startRevision, fragment).subscribe({
          next: (report) => observer.next(inside(report)),
          error: (error) => observer.error(error),
          complete: () => observer.complete(),
        }),
    }),
  };
}
