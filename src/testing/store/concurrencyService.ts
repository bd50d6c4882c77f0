import { HeaderOnly } from '../../codec/common.js';
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ResignRequest,
  LockRequest,
  LockResponse,
  UnlockRequest,
} from '../../codec/concurrency.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import { toBase64 } from '../../model/bytes.js';
import type { KeyValue } from '../../model/keyValue.js';
import { idToHex, type LeaseId } from '../../model/ids.js';
import type { Core } from './core.js';
import { type Endpoint, streaming, unary } from './endpoint.js';
import { bytesOf, keyOf, keySpan, type Key, type KeySpan, withPrefix } from './keys.js';
import { Refusal } from './refusal.js';
import { checkKey } from './requestChecks.js';

/** Creates the RPCs for locks. */
export function lockService(core: Core): Readonly<Record<string, Endpoint>> {
  const { mvcc, writer, space, traits } = core;
  return {
    '/lock/lock': streaming(LockRequest, LockResponse, ({ header, access }, { next, error, complete }) => {
      let giveUp: (() => void) | undefined;
      return {
        receive: ({ name, lease }) => {
          access().known();
          const place = placeIn(core, name, lease);
          access().write(keySpan(place.key));
          access().read(place.prefix);
          const revision = enter(core, place, '');
          giveUp = () => leave(core, place);
          const stop = whenFirst(core, place.prefix, revision, () => {
            giveUp = undefined;
            if (traits.locksNeedTheirKey && mvcc.get(place.key) === undefined)
              return error(new Refusal('mutex: session is expired', 'Unknown'));
            next({ header: header(), key: bytesOf(place.key) });
            complete();
          });
          giveUp &&= () => {
            stop();
            leave(core, place);
          };
        },
        close: () => giveUp?.(),
      };
    }),

    '/lock/unlock': unary(UnlockRequest, HeaderOnly, ({ key }, { header, access }) => {
      checkKey(key);
      const span = keySpan(keyOf(key));
      access().write(span);
      space.checkCorrupt();
      mvcc.transaction(() => writer.delete(span));
      return { header: header() };
    }),
  };
}

/** Creates the RPCs for elections. */
export function electionService(core: Core): Readonly<Record<string, Endpoint>> {
  const { mvcc, leases, writer, watches, space } = core;

  /** Returns whether a leadership still lasts. */
  const leads = ({ key, rev }: DecodedBy<typeof LeaderKey>): boolean => (mvcc.get(keyOf(key))?.createRevision ?? 0) === rev;

  return {
    '/election/campaign': streaming(CampaignRequest, CampaignResponse, ({ header, access }, { next, complete }) => {
      let giveUp: (() => void) | undefined;
      return {
        receive: ({ name, lease, value }) => {
          access().known();
          const place = placeIn(core, name, lease);
          const { key } = place;
          access().write(keySpan(key));
          access().read(place.prefix);
          const value64 = toBase64(value);
          const rev = enter(core, place, value64);
          const entered = header();
          // A second campaign with the same lease replaces the value.
          const known = mvcc.get(key);
          if (known !== undefined && toBase64(known.valueBytes) !== value64) {
            mvcc.transaction(() => writer.set(key, { value64, lease: place.lease }));
          }
          giveUp = () => leave(core, place);
          const stop = whenFirst(core, place.prefix, rev, () => {
            giveUp = undefined;
            next({ header: entered, leader: { name, key: bytesOf(key), rev, lease: place.lease } });
            complete();
          });
          giveUp &&= () => {
            stop();
            leave(core, place);
          };
        },
        close: () => giveUp?.(),
      };
    }),

    '/election/proclaim': unary(ProclaimRequest, HeaderOnly, ({ leader, value }, { header, access }) => {
      if (leader.key.length === 0) throw new Refusal('"leader" field must be provided', 'Unknown');
      const key = keyOf(leader.key);
      access().read(keySpan(key));
      access().write(keySpan(key));
      space.reserve(leader.key.length + value.length);
      if (!leads(leader)) throw new Refusal('election: not leader', 'Unknown');
      leases.check(leader.lease);
      const lease = leader.lease === '0' ? undefined : leader.lease;
      mvcc.transaction(() => writer.set(key, { value64: toBase64(value), lease }));
      return { header: header() };
    }),

    '/election/leader': unary(LeaderRequest, LeaderResponse, ({ name }, { header, access }) => {
      access().read(queueOf(name));
      const kv = firstOf(core, queueOf(name));
      if (kv === undefined) throw new Refusal('election: no leader', 'Unknown');
      return { header: header(), kv };
    }),

    '/election/observe': streaming(LeaderRequest, LeaderResponse, ({ header, access }, { next }) => {
      let stop = (): void => undefined;
      return {
        receive: ({ name }) => {
          access().read(queueOf(name));
          const span = queueOf(name);
          let last: KeyValue | undefined;
          const report = (): void => {
            const leader = firstOf(core, span);
            if (leader !== undefined && leader.modRevision !== last?.modRevision) next({ header: header(), kv: leader });
            last = leader;
          };
          stop = watches.listen(span, report);
          report();
        },
        close: () => stop(),
      };
    }),

    '/election/resign': unary(ResignRequest, HeaderOnly, ({ leader }, { header, access }) => {
      if (leader.key.length === 0) throw new Refusal('"leader" field must be provided', 'Unknown');
      const span = keySpan(keyOf(leader.key));
      access().read(span);
      access().write(span);
      space.checkCorrupt();
      if (leads(leader)) mvcc.transaction(() => writer.delete(span));
      return { header: header() };
    }),
  };
}

/** The TTL of a lease that the server grants without a request, in seconds. */
const OWN_TTL = 60;

/** A queue entry of a lock or an election. */
export interface Place {
  readonly prefix: KeySpan;
  readonly key: Key;
  readonly lease: LeaseId;
}

/** Returns the span of the queue entries for a name. */
export const queueOf = (name: Uint8Array): KeySpan => withPrefix(`${keyOf(name)}/`);

/** Returns the queue entry of a lease for a name. If there is no lease, the server grants one. */
export function placeIn({ leases }: Core, name: Uint8Array, lease: LeaseId): Place {
  const id = lease === '0' ? leases.grant(lease, OWN_TTL).id : lease;
  const prefix = queueOf(name);
  return { prefix, key: prefix.from + idToHex(id), lease: id };
}

/** Puts the key of a queue entry, unless the key exists. Returns its create revision. */
export function enter({ mvcc, leases, writer, space }: Core, { key, lease }: Place, value64: string): number {
  // In etcd the put is in a txn, which needs the space for the put even if the key exists.
  space.reserve(key.length + value64.length);
  leases.check(lease);
  if (mvcc.get(key) === undefined) mvcc.transaction(() => writer.set(key, { value64, lease }));
  return mvcc.get(key)?.createRevision ?? 0;
}

/** Deletes the key of a queue entry. */
export function leave({ mvcc, writer, space }: Core, { key }: Place): void {
  if (!space.isCorrupt) mvcc.transaction(() => writer.delete(keySpan(key)));
}

/** Returns the key of a span that was created first; undefined if the span has no keys. */
export const firstOf = ({ mvcc }: Core, span: KeySpan): KeyValue | undefined => lowest(mvcc, span, ({ createRevision }) => createRevision);

/** Returns the key of a span that was created last before a revision; undefined if there is no such key. */
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
 * Waits until a queue has no key that was created before a revision.
 *
 * @param then called once, when there is no such key. If there is none now, it is called before this function returns
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
