import { lastValueFrom, mergeMap, range } from 'rxjs';
import { Pool } from 'undici';
import { createClient } from '../../../src/index.js';
import { putAll } from '../../../operators/index.js';
import { bareCall } from '../calls.js';
import { keyOf, VALUE } from '../fill.js';
import { peerClient, type Peer } from '../peer.js';
import type { Figures, Scenario, Target } from '../scenario.js';

const PREFIX = 'bench/bulk/';
const OPS = 128;
/** The number of concurrent txns for each side: that of putAll by default. */
const CONCURRENCY = 8;
/** The number of concurrent single puts. */
const IN_FLIGHT = 64;

const base64 = (text: string): string => Buffer.from(text).toString('base64');

/** The peer's way of writing keys, and the number of entries in one of its turns. */
interface PeerWay {
  readonly share: number;
  write(peer: Peer, keys: readonly string[]): Promise<unknown>;
}

/** Writes all given entries, in txns of 128. */
const inTxns = (keys: readonly string[], commit: (keys: readonly string[]) => Promise<unknown>): Promise<unknown> =>
  lastValueFrom(
    range(0, Math.ceil(keys.length / OPS)).pipe(mergeMap((txn) => commit(keys.slice(txn * OPS, (txn + 1) * OPS)), CONCURRENCY)),
  );

const singly: PeerWay = {
  share: 0.1,
  write: (peer, keys) =>
    lastValueFrom(
      range(0, keys.length).pipe(
        mergeMap(
          (at) =>
            peer
              .put(keys[at] ?? '')
              .value(VALUE)
              .exec(),
          IN_FLIGHT,
        ),
      ),
    ),
};

const byTxn: PeerWay = {
  share: 1,
  // etcd3 has no txn without a condition: this one always holds.
  write: (peer, all) =>
    inTxns(all, (keys) =>
      peer
        .if(PREFIX, 'Version', '==', 0)
        .then(...keys.map((key) => peer.put(key).value(VALUE)))
        .commit(),
    ),
};

/** Measures the entries written per second. */
function bulkPut(name: string, way: PeerWay, target: Target): Scenario {
  return {
    name,
    rows: [
      { name, unit: 'entries/s', better: 'more', target },
      { name: `cpu-${name}`, unit: 'µs/entry', better: 'less' },
    ],
    rounds: { full: 21, quick: 3, warmUp: 1 },
    prepare: async ({ server: { endpoint }, quick }) => {
      const etcd = createClient({ endpoints: endpoint });
      const peer = peerClient(endpoint);
      const pool = new Pool(endpoint, { connections: CONCURRENCY });
      const keys = Array.from({ length: quick ? 5_120 : 25_600 }, (_, index) => keyOf(PREFIX, index));
      const measured = async (count: number, write: (keys: readonly string[]) => Promise<unknown>): Promise<Figures> => {
        const before = process.cpuUsage();
        const start = performance.now();
        await write(keys.slice(0, count));
        const seconds = (performance.now() - start) / 1000;
        const { user, system } = process.cpuUsage(before);
        return { [name]: count / seconds, [`cpu-${name}`]: (user + system) / count };
      };
      const commitBare = (some: readonly string[]): Promise<unknown> =>
        bareCall(pool, '/v3/kv/txn', { success: some.map((key) => ({ request_put: { key: base64(key), value: base64(VALUE) } })) });
      return {
        sides: {
          ours: () =>
            measured(keys.length, (all) =>
              lastValueFrom(
                putAll(
                  etcd.kv,
                  all.map((key) => ({ key, value: VALUE })),
                ),
              ),
            ),
          peer: () => measured(Math.ceil(keys.length * way.share), (some) => way.write(peer, some)),
          floor: () => measured(keys.length, (all) => inTxns(all, commitBare)),
        },
        end: async () => {
          peer.close();
          await Promise.all([etcd.close(), pool.destroy()]);
        },
      };
    },
  };
}

/**
 * `bulk-put` compares with the peer's single puts, `bulk-put-txns` with its txns of the same size. The floor is bare
 * txns.
 */
export const bulkPutScenarios: readonly Scenario[] = [
  bulkPut('bulk-put', singly, { toPeer: 4 }),
  bulkPut('bulk-put-txns', byTxn, { toPeer: 1 }),
];
