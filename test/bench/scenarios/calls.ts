import type { Observable } from 'rxjs';
import { Pool } from 'undici';
import { createClient, type Client } from '../../../src/index.js';
import { bareCall, costOf } from '../calls.js';
import { fill, keyOf, VALUE } from '../fill.js';
import { inTurn } from '../rounds.js';
import type { Figures, Scenario } from '../scenario.js';

const PREFIX = 'bench/calls/';
const KEYS = 1_000;
/** As many connections for each side: what is beside etcd's own work is the client. */
const CONNECTIONS = 64;
const TRIAL_CALLS = 200;

/** A call, by the client and without one. */
interface Verb {
  ours(etcd: Client, key: string): Observable<unknown>;
  floor(pool: Pool, key: string): Promise<unknown>;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');

const put: Verb = {
  ours: (etcd, key) => etcd.kv.put(key, VALUE),
  floor: (pool, key) => bareCall(pool, '/v3/kv/put', { key: base64(key), value: base64(VALUE) }),
};

const get: Verb = {
  ours: (etcd, key) => etcd.kv.get(key),
  floor: (pool, key) => bareCall(pool, '/v3/kv/range', { key: base64(key) }),
};

/** Calls a second, and what one costs the client's process. */
function calls(name: string, verb: Verb, inFlight: number): Scenario {
  return {
    name,
    rows: [
      { name, unit: 'calls/s', better: 'more' },
      { name: `cpu-${name}`, unit: 'µs/call', better: 'less' },
    ],
    rounds: { full: 25, quick: 5, warmUp: 2 },
    prepare: async ({ server: { endpoint }, quick }) => {
      const etcd = createClient({ endpoints: endpoint, maxConnections: CONNECTIONS });
      const pool = new Pool(endpoint, { connections: CONNECTIONS });
      await fill(etcd, PREFIX, KEYS);
      const floor = (index: number) => verb.floor(pool, keyOf(PREFIX, index % KEYS));
      // As many as take this machine, in its state of today, about as long as a round should.
      const { perSecond: pace } = await costOf(TRIAL_CALLS * Math.min(inFlight, 10), inFlight, floor);
      const count = Math.ceil(pace * (quick ? 0.2 : 0.6));
      const round = async (call: (index: number) => Observable<unknown> | Promise<unknown>): Promise<Figures> => {
        const { perSecond, cpuMicros } = await costOf(count, inFlight, call);
        return { [name]: perSecond, [`cpu-${name}`]: cpuMicros };
      };
      return {
        round: inTurn({
          ours: () => round((index) => verb.ours(etcd, keyOf(PREFIX, index % KEYS))),
          floor: () => round(floor),
        }),
        end: async () => {
          await Promise.all([etcd.close(), pool.destroy()]);
        },
      };
    },
  };
}

/** `single`: one request a call, also where reads could travel together. */
export const callScenarios: readonly Scenario[] = [
  calls('put-64', put, 64),
  calls('get-64-single', get, 64),
  calls('put-1', put, 1),
  calls('get-1', get, 1),
];
