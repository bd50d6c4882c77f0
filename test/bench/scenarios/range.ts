import { lastValueFrom } from 'rxjs';
import { Pool } from 'undici';
import { createClient } from '../../../src/index.js';
import { bareCall } from '../calls.js';
import { fill } from '../fill.js';
import { peerClient } from '../peer.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/range/';
const KEYS = 5_000;

interface BareRange {
  readonly kvs: readonly { readonly key: string; readonly value: string }[];
}

const decode = (base64: string): string => Buffer.from(base64, 'base64').toString('utf8');

/** Keys per second of a large range in one response; each key and value is read as text. */
export const rangeScenario: Scenario = {
  name: 'range-5000',
  rows: [{ name: 'range-5000', unit: 'keys/s', better: 'more', target: { toFloor: 0.9 } }],
  rounds: { full: 41, quick: 11, warmUp: 5 },
  prepare: async ({ server: { endpoint } }) => {
    const etcd = createClient({ endpoints: endpoint });
    const peer = peerClient(endpoint);
    const pool = new Pool(endpoint, { connections: 1 });
    await fill(etcd, PREFIX, KEYS);
    const request = { key: btoa(PREFIX), range_end: btoa(PREFIX.replace(/\/$/, '0')) };
    const timed = async (read: () => Promise<number>): Promise<Figures> => {
      const start = performance.now();
      const length = await read();
      if (length < KEYS) throw new Error(`read ${length} characters of ${KEYS} keys`);
      return { 'range-5000': (KEYS / (performance.now() - start)) * 1000 };
    };
    return {
      sides: {
        ours: () =>
          timed(async () => {
            const { kvs } = await lastValueFrom(etcd.kv.range({ prefix: PREFIX }));
            return kvs.reduce((length, { key, value }) => length + key.length + value.length, 0);
          }),
        peer: () =>
          timed(async () => {
            const { kvs } = await peer.getAll().prefix(PREFIX).exec();
            return kvs.reduce((length, { key, value }) => length + key.toString().length + value.toString().length, 0);
          }),
        floor: () =>
          timed(async () => {
            const { kvs } = (await bareCall(pool, '/v3/kv/range', request)) as BareRange;
            return kvs.reduce((length, { key, value }) => length + decode(key).length + decode(value).length, 0);
          }),
      },
      end: async () => {
        peer.close();
        await Promise.all([etcd.close(), pool.destroy()]);
      },
    };
  },
};
