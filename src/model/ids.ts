import { EtcdError } from '../errors/index.js';

declare const brand: unique symbol;

/** A 64-bit id as decimal text, as in JSON. A `number` would round the id. */
type Id<Name extends string> = string & { readonly [brand]: Name };

/** The id of a lease: a signed 64-bit integer in decimal. */
export type LeaseId = Id<'lease'>;
/** The id of a member of the cluster: an unsigned 64-bit integer in decimal. */
export type MemberId = Id<'member'>;
/** The id of a cluster: an unsigned 64-bit integer in decimal. */
export type ClusterId = Id<'cluster'>;

const DECIMAL = /^-?\d+$/;
const MAX = { lease: 2n ** 63n - 1n, member: 2n ** 64n - 1n };

function checked(what: keyof typeof MAX, value: string | number | bigint): string {
  const text = String(value);
  const safe = typeof value !== 'number' || Number.isSafeInteger(value);
  if (!safe || !DECIMAL.test(text) || BigInt(text) < 0n || BigInt(text) > MAX[what]) {
    throw new EtcdError(
      'InvalidArgument',
      `${what} id: expected a decimal integer from 0 to ${MAX[what]}, received ${JSON.stringify(text)}`,
    );
  }
  return BigInt(text).toString();
}

/**
 * Creates a lease id from a decimal string, a safe integer or a bigint.
 *
 * @throws EtcdError `InvalidArgument` for any other value
 */
export function leaseId(value: string | number | bigint): LeaseId {
  return checked('lease', value) as LeaseId;
}

/**
 * Creates a member id from a decimal string, a safe integer or a bigint.
 *
 * @throws EtcdError `InvalidArgument` for any other value
 */
export function memberId(value: string | number | bigint): MemberId {
  return checked('member', value) as MemberId;
}

/** Converts an id to hexadecimal, as `etcdctl` prints it. The keys of locks end in this form. */
export function idToHex(id: LeaseId | MemberId | ClusterId): string {
  return BigInt.asUintN(64, BigInt(id)).toString(16);
}

/**
 * Returns the name of a lease for error messages: in hexadecimal, as `etcdctl` shows it, and in decimal, as rxetcd
 * shows it.
 */
export function leaseName(id: LeaseId): string {
  return `lease ${idToHex(id)} (${id})`;
}
