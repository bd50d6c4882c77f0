import { idToHex, type LeaseId } from '../../model/ids.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Core } from './core.js';
import { type Key, keyOf, keySpan, type KeySpan, withPrefix } from './keys.js';

/** The TTL of a lease that the server grants by itself, in seconds. */
const OWN_TTL = 60;

/** A place in the queue for a lock or an election. */
export interface Place {
  readonly prefix: KeySpan;
  readonly key: Key;
  readonly lease: LeaseId;
}

/** Returns the span of the keys that wait for a name. */
export const queueOf = (name: Uint8Array): KeySpan => withPrefix(`${keyOf(name)}/`);

/** Returns the place that a lease has in the queue for a name. Without a lease the server grants one. */
export function placeIn({ leases }: Core, name: Uint8Array, lease: LeaseId): Place {
  const id = lease === '0' ? leases.grant(lease, OWN_TTL).id : lease;
  const prefix = queueOf(name);
  return { prefix, key: prefix.from + idToHex(id), lease: id };
}

/** Puts the key of a place, unless it exists, and returns the revision at which it was created. */
export function enter({ mvcc, leases, writer, space }: Core, { key, lease }: Place, value64: string): number {
  // A txn needs the space of its put, even if the key exists.
  space.reserve(key.length + value64.length);
  leases.check(lease);
  if (mvcc.get(key) === undefined) mvcc.transaction(() => writer.set(key, { value64, lease }));
  return mvcc.get(key)?.createRevision ?? 0;
}

/** Deletes the key of a place. */
export function leave({ mvcc, writer, space }: Core, { key }: Place): void {
  if (!space.isCorrupt) mvcc.transaction(() => writer.delete(keySpan(key)));
}

/** Returns the key of a span that was created first; undefined if it has none. */
export const firstOf = ({ mvcc }: Core, span: KeySpan): KeyValue | undefined => lowest(mvcc, span, ({ createRevision }) => createRevision);

/** Returns the key of a span that was created last before a revision. */
export const lastBefore = ({ mvcc }: Core, span: KeySpan, revision: number): KeyValue | undefined =>
  lowest(mvcc, span, ({ createRevision }) => (createRevision < revision ? -createRevision : undefined));

function lowest(mvcc: Core['mvcc'], span: KeySpan, rank: (kv: KeyValue) => number | undefined): KeyValue | undefined {
  let found: KeyValue | undefined;
  let best = Infinity;
  mvcc.forEach(span, 0, (kv) => {
    const own = rank(kv);
    if (own === undefined || own >= best) return;
    best = own;
    found = kv;
  });
  return found;
}

/**
 * Waits until no key of a queue was created before a revision.
 *
 * @param then called once, at once if there is none
 * @returns a function that ends the wait
 */
export function whenFirst(core: Core, span: KeySpan, revision: number, then: () => void): () => void {
  let stop = (): void => undefined;
  const look = (): void => {
    const before = lastBefore(core, span, revision);
    if (before === undefined) return then();
    const key = keyOf(before.keyBytes);
    stop = core.watches.listen(keySpan(key), (events) => {
      if (!events.some(({ type }) => type === 'delete')) return;
      stop();
      look();
    });
  };
  look();
  return () => stop();
}
