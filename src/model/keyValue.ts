import * as E from 'fp-ts/lib/Either.js';
import type { Decoder } from 'io-ts';
import { InvalidValueError } from '../errors/index.js';
import { fromBase64, textFromBase64, toText } from './bytes.js';
import { failuresOf } from './failures.js';
import type { LeaseId } from './ids.js';

/** What a key-value pair is made from: the wire's base64 and its numbers, checked. */
export interface KeyValueParts {
  readonly key64: string;
  readonly value64: string;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: LeaseId | undefined;
}

/**
 * A key with its value, as etcd holds it. It keeps the wire's base64 and decodes on first touch, so that ten thousand of them cost little until
 * they are read. Keys and values may be any bytes: `key` and `value` read them as UTF-8, `keyBytes` and `valueBytes` give them as they are.
 */
export class KeyValue {
  private readonly key64: string;
  private readonly value64: string;
  /** The revision at which the key was created, since its last deletion. */
  readonly createRevision: number;
  /** The revision of its last change. */
  readonly modRevision: number;
  /** The number of changes since it was created; 1 for a new key, 0 for one that was deleted. */
  readonly version: number;
  /** The lease it hangs on; undefined where there is none. */
  readonly lease: LeaseId | undefined;

  #key: string | undefined;
  #value: string | undefined;

  constructor(parts: KeyValueParts) {
    this.key64 = parts.key64;
    this.value64 = parts.value64;
    this.createRevision = parts.createRevision;
    this.modRevision = parts.modRevision;
    this.version = parts.version;
    this.lease = parts.lease;
  }

  /** The key as UTF-8 text. */
  get key(): string {
    return (this.#key ??= textFromBase64(this.key64));
  }

  /** The value as UTF-8 text. */
  get value(): string {
    return (this.#value ??= textFromBase64(this.value64));
  }

  /** The key's bytes: a fresh array, yours to keep. */
  get keyBytes(): Uint8Array {
    return fromBase64(this.key64);
  }

  /** The value's bytes: a fresh array, yours to keep. */
  get valueBytes(): Uint8Array {
    return fromBase64(this.value64);
  }

  /**
   * The value read as JSON and checked by an io-ts codec.
   *
   * @returns `right(value)`, or `left(InvalidValueError)` where it is not JSON or not what the codec wants.
   *
   * ```ts
   * const config = kv.json(t.type({ color: t.string }));
   * ```
   */
  json<A>(codec: Decoder<unknown, A>): E.Either<InvalidValueError, A> {
    let parsed: unknown;
    try {
      parsed = JSON.parse(this.value);
    } catch {
      // The engine's message quotes the text, and a value may be a secret.
      return E.left(new InvalidValueError(this.key, ['it is not JSON']));
    }
    return E.mapLeft((errors: Parameters<typeof failuresOf>[0]) => new InvalidValueError(this.key, failuresOf(errors)))(
      codec.decode(parsed),
    );
  }

  /** Whether its key is as it was: neither changed nor, by the revisions of another store, something else. */
  isUnchangedSince({ value64, createRevision, modRevision, version, lease }: KeyValue): boolean {
    const sameRevisions = this.modRevision === modRevision && this.createRevision === createRevision && this.version === version;
    return sameRevisions && this.lease === lease && this.value64 === value64;
  }

  /** The same pair under its key without the first so many bytes: what a namespace shows of it. */
  withoutPrefix(length: number): KeyValue {
    const { key64, value64, createRevision, modRevision, version, lease } = this;
    // Three bytes are four characters of base64, and are cut off as such; what is left over is cut off when somebody looks.
    const parts = { key64: key64.slice(Math.floor(length / 3) * 4), value64, createRevision, modRevision, version, lease };
    const over = length % 3;
    return over === 0 ? new KeyValue(parts) : new CutKeyValue(parts, over);
  }

  /** What `JSON.stringify` shows, and `console.log`: text, not base64. */
  toJSON(): { key: string; value: string; createRevision: number; modRevision: number; version: number; lease?: LeaseId } {
    const { key, value, createRevision, modRevision, version, lease } = this;
    return { key, value, createRevision, modRevision, version, ...(lease === undefined ? {} : { lease }) };
  }

  /** Node's `console.log` asks for it; a registered symbol, so that nothing here depends on Node. */
  [Symbol.for('nodejs.util.inspect.custom')](): unknown {
    return this.toJSON();
  }
}

/** A pair of whose key the first one or two bytes do not count. A class of its own, so that all others carry no number for it. */
class CutKeyValue extends KeyValue {
  #text: string | undefined;

  constructor(
    parts: KeyValueParts,
    private readonly over: number,
  ) {
    super(parts);
  }

  override get key(): string {
    return (this.#text ??= toText(this.keyBytes));
  }

  override get keyBytes(): Uint8Array {
    return super.keyBytes.slice(this.over);
  }

  override withoutPrefix(length: number): KeyValue {
    return super.withoutPrefix(length + this.over);
  }
}
