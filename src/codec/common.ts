import type { LeaseId } from '../model/ids.js';
import { KeyValue } from '../model/keyValue.js';
import { isBase64 } from './base64.js';
import { isRecord, message, MessageType } from './message.js';
import { bytes, clusterIdCodec, int64, leaseIdCodec, memberIdCodec, readInteger, uint64 } from './scalars.js';
import { INVALID, type Field } from './wire.js';

/** What stands at the head of every answer: who gave it, and at which revision of the store. */
export const ResponseHeader = message('ResponseHeader', {
  clusterId: clusterIdCodec,
  memberId: memberIdCodec,
  /** The store's revision when the answer was made. */
  revision: int64,
  raftTerm: uint64,
});

/** The plain shape of a key-value pair; {@link KeyValueCodec} reads the same fields into a {@link KeyValue}. */
const KeyValueMessage = message('KeyValue', {
  key: bytes,
  createRevision: int64,
  modRevision: int64,
  version: int64,
  value: bytes,
  lease: leaseIdCodec,
});

// As in every message, a field that is null counts as left out.
const readBase64 = (input: unknown): string | typeof INVALID => {
  if (typeof input === 'string') return isBase64(input) ? input : INVALID;
  return input === undefined || input === null ? '' : INVALID;
};
const readNumber = (input: unknown): number | typeof INVALID => (input === undefined || input === null ? 0 : readInteger(input));
const readLease = (input: unknown): LeaseId | undefined | typeof INVALID =>
  input === undefined || input === null || input === '0' ? undefined : leaseIdCodec.read(input);

/** Written out by hand, for it runs once a key: the base64 is checked here and decoded when somebody asks. */
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
 * It is kept, as V8 forgets how a class is laid out when a full collection finds no instance of it, and with that throws away all code that it has
 * optimised for it: a program that reads, lets go and reads again would decode at half the speed.
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
/** An answer that says no more than its header. */
export const HeaderOnly = message('HeaderOnly', { header: ResponseHeader });
