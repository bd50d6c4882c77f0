import type { Mvcc } from './mvcc.js';

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * Hashes the history up to a revision. Two stores with the same history have the same hash. It is not the hash of etcd,
 * which depends on the format of its database.
 */
export function hashOf(mvcc: Mvcc, revision: number): number {
  let hash = FNV_OFFSET;
  mvcc.forEachChange(0, ({ key, event: { type, kv, revision: changed } }) => {
    if (changed > revision) return;
    const text = `${key}\0${type}\0${changed}\0${kv.toJSON().value}`;
    for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  });
  return hash >>> 0;
}
