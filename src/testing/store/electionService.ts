import { HeaderOnly } from '../../codec/common.js';
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ResignRequest,
} from '../../codec/concurrency.js';
import type { DecodedBy } from '../../codec/descriptors.js';
import { toBase64 } from '../../model/bytes.js';
import type { KeyValue } from '../../model/keyValue.js';
import type { Core } from './core.js';
import { type Endpoint, streaming, unary } from './endpoint.js';
import { bytesOf, keyOf, keySpan } from './keys.js';
import { enter, firstOf, leave, placeIn, queueOf, whenFirst } from './queue.js';
import { Refusal } from './refusal.js';

/** Makes the RPCs for elections. */
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
          // A second campaign with the same lease changes the value.
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
