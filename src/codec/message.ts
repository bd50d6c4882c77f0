import { AmbiguousWriteError, EtcdError, isEtcdError } from '../errors/index.js';
import { invalidArgument, isRecord, tooDeep } from '../model/validate.js';
import { type Rpc, type Field, INVALID, type WireKind, WireType } from './descriptors.js';
import type * as t from 'io-ts';

export { isRecord };

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a field of whatever type: the types are inferred from the value, never from this bound
export type AnyType = WireType<any, any>;
type FieldSpec = AnyType | NamedField<AnyType>;
type Fields = Readonly<Record<string, FieldSpec>>;
type TypeIn<F> = F extends NamedField<infer T> ? T : F;

export interface NamedField<T extends AnyType> {
  readonly type: T;
  readonly wire: string | undefined;
  readonly since: string | undefined;
  readonly required: boolean;
}

/** The type to which a message with these fields decodes. Missing fields have their defaults. */
export type Decoded<F extends Fields> = { readonly [K in keyof F]: TypeIn<F[K]> extends WireType<infer A, infer _> ? A : never };

/** The type of a request with these fields. All of them are optional. */
export type Encodable<F extends Fields> = {
  readonly [K in keyof F]?: (TypeIn<F[K]> extends WireType<infer _, infer In> ? In : never) | undefined;
};

/** The codec of a message. `A` is the type to which it decodes, and `In` is the type of a request. */
export class MessageType<A, In> extends WireType<A, In> {
  constructor(
    name: string,
    /** The fields by their names in rxetcd. */
    readonly fields: ReadonlyMap<string, Field>,
    read: (input: unknown) => A | typeof INVALID,
    write: (value: In) => string | typeof INVALID,
    absent: () => A,
    explain?: (input: unknown, context: t.Context) => t.Errors,
  ) {
    super(name, { is: 'message', name, fields: () => this.fields }, absent, read, write, explain);
  }
}

/** The codec of a message that is only received. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- no code uses the type that it would be encoded from
export type ResponseMessage<A> = MessageType<A, any>;

/** The properties of a field, apart from its type. */
interface FieldOptions {
  /** The name on the wire, if it is not the name in snake_case, such as `ID`, `TTL` or `peerURLs`. */
  readonly wire?: string;
  /** The first version of etcd with the field; undefined if all versions have it. */
  readonly since?: string;
  /**
   * Whether a request must have the field. If it were missing, etcd would use the default and, for example, store an
   * empty value.
   */
  readonly required?: boolean;
}

/** Describes a field that has more properties than its type. */
export function field<T extends AnyType>(type: T, { wire, since, required = false }: FieldOptions): NamedField<T> {
  return { type, wire, since, required };
}

/**
 * Creates the codec of a message of etcd's API. On the wire, its fields have etcd's names, and defaults are omitted. In
 * rxetcd, their names are in camelCase, and no field is missing.
 *
 * ```ts
 * const LeaseGrantRequest = message('LeaseGrantRequest', {
 *   ttl: field(int64, { wire: 'TTL' }),
 *   id: field(leaseIdCodec, { wire: 'ID' }),
 * });
 * ```
 */
export function message<F extends Fields>(name: string, specs: F): MessageType<Decoded<F>, Encodable<F>> {
  const fields = new Map(Object.entries(specs).map(([key, spec]) => [key, toField(key, spec)]));
  const entries = [...fields];
  const form: Form = { name, slots: new Map(entries.map(slotOf)), required: entries.filter(([, { required }]) => required).length };

  // The layout is computed on first use, as most programs read only few kinds of messages.
  let layout: Layout | undefined;

  const read = (input: unknown): Decoded<F> | typeof INVALID => {
    if (!isRecord(input)) return INVALID;
    const { blank, byWire, built } = (layout ??= layoutOf(entries));
    // Most fields are missing. Copying all defaults takes no longer than setting one or two of them.
    const out: Record<string, unknown> = { ...blank };
    for (const wire in input) {
      const known = byWire.get(wire);
      const raw = input[wire];
      // Some gateways send null for an empty message or list.
      if (known === undefined || raw === null || raw === undefined) continue;
      const value: unknown = known.type.read(raw);
      if (value === INVALID) return INVALID;
      out[known.key] = value;
    }
    for (const { key, type } of built) out[key] ??= type.absent();
    return out as Decoded<F>;
  };

  const explain = (input: unknown, context: t.Context): t.Errors => {
    if (!isRecord(input)) return [{ value: input, context }];
    return entries.flatMap(([, { wire, type }]) => {
      const raw = input[wire];
      if (raw === undefined || raw === null || type.read(raw) !== INVALID) return [];
      return type.explain(raw, [...context, { key: wire, type, actual: raw }]);
    });
  };

  const write = (value: Encodable<F>): string => writeMessage(form, value);

  return new MessageType<Decoded<F>, Encodable<F>>(name, fields, read, write, () => read({}) as Decoded<F>, explain);
}

/** The data for reading a message. */
interface Layout {
  /** The message with all fields at their defaults. */
  readonly blank: Readonly<Record<string, unknown>>;
  readonly byWire: ReadonlyMap<string, Place>;
  /**
   * The fields that are messages or lists. Their defaults are created for each response, so that responses share no
   * objects.
   */
  readonly built: readonly Place[];
}

/** A field with its name in rxetcd. */
interface Place {
  readonly key: string;
  readonly type: AnyType;
}

