import type { LeaseId } from '../model/ids.js';
import { KeyValue } from '../model/keyValue.js';
import { isBase64, bytes, clusterIdCodec, int64, leaseIdCodec, memberIdCodec, natural, readNatural, uint64 } from './scalars.js';
import { isRecord, message, MessageType } from './message.js';
import { INVALID, type Field } from './descriptors.js';

/** The header of every response: the member that sent it, and the revision of the store. */
export const ResponseHeader = message('ResponseHeader', {
  clusterId: clusterIdCodec,
  memberId: memberIdCodec,
  /** The revision of the store when the response was made. */
  revision: int64,
  raftTerm: uint64,
});

/** The fields of a key-value. {@link KeyValueCodec} reads the same fields into a {@link KeyValue}. */
const KeyValueMessage = message('KeyValue', {
  key: bytes,
  createRevision: natural,
  modRevision: natural,
  version: natural,
  value: bytes,
  lease: leaseIdCodec,
});

// A field that is null counts as missing, as in every message.
const readBase64 = (input: unknown): string | typeof INVALID => {
  if (typeof input === 'string') return isBase64(input) ? input : INVALID;
  return input === undefined || input === null ? '' : INVALID;
};
const readNumber = (input: unknown): number | typeof INVALID => (input === undefined || input === null ? 0 : readNatural(input));
const readLease = (input: unknown): LeaseId | undefined | typeof INVALID =>
  input === undefined || input === null || input === '0' ? undefined : leaseIdCodec.read(input);

/**
 * Reads a key-value. The code is written by hand for speed, as it runs once for each key. Base64 is checked here, and
 * decoded on first access.
 */
function readKeyValue(input: unknown): KeyValue | typeof INVALID {
  if (!isRecord(input)) return INVALID;
  const key64 = readBase64(input['key']);
  const value64 = readBase64(input['value']);
  const createRevision = readNumber(input['create_revision']);
  const modRevision = readNumber(input['mod_revision']);
  const version = readNumber(input['version']);
  const lease = readLease(input['lease']);
  if (
    key64 === INVALID ||
    value64 === INVALID ||
    createRevision === INVALID ||
    modRevision === INVALID ||
    version === INVALID ||
    lease === INVALID
  ) {
    return INVALID;
  }
  return new KeyValue({ key64, value64, createRevision, modRevision, version, lease });
}

const fields: ReadonlyMap<string, Field> = KeyValueMessage.fields;

/**
 * An instance that is never garbage collected. If a full garbage collection finds no instance of a class, V8 discards
 * its hidden class and all code that is optimized for it. A program that reads keys, drops them and reads again would
 * then decode at half the speed.
 */
const NONE = new KeyValue({ key64: '', value64: '', createRevision: 0, modRevision: 0, version: 0, lease: undefined });

/** A key with its value, revisions and lease. */
export const KeyValueCodec = new MessageType<KeyValue, KeyValue>(
  'KeyValue',
  fields,
  readKeyValue,
  ({ keyBytes: key, valueBytes: value, createRevision, modRevision, version, lease }) =>
    KeyValueMessage.write({ key, value, createRevision, modRevision, version, lease }),
  () => NONE,
  KeyValueMessage.explain,
);

/** A request without fields. */
export const Empty = message('Empty', {});
/** A response with only a header. */
export const HeaderOnly = message('HeaderOnly', { header: ResponseHeader });
