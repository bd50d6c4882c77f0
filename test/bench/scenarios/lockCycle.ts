import { createClient, hold } from '../../../src/index.js';
import { Pool } from 'undici';
import { bareCall, costOf } from '../calls.js';
import { peerClient } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';

const NAME = 'lock-cycle';
const TTL = 30;
const TRIAL_CYCLES = 50;

/** Acquires and releases an uncontended lock, one cycle after the other. A cycle ends when the server has confirmed the release. */
export const lockCycleScenario: Scenario = {
  name: NAME,
  rows: [
    { name: NAME, unit: 'cycles/s', better: 'more', target: { toPeer: 1 } },
    { name: `cpu-${NAME}`, unit: 'µs/cycle', better: 'less', target: { toPeer: 0.5 } },
  ],
  rounds: { full: 15, quick: 5, warmUp: 2 },
  prepare: async ({ server: { endpoint }, quick }) => {
    const etcd = createClient({ endpoints: endpoint });
    const peer = peerClient(endpoint);
    const ours = async (): Promise<void> => (await hold(etcd.lock('bench/lock-cycle/ours', { ttl: TTL }))).release();
    const theirs = async (): Promise<void> => {
      const lock = await peer.lock('bench/lock-cycle/peer').ttl(TTL).acquire();
      await lock.release();
    };
    const pool = new Pool(endpoint, { connections: 1 });
    // The same three calls without a client.
    const bare = async (): Promise<void> => {
      const key = Buffer.from('bench/lock-cycle/floor').toString('base64');
      const { ID } = (await bareCall(pool, '/v3/lease/grant', { TTL })) as { readonly ID: string };
      const compare = [{ key, target: 'CREATE', create_revision: '0' }];
      await bareCall(pool, '/v3/kv/txn', { compare, success: [{ request_put: { key, lease: ID } }] });
      await bareCall(pool, '/v3/kv/lease/revoke', { ID });
    };
    const { perSecond: pace } = await costOf(TRIAL_CYCLES, 1, theirs);
    const count = Math.ceil(pace * (quick ? 0.2 : 0.6));
    const measured = async (cycle: () => Promise<void>): Promise<Figures> => {
      const { perSecond, cpuMicros } = await costOf(count, 1, cycle);
      return { [NAME]: perSecond, [`cpu-${NAME}`]: cpuMicros };
    };
    return {
      sides: { ours: () => measured(ours), peer: () => measured(theirs), floor: () => measured(bare) },
      end: async () => {
        peer.close();
        await Promise.all([etcd.close(), pool.close()]);
      },
    };
  },
};