function layoutOf(fields: readonly (readonly [string, Field])[]): Layout {
  const places = fields.map(([key, { type }]) => ({ key, type }));
  const isBuilt = ({ type }: Place): boolean => typeof type.absent() === 'object';
  return {
    blank: Object.fromEntries(places.map((place) => [place.key, isBuilt(place) ? undefined : (place.type.absent() as unknown)])),
    byWire: new Map(fields.map(([key, { wire, type }]) => [wire, { key, type }])),
    built: places.filter(isBuilt),
  };
}

/** The data for writing a message. */
interface Form {
  readonly name: string;
  /** The fields by their names in rxetcd. */
  readonly slots: ReadonlyMap<string, Slot>;
  /** The number of required fields. */
  readonly required: number;
}

/** A field with the JSON text before its value. */
interface Slot {
  readonly type: AnyType;
  readonly required: boolean;
  /** The text before the value if the field is the first one. */
  readonly first: string;
  readonly next: string;
}

const slotOf = ([key, { wire, type, required }]: readonly [string, Field]): readonly [string, Slot] => [
  key,
  { type, required, first: `{"${wire}":`, next: `,"${wire}":` },
];

/**
 * Writes a request as JSON.
 *
 * @throws EtcdError `InvalidArgument` that names the invalid field
 */
function writeMessage({ name, slots, required }: Form, value: object): string {
  if (!isRecord(value)) throw invalidArgument(name, 'an object', value);
  let text = '';
  let missing = required;
  for (const key in value) {
    const given = value[key];
    const slot = slots.get(key);
    if (slot === undefined)
      throw new EtcdError(
        'InvalidArgument',
        `${name}.${key}: expected one of the fields ${[...slots.keys()].join(', ')}, received an unknown field`,
      );
    if (given === undefined) continue;
    const json = slot.type.write(given);
    if (json === INVALID) throw isNot(name, key, slot, given);
    text += text === '' ? slot.first : slot.next;
    text += json;
    if (slot.required) missing -= 1;
  }
  if (missing > 0) for (const [key, slot] of slots) if (slot.required && value[key] === undefined) throw isNot(name, key, slot, undefined);
  return text === '' ? '{}' : `${text}}`;
}

/**
 * Writes a request as JSON in ASCII.
 *
 * @throws EtcdError `InvalidArgument` that names the field
 */
export function requestText<In>({ name, request }: Rpc<In, unknown>, given: In): string {
  let problem = 'it is not valid';
  try {
    const text = request.write(given);
    if (text !== INVALID) return text;
  } catch (error) {
    problem = tooDeep(error);
  }
  throw new EtcdError('InvalidArgument', `the request cannot be sent: ${problem}`, { rpc: name });
}

const isNot = (message: string, key: string, { type }: Slot, given: unknown): EtcdError =>
  invalidArgument(`${message}.${key}`, type.name, given);

function toField(key: string, spec: FieldSpec): Field {
  const named = spec instanceof WireType ? field(spec, {}) : spec;
  return { ...named, wire: named.wire ?? snakeCase(key) };
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** Creates a codec on first use, for a message that may contain itself, such as a nested txn. */
export function lazy<A, In>(name: string, get: () => MessageType<A, In>): WireType<A | undefined, In> {
  return new WireType<A | undefined, In>(
    name,
    { is: 'message', name, fields: () => get().fields },
    () => undefined,
    (input) => get().read(input),
    (value) => get().write(value),
    (input, context) => get().explain(input, context),
  );
}

/** A field of a request that older servers do not support, and would silently ignore. */
export interface UnsupportedField {
  readonly field: string;
  readonly since: string;
}

/**
 * Finds the first field of a request that the server is too old to support. Returns the name of the field in rxetcd. An
 * old server ignores unknown fields: for example, it would add a voting member instead of a learner.
 *
 * @param knows tells whether the server has a given version or a newer one
 */
export function findUnsupportedField(
  kind: WireKind | undefined,
  request: unknown,
  knows: (since: string) => boolean,
): UnsupportedField | undefined {
  if (kind?.is === 'array' && Array.isArray(request)) {
    for (const item of request as readonly unknown[]) {
      const found = findUnsupportedField(kind.of, item, knows);
      if (found !== undefined) return found;
    }
  }
  if (kind?.is !== 'message' || !isRecord(request)) return undefined;
  for (const [name, { type, since }] of kind.fields()) {
    const value = request[name];
    if (value === undefined || value === false) continue;
    if (since !== undefined && !knows(since)) return { field: `${kind.name}.${name}`, since };
    const found = findUnsupportedField(type.kind, value, knows);
    if (found !== undefined) return found;
  }
  return undefined;
}

/**
 * The newest version in any `since` of an RPC, or of a field of a request. For servers of this version or newer,
 * requests are not checked. A test compares this version with the codecs.
 */
export const NEWEST_SINCE = '3.5';

/**
 * Runs a function that reads a response after its codec has accepted it. If the response to a write is invalid, throws
 * `AmbiguousWrite`, as the write may have been carried out.
 */
export function understood<T>(rpc: Pick<Rpc<never, unknown>, 'name' | 'safety'>, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw misunderstood(rpc, error);
  }
}

/**
 * Returns the error of a response that could not be read.
 * @throws the error unchanged if it is from the user's code
 */
export function misunderstood({ name, safety }: Pick<Rpc<never, unknown>, 'name' | 'safety'>, error: unknown): EtcdError {
  const failure = isEtcdError(error)
    ? error
    : new EtcdError('MalformedResponse', `the response cannot be read: ${tooDeep(error)}`, { rpc: name });
  return safety === 'write' ? new AmbiguousWriteError(failure) : failure;
}
