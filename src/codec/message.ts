import type * as t from 'io-ts';
import { EtcdError } from '../errors/index.js';
import { typeName } from '../model/failures.js';
import { INVALID, WireType, type Field } from './wire.js';

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

/** What a message of these fields decodes to: every field there, the left-out ones at their defaults. */
export type Decoded<F extends Fields> = { readonly [K in keyof F]: TypeIn<F[K]> extends WireType<infer A, infer _> ? A : never };

/** What a request of these fields takes: each may be left out. */
export type Encodable<F extends Fields> = {
  readonly [K in keyof F]?: (TypeIn<F[K]> extends WireType<infer _, infer In> ? In : never) | undefined;
};

/** The codec of a message: `A` is what it decodes to, `In` what a request may give. */
export class MessageType<A, In> extends WireType<A, In> {
  constructor(
    name: string,
    /** By our names. */
    readonly fields: ReadonlyMap<string, Field>,
    read: (input: unknown) => A | typeof INVALID,
    write: (value: In) => string | typeof INVALID,
    absent: () => A,
    explain?: (input: unknown, context: t.Context) => t.Errors,
  ) {
    super(name, { is: 'message', name, fields: () => this.fields }, absent, read, write, explain);
  }
}

/** A message that is only ever sent. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what it would decode to matters to nobody
export type RequestMessage<In> = MessageType<any, In>;
/** A message that is only ever received. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- what it would be encoded from matters to nobody
export type AnswerMessage<A> = MessageType<A, any>;

/** What is to be said of a field besides its type. */
interface FieldOptions {
  /** Its wire name, where that is not its camelCase name in snake_case: `ID`, `TTL`, `peerURLs`. */
  readonly wire?: string;
  /** The first etcd that knows it, where not all do. */
  readonly since?: string;
  /** A request has to give it: left out, etcd would take its default for what is meant, and store an empty value, say. */
  readonly required?: boolean;
}

/** A field of which more is to be said than its type. */
export function field<T extends AnyType>(type: T, { wire, since, required = false }: FieldOptions): NamedField<T> {
  return { type, wire, since, required };
}

/**
 * The codec of a message of etcd's API. On the wire its fields are in etcd's spelling and defaults are left out; ours are in camelCase and complete.
 *
 * ```ts
 * const LeaseGrantRequest = message('LeaseGrantRequest', { ttl: field(int64, { wire: 'TTL' }), id: field(leaseIdCodec, { wire: 'ID' }) });
 * ```
 */
export function message<F extends Fields>(name: string, specs: F): MessageType<Decoded<F>, Encodable<F>> {
  const fields = new Map(Object.entries(specs).map(([key, spec]) => [key, toField(key, spec)]));
  const entries = [...fields];
  const form: Form = { name, slots: new Map(entries.map(slotOf)), required: entries.filter(([, { required }]) => required).length };

  // Of most messages a program never reads one.
  let layout: Layout | undefined;

  const read = (input: unknown): Decoded<F> | typeof INVALID => {
    if (!isRecord(input)) return INVALID;
    const { blank, byWire, built } = (layout ??= layoutOf(entries));
    // Most fields are left out: to copy all their defaults takes no longer than to set one or two.
    const out: Record<string, unknown> = { ...blank };
    for (const wire in input) {
      const known = byWire.get(wire);
      const raw = input[wire];
      // null is how some gateways spell an empty message or list
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

/** How a message is read. */
interface Layout {
  /** Where every field is left out. */
  readonly blank: Readonly<Record<string, unknown>>;
  readonly byWire: ReadonlyMap<string, Place>;
  /** Messages and lists, which are made for each answer, as they are its own. */
  readonly built: readonly Place[];
}

/** A field, by our name. */
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

/** How a message is written. */
interface Form {
  readonly name: string;
  /** By our names. */
  readonly slots: ReadonlyMap<string, Slot>;
  /** How many of them a request has to give. */
  readonly required: number;
}

/** A field with the text before it. */
interface Slot {
  readonly type: AnyType;
  readonly required: boolean;
  /** Where it is the first. */
  readonly first: string;
  readonly next: string;
}

const slotOf = ([key, { wire, type, required }]: readonly [string, Field]): readonly [string, Slot] => [
  key,
  { type, required, first: `{"${wire}":`, next: `,"${wire}":` },
];

/** A request as JSON; what is wrong in it is thrown as `InvalidArgument`, naming the field, before anything is sent. */
function writeMessage({ name, slots, required }: Form, value: object): string {
  if (!isRecord(value)) throw new EtcdError('InvalidArgument', `a ${name} is an object, not ${typeName(value)}`);
  let text = '';
  let missing = required;
  for (const key in value) {
    const given = value[key];
    const slot = slots.get(key);
    if (slot === undefined)
      throw new EtcdError('InvalidArgument', `${name} has no field ${JSON.stringify(key)}; it has ${[...slots.keys()].join(', ')}`);
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

const isNot = (message: string, key: string, { type }: Slot, given: unknown): EtcdError =>
  new EtcdError('InvalidArgument', `${message}.${key} must be ${type.name}, not ${typeName(given)}`);

function toField(key: string, spec: FieldSpec): Field {
  const named = spec instanceof WireType ? field(spec, {}) : spec;
  return { ...named, wire: named.wire ?? snakeCase(key) };
}

const snakeCase = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** A JSON object; arrays are not. Own and inherited keys are told apart nowhere: JSON.parse gives no prototype but Object's. */
export function isRecord(input: unknown): input is Readonly<Record<string, unknown>> {
  return typeof input === 'object' && input !== null && !Array.isArray(input);
}

/** For a message that refers to itself (a txn in a txn): the codec is made when it is first used. */
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
