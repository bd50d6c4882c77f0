import type { RequestOpOut, TxnRequestOut } from '../../codec/kv.js';
import { contains, type Key, type KeySpan, keyOf, spanOf } from './keys.js';
import { refusal } from './refusal.js';
import type { Put } from './writer.js';

/** Checks the properties of a put that do not depend on the state of the store. */
export function checkPutForm({ key, value, lease, ignoreValue, ignoreLease }: Put): void {
  checkKey(key);
  if (ignoreValue && value.length > 0) throw refusal('ValueProvided');
  if (ignoreLease && lease !== '0') throw refusal('LeaseProvided');
}

/** Checks that a key is not empty. */
export function checkKey(key: Uint8Array): void {
  if (key.length === 0) throw refusal('EmptyKey');
}

/** Checks the properties of a txn that do not depend on the state of the store. */
export function checkTxnForm(request: TxnRequestOut, maxOps: number): void {
  checkOps(request, maxOps);
  writesOf(request.success);
  writesOf(request.failure);
}

function checkOps({ compare, success, failure }: TxnRequestOut, most: number): void {
  const ops = Math.max(compare.length, success.length, failure.length);
  if (ops > most) throw refusal('TooManyOps');
  for (const { key } of compare) checkKey(key);
  for (const op of [...success, ...failure]) checkOp(op, most - ops);
}

function checkOp({ requestRange, requestPut, requestDeleteRange, requestTxn }: RequestOpOut, most: number): void {
  if (requestRange !== undefined) checkKey(requestRange.key);
  else if (requestPut !== undefined) checkPutForm(requestPut);
  else if (requestDeleteRange !== undefined) checkKey(requestDeleteRange.key);
  else if (requestTxn !== undefined) checkOps(requestTxn, most);
  else throw refusal('KeyNotFound');
}

/** The keys that a list of operations may put, and the ranges that it may delete. */
interface Writes {
  readonly puts: ReadonlySet<Key>;
  readonly deletes: readonly KeySpan[];
}

/**
 * Collects the writes of operations, and checks them: a key may be put only once, and must not also be deleted. Like
 * etcd, the check ignores deletions of all keys from one key on.
 */
function writesOf(ops: readonly RequestOpOut[]): Writes {
  const puts = new Set<Key>();
  const deletes = ops.flatMap(({ requestDeleteRange }) => (requestDeleteRange === undefined ? [] : [spanOf(requestDeleteRange)]));
  const add = (key: Key, mayRepeat?: ReadonlySet<Key>): void => {
    if (puts.has(key) && mayRepeat?.has(key) !== true) throw refusal('DuplicateKey');
    if (deletes.some((span) => span.to !== undefined && contains(span, key))) throw refusal('DuplicateKey');
    puts.add(key);
  };
  for (const { requestTxn } of ops) {
    if (requestTxn === undefined) continue;
    const success = writesOf(requestTxn.success);
    const failure = writesOf(requestTxn.failure);
    for (const key of success.puts) add(key);
    // Only one of the two branches runs, so both may put the same key.
    for (const key of failure.puts) add(key, success.puts);
    deletes.push(...success.deletes, ...failure.deletes);
  }
  for (const { requestPut } of ops) if (requestPut !== undefined) add(keyOf(requestPut.key));
  return { puts, deletes };
}
