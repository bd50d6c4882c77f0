import * as t from 'io-ts';
import { type AnyType, field, lazy, message, type MessageType } from '../codec/message.js';
import { array, bool, bytes, int32, string } from '../codec/scalars.js';
import { INVALID, jsonText, type Json, WireType } from '../codec/descriptors.js';
import { EtcdError } from '../errors/index.js';
import type { SwaggerEnum, SwaggerMessage, SwaggerScalar, SwaggerType } from './types.js';

/**
 * A value in etcd's spelling. A 64-bit integer is decimal text, as a `number` cannot hold all of them. A request may
 * also give a `number` or `bigint`. Bytes are a `Uint8Array`; text in a request is sent as UTF-8.
 */
export type SwaggerValue = string | number | bigint | boolean | null | undefined | Uint8Array | readonly SwaggerValue[] | SwaggerObject;

/** A message in etcd's spelling, such as `{ range_end: … }`. */
export interface SwaggerObject {
  readonly [field: string]: SwaggerValue;
}

/** Makes the codecs of a document, one for each message. */
export class Codecs {
  private readonly messages = new Map<SwaggerMessage, MessageType<SwaggerObject, SwaggerObject>>();

  of(type: SwaggerType): AnyType {
    switch (type.is) {
      case 'array':
        return array(this.field(type.of));
      case 'enum':
        return enumOf(type);
      case 'message':
        return this.ofMessage(type);
      default:
        return SCALARS[type.is];
    }
  }

  ofMessage(type: SwaggerMessage): MessageType<SwaggerObject, SwaggerObject> {
    const made = this.messages.get(type);
    if (made !== undefined) return made;
    const fields = [...type.fields].map(([name, of]) => [name, field(this.field(of), { wire: name })] as const);
    const codec = message(type.name, Object.fromEntries(fields));
    this.messages.set(type, codec);
    return codec;
  }

  /** Makes the codec of a field: of a message on first use, as it may contain itself. A missing one is undefined. */
  private field(type: SwaggerType): AnyType {
    return type.is === 'message' ? lazy(type.name, () => this.ofMessage(type)) : this.of(type);
  }
}

/** Makes the codec of an integer that a `number` cannot always hold. */
function integer(is: 'int64' | 'uint64', least: bigint, most: bigint): WireType<string, SwaggerValue> {
  const read = (input: unknown): string | typeof INVALID => {
    const isWhole = typeof input === 'bigint' || (typeof input === 'string' ? /^-?\d+$/.test(input) : Number.isSafeInteger(input));
    if (!isWhole) return INVALID;
    const value = BigInt(input as string | number | bigint);
    return value >= least && value <= most ? String(value) : INVALID;
  };
  const write = (value: unknown): string | typeof INVALID => {
    const text = read(value);
    return text === INVALID ? INVALID : `"${text}"`;
  };
  return new WireType<string, SwaggerValue>(is, { is }, () => '0', read, write);
}

/** Makes the codec of an enum, by the name or the number of a value. */
function enumOf({ name, values }: SwaggerEnum): WireType<string, string | number> {
  const read = (input: unknown): string | typeof INVALID => {
    const value = typeof input === 'number' ? values[input] : input;
    return typeof value === 'string' && values.includes(value) ? value : INVALID;
  };
  const write = (value: unknown): string | typeof INVALID => {
    const text = read(value);
    return text === INVALID ? INVALID : jsonText(text);
  };
  return new WireType<string, string | number>(
    `${name} (${values.join(', ')})`,
    { is: 'enum', values },
    () => values[0] ?? '',
    read,
    write,
  );
}

const number = new WireType<number>(
  'number',
  { is: 'number' },
  () => 0,
  (input) => (typeof input === 'number' ? input : INVALID),
  (value) => (Number.isFinite(value) ? String(value) : INVALID),
);

const json = new WireType<unknown>(
  'JSON',
  { is: 'json' },
  () => undefined,
  (input) => input,
  (value) => {
    const text = JSON.stringify(value) as string | undefined;
    return text === undefined ? INVALID : jsonText(JSON.parse(text) as Json);
  },
);

const SCALARS: Readonly<Record<SwaggerScalar['is'], AnyType>> = {
  string,
  bytes,
  bool,
  int32,
  number,
  json,
  int64: integer('int64', -(2n ** 63n), 2n ** 63n - 1n),
  uint64: integer('uint64', 0n, 2n ** 64n - 1n),
};

/** Makes io-ts's own type of a codec, which has a guard and encodes, too. */
export function typeOf<A>(codec: WireType<A>): t.Type<A, Json> {
  const isWritten = (input: unknown): input is A => {
    try {
      return codec.write(input as A) !== INVALID;
    } catch {
      // `write` throws to name an invalid field, and a type guard must not.
      return false;
    }
  };
  const encode = (value: A): Json => {
    const text = codec.write(value);
    if (text === INVALID) throw new EtcdError('InvalidArgument', `not a valid ${codec.name}`);
    return JSON.parse(text) as Json;
  };
  return new t.Type(codec.name, isWritten, (input, context) => codec.validate(input, context), encode);
}
