import { isRecord } from '../../codec/message.js';
import { isBase64 } from '../../codec/scalars.js';
import type { Json, WireKind } from '../../codec/descriptors.js';
import { textFromBase64 } from '../../model/bytes.js';
import type { Dialect } from './dialect.js';

/** The error for a request that the gateway cannot read. */
export class BadRequest extends Error {}

/**
 * Matches text in quotes, or an integer that a `number` cannot always represent exactly. The ids of leases and members
 * have up to 20 digits.
 */
const LONG_INTEGERS = /"(?:[^"\\]|\\.)*"|-?\b\d{16,20}\b(?![.eE\d])/g;

/**
 * Parses the JSON of a request. Long integers become text, so that they are not rounded.
 *
 * @throws BadRequest
 */
export function parseRequest(text: string, { takesNothing }: Pick<Dialect, 'takesNothing'>): unknown {
  if (text.trim() === '') {
    if (takesNothing) return {};
    throw new BadRequest('EOF');
  }
  try {
    return JSON.parse(text.replace(LONG_INTEGERS, (found) => (found.startsWith('"') ? found : `"${found}"`)));
  } catch {
    throw new BadRequest('unexpected EOF');
  }
}

/**
 * Reads a message as the gateway does, and returns it in the form that the store accepts. Fields may be in snake_case
 * or camelCase, integers may be numbers, and unknown fields are ignored.
 *
 * @throws BadRequest
 */
export function readMessage(kind: WireKind, json: unknown, isV2: boolean): Json {
  return readField(kind, 'request', json, isV2) ?? {};
}

/** Reads a field. Returns undefined if its value counts as missing. */
function readField(kind: WireKind, name: string, json: unknown, isV2: boolean): Json | undefined {
  const invalid = (): never => {
    throw new BadRequest(`proto: invalid value for ${kind.is} field ${name}: ${JSON.stringify(json)}`);
  };
  switch (kind.is) {
    case 'message':
      return isRecord(json) ? readFields(kind, json, isV2) : invalid();
    case 'array':
      if (!Array.isArray(json)) return invalid();
      return (json as readonly unknown[]).map((item) => readField(kind.of, name, item, isV2) ?? invalid());
    case 'bytes':
      return typeof json === 'string' ? (readBase64(json, isV2) ?? invalid()) : invalid();
    case 'string':
      return typeof json === 'string' ? json : invalid();
    case 'bool':
      return typeof json === 'boolean' ? json : invalid();
    case 'enum':
      return readEnum(kind.values, json) ?? (isV2 && typeof json === 'string' ? undefined : invalid());
    case 'int64':
    case 'uint64':
    case 'int32':
      return isInteger(json) ? String(json) : invalid();
    // No request of etcd has a field of these kinds.
    case 'number':
    case 'json':
      return invalid();
  }
}

function readFields(kind: WireKind & { readonly is: 'message' }, json: Readonly<Record<string, unknown>>, isV2: boolean): Json {
  const read: Record<string, Json> = {};
  for (const { wire, type } of kind.fields().values()) {
    const given = json[wire] ?? json[camelCase(wire)];
    const value = given === undefined || given === null ? undefined : readField(type.kind, wire, given, isV2);
    if (value !== undefined) read[wire] = value;
  }
  return read;
}

const isInteger = (json: unknown): boolean => Number.isSafeInteger(json) || (typeof json === 'string' && /^-?\d+$/.test(json));

const readEnum = (values: readonly string[], json: unknown): string | undefined =>
  typeof json === 'number' ? values[json] : values.find((value) => value === json);

/** Reads base64. The second generation of the gateway also accepts the URL-safe alphabet, and text without padding. */
function readBase64(text: string, isV2: boolean): string | undefined {
  const standard = isV2 ? text.replaceAll('-', '+').replaceAll('_', '/').replace(/=+$/, '') : text;
  const padded = isV2 ? standard.padEnd(Math.ceil(standard.length / 4) * 4, '=') : standard;
  return isBase64(padded) ? padded : undefined;
}

/** Returns a message in the form of a recorded call: with names in camelCase, and with text in place of base64. */
export function recorded(kind: WireKind, json: Json | undefined): unknown {
  switch (kind.is) {
    case 'message': {
      if (!isRecord(json)) return json;
      const fields = [...kind.fields()].filter(([, { wire }]) => json[wire] !== undefined);
      return Object.fromEntries(fields.map(([name, { wire, type }]) => [name, recorded(type.kind, json[wire] as Json)]));
    }
    case 'array':
      return Array.isArray(json) ? (json as readonly Json[]).map((item) => recorded(kind.of, item)) : json;
    case 'bytes':
      return typeof json === 'string' ? textFromBase64(json) : json;
    default:
      return json;
  }
}

const camelCase = (wire: string): string => wire.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
